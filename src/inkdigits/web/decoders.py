"""A pool of decoder processes with limits on CPU time and memory.

A picture decoder cannot be interrupted, and its cost for a hostile file is not known in advance.
So the service decodes pictures and the pages of documents in separate processes, one page at a
time. A process that exceeds its CPU time or its memory, or whose request was cancelled, is killed;
the next picture gets a new one.
"""

from __future__ import annotations

import io
import multiprocessing
import signal
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import numpy as np

from inkdigits.errors import PictureError, PictureTooLargeError, RequestError
from inkdigits.pictures.decoding import DecodingLimits, Picture, decode_picture
from inkdigits.pictures.documents import count_document_pages, decode_document_page
from inkdigits.pictures.file_formats import detect_format

CPU_S: Final = 2.0
"""CPU seconds per picture. Measured by `measurements/attacks.py`, reading included: noise of 19
megapixels takes 0.6 s, 20 megapixels with transparency take 1.0 s."""
MEMORY_BYTES: Final = 300_000_000
"""Bytes of memory per picture, beyond those of the idle process. By the same measurement, the
largest accepted pictures need up to 187 million."""
PAGE_CPU_S: Final = 1.5
"""CPU seconds per page of a document, and per HEIC or AVIF picture. Less than `CPU_S`, as they can
be built to reach the limit, and the time to read them comes on top."""
PAGE_MEMORY_BYTES: Final = 250_000_000
"""Bytes of memory per page of a document, less than `MEMORY_BYTES` for the same reason. A page of
20 megapixels needs 150 million, a scan of 35 megapixels 100 million."""
MAX_HEIC_PIXELS: Final = 12_500_000
"""Largest HEIC picture. Telephones write 12.2 million pixels. By the same measurement, 20 million
pixels of grain take 2.5 s of CPU time, reading included, 12.2 million 1.5 s."""
_POLL_S: Final = 0.05
_START_S: Final = 20.0


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection


@dataclass(frozen=True)
class _Task:
    """What a process shall do with a file.

    Attributes:
        content: The bytes of the file.
        name: Its name in error messages; None for "picture".
        limits: Maximum size of the picture.
        page: The page to decode, from 1; None for the only picture.
        max_pages: If set, count the pages instead, up to this number.
    """

    content: bytes
    name: str | None
    limits: DecodingLimits
    page: int | None = None
    max_pages: int | None = None

    @cached_property
    def file_format(self) -> str | None:
        return detect_format(self.content)

    @property
    def is_of_document(self) -> bool:
        return self.page is not None or self.max_pages is not None

    @property
    def cpu_s(self) -> float:
        is_costly = self.is_of_document or self.file_format in ("HEIC", "AVIF")
        return PAGE_CPU_S if is_costly else CPU_S

    @property
    def memory_bytes(self) -> int:
        return PAGE_MEMORY_BYTES if self.is_of_document else MEMORY_BYTES

    @property
    def runs_pdfium(self) -> bool:
        """Whether PDFium runs, which keeps state of a file: its process takes no other file."""
        return self.file_format == "PDF"

    @property
    def label(self) -> str:
        name = self.name or "picture"
        return name if self.page is None else f"{name}, page {self.page}"

    def run(self) -> Any:
        """Returns what the process sends back: pixels and notes, or the number of pages."""
        if self.max_pages is not None:
            return count_document_pages(self.label, self.content, self.max_pages)
        if self.page is not None:
            name = self.name or "picture"
            picture = decode_document_page(name, self.content, self.page, self.limits)
        else:
            source = io.BytesIO(self.content)
            if self.name is not None:
                source.name = self.name
            limits = self.limits
            if self.file_format == "HEIC":
                limits = replace(limits, max_pixels=min(limits.max_pixels, MAX_HEIC_PIXELS))
            picture = decode_picture(source, limits)
        return picture.pixels.shape, picture.pixels.tobytes(), picture.notes


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
            # Modules that are not installed are left out.
            self._context.set_forkserver_preload([__name__, "PIL.JpegImagePlugin", "pypdfium2"])

    def decode(
        self,
        content: bytes,
        name: str | None,
        cancelled: threading.Event | None = None,
        *,
        page: int | None = None,
    ) -> Picture:
        """Decodes a picture, as `decode_picture` does, or a page of a document.

        Args:
            content: The bytes of the file.
            name: The file's name, for error messages.
            cancelled: An event that ends the decoding once it is set.
            page: The page of a PDF or TIFF file to decode, as in `decode_document_page`.

        Raises:
            PictureError: As `decode_picture`; PictureTooLargeError also if decoding exceeds the
                limit of CPU time or memory.
            RequestError: The decoding was cancelled, or no process started: status 503.
        """
        task = _Task(content, name, self._limits, page)
        shape, pixels, notes = self._run(task, cancelled)
        return Picture(np.frombuffer(pixels, np.uint8).reshape(shape), notes)

    def count_pages(
        self,
        content: bytes,
        name: str | None,
        max_pages: int,
        cancelled: threading.Event | None = None,
    ) -> int | None:
        """Returns the number of pages of a document, as `count_document_pages` does.

        Raises:
            PictureError: As `count_document_pages`, and as `decode`.
            RequestError: As `decode`.
        """
        n_pages: int | None = self._run(
            _Task(content, name, self._limits, max_pages=max_pages), cancelled
        )
        return n_pages

    def _run(self, task: _Task, cancelled: threading.Event | None) -> Any:
        while not self._slots.acquire(timeout=_POLL_S):
            _check_cancelled(cancelled)
        worker = None
        try:
            _check_cancelled(cancelled)
            worker = self._take()
            answer = self._ask(worker, task, cancelled)
            with self._lock:
                if not self._is_closed and not task.runs_pdfium:
                    self._idle.append(worker)
                    worker = None
        finally:
            if worker is not None:
                _end(worker)
            self._slots.release()
        if isinstance(answer, Exception):
            raise answer
        return answer

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

    def _ask(self, worker: _Worker, task: _Task, cancelled: threading.Event | None) -> Any:
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
                f"{task.label}: takes more than {task.cpu_s:g} s or "
                f"{task.memory_bytes // 10**6} MB to decode: save it again as a plain JPEG or PNG, "
                "or resize it"
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
            task: _Task = connection.recv()
        except (EOFError, OSError):
            return
        _limit_memory(task.memory_bytes)
        _limit_time(task.cpu_s)
        answer: object
        try:
            answer = task.run()
        except PictureError as error:
            answer = error
        except MemoryError:
            return  # `_ask` reports it
        _limit_time(0)
        with suppress(BrokenPipeError):
            connection.send(answer)
        del task, answer


def _limit_time(seconds: float) -> None:
    """Kills this process after `seconds` of CPU time; 0 removes the limit. No limit on Windows."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal has no handler, so it kills


def _limit_memory(n_bytes: int) -> None:
    """Limits the memory for the next picture, beyond that of now.

    No limit on Windows and macOS, which have no `/proc`.
    """
    with suppress(ImportError, OSError, ValueError):
        import resource

        sizes = Path("/proc/self/statm").read_text(encoding="ascii").split()
        data = int(sizes[5]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (data + n_bytes, hard))
