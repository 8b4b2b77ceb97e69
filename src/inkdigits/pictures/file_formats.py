"""The formats of picture files, told apart by their first bytes."""

from __future__ import annotations

import importlib
import re
from typing import Any, Final

from inkdigits.errors import MissingFormatError, PictureFormatError

ACCEPTED: Final = "PNG, JPEG, GIF, BMP, WebP, TIFF, PPM, AVIF, HEIC or PDF"

# The first bytes of each accepted format, and the class that reads it. The classes are called
# directly, because `Image.open` warns about large pictures before their size can be rejected, and
# parses the further pictures of an MPO file, which is a JPEG followed by others.
_READERS = {
    "PNG": (rb"\x89PNG\r\n\x1a\n", "PIL.PngImagePlugin", "PngImageFile"),
    "JPEG": (rb"\xff\xd8\xff", "PIL.JpegImagePlugin", "JpegImageFile"),
    "GIF": (rb"GIF8[79]a", "PIL.GifImagePlugin", "GifImageFile"),
    "BMP": (rb"BM.{8}", "PIL.BmpImagePlugin", "BmpImageFile"),
    "WebP": (rb"RIFF.{4}WEBP", "PIL.WebPImagePlugin", "WebPImageFile"),
    "TIFF": (rb"II[*+]\0|MM\0[*+]", "PIL.TiffImagePlugin", "TiffImageFile"),
    "PPM": (rb"P[1-6]\s", "PIL.PpmImagePlugin", "PpmImageFile"),
    # Both are containers of the same kind. "mif1" and "msf1" say only that; another brand in the
    # list after it says which of the two it is.
    "AVIF": (
        rb".{4}ftyp(avi[fs]|m[is]f1.{4}(.{4}){0,15}?avi[fs])",
        "PIL.AvifImagePlugin",
        "AvifImageFile",
    ),
    "HEIC": (rb".{4}ftyp(hei|hev|mif1|msf1)", "pillow_heif", "HeifImageFile"),
}
_PAGED = {"PDF": rb"%PDF"}
_UNSUPPORTED = {
    "JPEG 2000": rb".{4}jP  |\xff\x4f\xff\x51",
    "SVG": rb"\s*(<\?xml|<svg)",
}
_PATTERNS = [
    (name, re.compile(pattern, re.DOTALL))
    for name, pattern in (
        *((name, reader[0]) for name, reader in _READERS.items()),
        *_PAGED.items(),
        *_UNSUPPORTED.items(),
    )
]


def detect_format(content: bytes) -> str | None:
    """Returns the format that the first bytes of a file say; None if they say none."""
    return next((name for name, pattern in _PATTERNS if pattern.match(content)), None)


def load_reader(name: str, file_format: str) -> Any:
    """Returns the Pillow class that reads a format, of which only its own module is imported.

    Raises:
        MissingFormatError: The format needs a package that is not installed.
        PictureFormatError: The format is not supported.
    """
    if file_format in _PAGED:
        raise PictureFormatError(
            f"{name}: {file_format} has pages, which are not read here: 'inkdigits predict' and "
            "inkdigits.predict read them; or export a page as JPEG or PNG"
        )
    if file_format not in _READERS:
        raise PictureFormatError(
            f"{name}: {file_format} is not supported; export it as JPEG or PNG"
        )
    _, module, reader = _READERS[file_format]
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise missing_format(name, file_format) from error
    if not getattr(loaded, "SUPPORTED", True):  # a Pillow that was built without AVIF
        raise PictureFormatError(
            f"{name}: this Pillow cannot read {file_format}; export it as JPEG or PNG"
        )
    return getattr(loaded, reader)


def missing_format(name: str, file_format: str) -> MissingFormatError:
    """Returns the error for a format whose package is not installed."""
    return MissingFormatError(f"{name}: {file_format} needs pip install 'inkdigits[formats]'")


def describe_unknown_file(name: str, content: bytes) -> PictureFormatError:
    """Returns the error for a file of no known format."""
    if not content:
        return PictureFormatError(f"{name}: is empty (0 bytes); expected {ACCEPTED}")
    start = content[:16]
    is_text = all(32 <= byte < 127 or byte in b"\t\n\r" for byte in start)
    what = f"text ({start.decode('ascii')!r} …)" if is_text else f"bytes {start[:8].hex(' ')} …"
    return PictureFormatError(f"{name}: unknown format: starts with {what}; expected {ACCEPTED}")
