"""Processes that decode pictures, each within limits of time and memory, and ended beyond them.

A decoder of a picture format cannot be interrupted, and what a hostile file makes of it is not
known beforehand. So the service decodes in processes of their own: one that takes more than its
share of a core or of memory, or that nobody waits for any longer, is killed, and the next picture
gets a new one.
"""

from __future__ import annotations

import io
import multiprocessing
import signal
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import numpy as np

from inkdigits.errors import PictureError, PictureTooLargeError, RequestError
from inkdigits.recognition.decoding import DecodingLimits, Picture, decode_picture

CPU_S: Final = 2.0
"""Seconds of a core that one picture may take. By `measurements/attacks.py`, with reading, noise of
19 megapixels takes 0.6, and 20 megapixels with transparency take 1.0."""
MEMORY_BYTES: Final = 300_000_000
"""Memory that one picture may take beyond that of the process. By the same measurement, the largest
that are taken need up to 187 million."""
_POLL_S: Final = 0.05
_START_S: Final = 20.0


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection


class DecoderPool:
    """Decodes pictures in up to `n` processes, which start when they are first needed."""

    def __init__(self, n: int, limits: DecodingLimits) -> None:
        """Takes the number of processes, and what is refused before it is decoded."""
        self._limits = limits
        self._places = threading.BoundedSemaphore(n)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._is_closed = False
        method = _choose_method()
        self._context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload([__name__, "PIL.JpegImagePlugin"])

    def decode(
        self, content: bytes, name: str | None, given_up: threading.Event | None = None
    ) -> Picture:
        """Decodes a picture, as `decode_picture` does.

        Args:
            content: The bytes of its file.
            name: Of the file, for messages.
            given_up: Ends the process when it is set.

        Raises:
            PictureError: As in `decode_picture`; PictureTooLargeError, too, where it takes too much
                time or memory.
            RequestError: Nobody waits for it any longer: status 503.
        """
        while not self._places.acquire(timeout=_POLL_S):
            _check(given_up)
        worker = None
        try:
            _check(given_up)
            worker = self._take()
            answer = self._ask(worker, (content, name, self._limits), name, given_up)
            with self._lock:
                if not self._is_closed:
                    self._idle.append(worker)
                    worker = None
        finally:
            if worker is not None:
                _end(worker)
            self._places.release()
        if isinstance(answer, Exception):
            raise answer
        shape, pixels, notes = answer
        return Picture(np.frombuffer(pixels, np.uint8).reshape(shape), notes)

    def close(self) -> None:
        """Ends all processes; those that decode end with their pictures."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            _end(worker)

    def _take(self) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.process.is_alive():
                    return worker
                _end(worker)
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        if not ours.poll(_START_S):
            _end(worker)
            raise RequestError(503, "No process to decode with could be started: try again soon")
        ours.recv()
        return worker

    def _ask(
        self, worker: _Worker, task: object, name: str | None, given_up: threading.Event | None
    ) -> Any:
        """What the process says; a PictureError where it was ended by its limits."""
        try:
            worker.connection.send(task)
            while not worker.connection.poll(_POLL_S):
                _check(given_up)
            return worker.connection.recv()
        except (EOFError, OSError):
            raise PictureTooLargeError(
                f"{name or 'picture'}: takes more than {CPU_S:g} s or {MEMORY_BYTES // 10**6} MB "
                "to decode: save it again as a plain JPEG or PNG, or resize it"
            ) from None


def _choose_method() -> str:
    """How processes start: from a server that has the modules already, which takes 20 ms, or anew.

    The server needs a socket in a temporary folder, and a read-only system may have none.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    try:
        tempfile.gettempdir()
    except OSError:
        return "spawn"
    return "forkserver"


def _check(given_up: threading.Event | None) -> None:
    if given_up is not None and given_up.is_set():
        raise RequestError(503, "Nobody waits for this any longer")


def _end(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.connection.close()


def _work(connection: Connection) -> None:
    """Decodes what comes, until the service ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the service ends its processes
    connection.send("ready")
    while True:
        try:
            content, name, limits = connection.recv()
        except (EOFError, OSError):
            return
        _limit_memory()
        _limit_time(CPU_S)
        answer: object
        try:
            source = io.BytesIO(content)
            if name is not None:
                source.name = name
            picture = decode_picture(source, limits)
            answer = (picture.pixels.shape, picture.pixels.tobytes(), picture.notes)
        except PictureError as error:
            answer = error
        except MemoryError:
            return  # what that means is said in `_ask`
        _limit_time(0)
        with suppress(BrokenPipeError):
            connection.send(answer)
        del content, answer


def _limit_time(seconds: float) -> None:
    """Ends this process after so many seconds of a core, 0 never; nothing on Windows."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)  # nobody handles its signal, which kills


def _limit_memory() -> None:
    """Limits what the next picture may take; nothing where the system cannot."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        data = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (data + MEMORY_BYTES, hard))
