"""A pool of decoder processes with limits on CPU time and memory.

A picture decoder cannot be interrupted, and its cost for a hostile file is not known in advance.
So the service decodes pictures in separate processes. A process that exceeds its CPU time or its
memory, or whose request was cancelled, is killed; the next picture gets a new one.
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
"""CPU seconds per picture. Measured by `measurements/attacks.py`, reading included: noise of 19
megapixels takes 0.6 s, 20 megapixels with transparency take 1.0 s."""
MEMORY_BYTES: Final = 300_000_000
"""Bytes of memory per picture, beyond those of the idle process. By the same measurement, the
largest accepted pictures need up to 187 million."""
_POLL_S: Final = 0.05
_START_S: Final = 20.0


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection


class DecoderPool:
    """Decodes pictures in up to `n` processes, which start on first use."""

    def __init__(self, n: int, limits: DecodingLimits) -> None:
        """Creates a pool of `n` processes; `limits` are checked before a picture is decoded."""
        self._limits = limits
        self._slots = threading.BoundedSemaphore(n)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._is_closed = False
        method = _choose_method()
        self._context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload([__name__, "PIL.JpegImagePlugin"])

    def decode(
        self, content: bytes, name: str | None, cancelled: threading.Event | None = None
    ) -> Picture:
        """Decodes a picture, as `decode_picture` does.

        Args:
            content: The bytes of the file.
            name: The file's name, for error messages.
            cancelled: An event that ends the decoding once it is set.

        Raises:
            PictureError: As `decode_picture`; PictureTooLargeError also if decoding exceeds the
                limit of CPU time or memory.
            RequestError: The decoding was cancelled, or no process started: status 503.
        """
        while not self._slots.acquire(timeout=_POLL_S):
            _check_cancelled(cancelled)
        worker = None
        try:
            _check_cancelled(cancelled)
            worker = self._take()
            answer = self._ask(worker, (content, name, self._limits), name, cancelled)
            with self._lock:
                if not self._is_closed:
                    self._idle.append(worker)
                    worker = None
        finally:
            if worker is not None:
                _end(worker)
            self._slots.release()
        if isinstance(answer, Exception):
            raise answer
        shape, pixels, notes = answer
        return Picture(np.frombuffer(pixels, np.uint8).reshape(shape), notes)

    def close(self) -> None:
        """Ends the idle processes now, and each busy one after its picture."""
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
            raise RequestError(503, "The decoder process did not start: try again soon")
        ours.recv()
        return worker

    def _ask(
        self, worker: _Worker, task: object, name: str | None, cancelled: threading.Event | None
    ) -> Any:
        """Returns the result of a process.

        Raises:
            PictureTooLargeError: The process exceeded its limits and was killed.
        """
        try:
            worker.connection.send(task)
            while not worker.connection.poll(_POLL_S):
                _check_cancelled(cancelled)
            return worker.connection.recv()
        except (EOFError, OSError):
            raise PictureTooLargeError(
                f"{name or 'picture'}: takes more than {CPU_S:g} s or {MEMORY_BYTES // 10**6} MB "
                "to decode: save it again as a plain JPEG or PNG, or resize it"
            ) from None


def _choose_method() -> str:
    """Returns the start method: forkserver, which has the modules loaded and takes 20 ms, or spawn.

    The fork server needs a socket in a temporary folder, which a read-only system may not have.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    try:
        tempfile.gettempdir()
    except OSError:
        return "spawn"
    return "forkserver"


def _check_cancelled(cancelled: threading.Event | None) -> None:
    if cancelled is not None and cancelled.is_set():
        raise RequestError(503, "The request was cancelled")


def _end(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.connection.close()


def _work(connection: Connection) -> None:
    """Decodes pictures until the connection closes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the service ends this process
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
            return  # `_ask` reports it
        _limit_time(0)
        with suppress(BrokenPipeError):
            connection.send(answer)
        del content, answer


def _limit_time(seconds: float) -> None:
    """Kills this process after `seconds` of CPU time; 0 removes the limit. No limit on Windows."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal has no handler, so it kills


def _limit_memory() -> None:
    """Limits the memory for the next picture; does nothing where the system does not support it."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        data = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (data + MEMORY_BYTES, hard))
