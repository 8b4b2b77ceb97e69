"""Draws the pages of a PDF file in a process of its own, with limits on time and memory.

A PDF page is a program: its cost is not known before it runs, and it cannot be interrupted. So
PDFium runs in a process that reads the file from its standard input and writes the pages to its
standard output. A process that exceeds the limits ends, and a crash ends only this process.

This module is also the program of that process, so it imports nothing else of the package. The
decoder processes of the service have limits of their own: they call `count_pages` and `draw_page`.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from PIL import Image

RESOLUTION_DPI: Final = 200
"""Resolution of a page in pixels per inch."""

PAGE_CPU_S: Final = 15
"""CPU seconds per page. Opening the file counts towards the first page."""

MEMORY_BYTES: Final = 1_000_000_000
"""Bytes of memory, beyond those of the idle process."""

_PAGE_S: Final = 4 * PAGE_CPU_S  # by the clock, for systems without limits on CPU time
_POINTS_PER_INCH: Final = 72
_MAX_IMAGE_PIXELS: Final = 200_000_000  # of one image on a page; a scan of A2 at 600 dpi has 139

# Each answer starts with its kind, followed by the width and height of a page, or by a number.
_HEAD: Final = struct.Struct("<cII")
_READY, _PAGE, _BAD_PAGE, _LARGE_IMAGE, _END = b"R", b"P", b"B", b"L", b"E"
_DAMAGED, _ENCRYPTED, _TOO_MANY = b"D", b"C", b"M"


class PdfError(ValueError):
    """A PDF file that cannot be read.

    Attributes:
        is_too_large: Whether the file or a page exceeds the limits.
    """

    def __init__(self, message: str, *, is_too_large: bool = False) -> None:
        super().__init__(message)
        self.is_too_large = is_too_large


class PdfPageError(PdfError):
    """A page that cannot be drawn. The pages after it are not drawn if it exceeds the limits."""


class _FaultError(Exception):
    """Why a file or a page cannot be drawn, as in an answer of the process.

    Attributes:
        kind: The kind of the answer.
        numbers: Width and height of an image, or the number of pages and 0.
    """

    def __init__(self, kind: bytes, first: int = 0, second: int = 0) -> None:
        super().__init__(kind)
        self.kind = kind
        self.numbers = first, second


def count_pages(content: bytes, max_pages: int) -> int:
    """Returns the number of pages of a PDF file. Runs PDFium in this process.

    Raises:
        PdfError: The file is encrypted, damaged, or has no pages or too many.
    """
    try:
        with _open_document(content, max_pages) as document:
            return len(document)
    except _FaultError as fault:
        raise _describe_fault(fault.kind, *fault.numbers, max_pages) from None


def draw_page(content: bytes, number: int, *, max_pixels: int, max_side: int) -> Image.Image:
    """Draws one page of a PDF file, as `draw_pages` does. Runs PDFium in this process.

    Args:
        content: The bytes of the file.
        number: Number of the page, from 1.
        max_pixels: As in `draw_pages`.
        max_side: As in `draw_pages`.

    Returns:
        An image of mode RGB.

    Raises:
        PdfError: The file is encrypted or damaged.
        PdfPageError: The page is damaged or missing, or contains a very large image.
    """
    from PIL import Image

    try:
        with _open_document(content, sys.maxsize) as document:
            bitmap = _draw(document, number - 1, max_pixels, max_side)
    except _FaultError as fault:
        raise _describe_fault(fault.kind, *fault.numbers, sys.maxsize) from None
    size, pixels = (bitmap.width, bitmap.height), memoryview(bitmap.buffer).cast("B")
    image = Image.frombytes("RGB", size, pixels, "raw", "RGB", bitmap.stride)
    bitmap.close()
    return image


def draw_pages(
    content: bytes, *, max_pages: int, max_pixels: int, max_side: int, first_page: int = 1
) -> Generator[tuple[int, int, bytes] | PdfPageError]:
    """Draws the pages of a PDF file one after the other, at `RESOLUTION_DPI` or less.

    Args:
        content: The bytes of the file.
        max_pages: Maximum number of pages.
        max_pixels: Maximum of width times height. Larger pages are drawn at a lower resolution.
        max_side: Maximum width and maximum height.
        first_page: Number of the first page to draw, from 1.

    Yields:
        Width, height and the pixels, three bytes each (RGB), row by row; or the error of a page.

    Raises:
        PdfError: The file is encrypted, damaged, or has no pages or too many.
    """
    limits = [str(max_pages), str(max_pixels), str(max_side), str(first_page)]
    try:
        # -P: a module in the current folder must not replace one of Python's.
        process = subprocess.Popen(
            [sys.executable, "-P", __file__, *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise PdfError(f"the process that draws PDF pages did not start ({error})") from error
    with process:
        try:
            yield from _receive_pages(process, content, max_pages)
        finally:  # also if the caller stops the iteration early
            process.kill()


def _receive_pages(
    process: subprocess.Popen[bytes], content: bytes, max_pages: int
) -> Iterator[tuple[int, int, bytes] | PdfPageError]:
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise PdfError("the process that draws PDF pages has no pipes")
    with suppress(BrokenPipeError), stdin:
        stdin.write(content)
    if _receive(process, stdout)[0] != _READY:
        raise PdfError("the process that draws PDF pages did not start")
    while True:
        kind, width, height, pixels = _receive(process, stdout)
        if kind == _PAGE:
            yield width, height, pixels
        elif kind == _END:
            return
        elif kind:
            error = _describe_fault(kind, width, height, max_pages)
            if not isinstance(error, PdfPageError):
                raise error
            yield error
        else:
            yield PdfPageError(
                f"takes more than {PAGE_CPU_S} s or {MEMORY_BYTES // 10**6} MB to draw, so this "
                "and the following PDF pages were not read: export it as JPEG or PNG",
                is_too_large=True,
            )
            return


def _describe_fault(kind: bytes, width: int, height: int, max_pages: int) -> PdfError:
    if kind == _BAD_PAGE:
        return PdfPageError("damaged PDF page")
    if kind == _LARGE_IMAGE:
        fault = f"a PDF page with an image of {width:,} × {height:,} pixels: resize it"
        return PdfPageError(fault, is_too_large=True)
    if kind == _ENCRYPTED:
        return PdfError("encrypted PDF file: save it without a password")
    if kind == _DAMAGED:
        return PdfError("damaged PDF file: save or download it again")
    if not width:
        return PdfError("PDF file without pages")
    return PdfError(
        f"PDF file of {width:,} pages; the limit is {max_pages:,}: split it", is_too_large=True
    )


def _receive(process: subprocess.Popen[bytes], stdout: IO[bytes]) -> tuple[bytes, int, int, bytes]:
    """Returns kind, width, height and pixels of the next answer; an empty kind if there is none."""
    timer = threading.Timer(_PAGE_S, process.kill)
    timer.start()
    try:
        head = stdout.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return b"", 0, 0, b""
        kind, width, height = _HEAD.unpack(head)
        n_bytes = 3 * width * height if kind == _PAGE else 0
        pixels = stdout.read(n_bytes)
        return (kind, width, height, pixels) if len(pixels) == n_bytes else (b"", 0, 0, b"")
    finally:
        timer.cancel()


def _main(max_pages: int, max_pixels: int, max_side: int, first_page: int) -> None:
    """Draws the file on standard input; the program of the process."""
    import pypdfium2  # noqa: F401 - loaded before memory is limited

    content = sys.stdin.buffer.read()
    stdout = sys.stdout.buffer

    def answer(kind: bytes, width: int = 0, height: int = 0) -> None:
        stdout.write(_HEAD.pack(kind, width, height))
        stdout.flush()

    answer(_READY)
    _limit_memory()
    _limit_time()
    try:
        document = _open_document(content, max_pages)
    except _FaultError as fault:
        answer(fault.kind, *fault.numbers)
        return
    for number in range(first_page - 1, len(document)):
        _limit_time()
        try:
            bitmap = _draw(document, number, max_pixels, max_side)
        except _FaultError as fault:
            answer(fault.kind, *fault.numbers)
            continue
        answer(_PAGE, bitmap.width, bitmap.height)
        rows = memoryview(bitmap.buffer).cast("B")
        for start in range(0, bitmap.height * bitmap.stride, bitmap.stride):
            stdout.write(rows[start : start + 3 * bitmap.width])
        stdout.flush()
        bitmap.close()
    answer(_END)


def _open_document(content: bytes, max_pages: int) -> Any:
    """Opens a file in this process and returns PDFium's document.

    Raises:
        _FaultError: The file is encrypted, damaged, or has no pages or too many.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
        n_pages = len(document)
    except pypdfium2.PdfiumError as error:
        password = pypdfium2.raw.FPDF_ERR_PASSWORD
        raise _FaultError(_ENCRYPTED if error.err_code == password else _DAMAGED) from error
    if not 0 < n_pages <= max_pages:
        raise _FaultError(_TOO_MANY, min(n_pages, 2**32 - 1))
    with suppress(pypdfium2.PdfiumError):
        document.init_forms()  # so that filled fields are drawn
    return document


def _draw(document: Any, number: int, max_pixels: int, max_side: int) -> Any:
    """Draws a page, counted from 0, and returns PDFium's bitmap: RGB, rows of `stride` bytes.

    Raises:
        _FaultError: The page is damaged or missing, or contains a very large image.
    """
    import pypdfium2

    try:
        page = document[number]
        if large := _find_large_image(pypdfium2, page):
            raise _FaultError(_LARGE_IMAGE, *large)
        bitmap = page.render(scale=_choose_scale(page, max_pixels, max_side), rev_byteorder=True)
        page.close()
    except (pypdfium2.PdfiumError, IndexError) as error:
        raise _FaultError(_BAD_PAGE) from error
    return bitmap


def _choose_scale(page: Any, max_pixels: int, max_side: int) -> float:
    """Returns pixels per point, so that the page, each side rounded up, is within the limits."""
    width, height = (max(side, 1e-3) for side in page.get_size())
    scale: float = min(
        RESOLUTION_DPI / _POINTS_PER_INCH,
        (max_side - 1) / max(width, height),
        (max_pixels / (width * height)) ** 0.5,
    )
    # Rounding up adds up to a row and a column.
    while -(-width * scale // 1) * -(-height * scale // 1) > max_pixels:
        scale *= 0.99
    return scale


def _find_large_image(pypdfium2: Any, page: Any) -> tuple[int, int] | None:
    for image in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE], max_depth=4):
        with suppress(pypdfium2.PdfiumError):
            width, height = image.get_px_size()
            if width * height > _MAX_IMAGE_PIXELS:
                return width, height
    return None


def _limit_time() -> None:
    """Ends this process after `PAGE_CPU_S` more seconds of CPU time. No limit on Windows."""
    import signal

    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, PAGE_CPU_S)  # its signal has no handler, so it kills


def _limit_memory() -> None:
    with suppress(ImportError, OSError, ValueError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, hard))


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
