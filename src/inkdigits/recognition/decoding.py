"""Decodes pictures of any format, size, colour mode and orientation into one grey array.

Files are untrusted input. Their size is checked before they are read, and their structure and pixel
count before they are decoded. The format is detected from the first bytes, and only Pillow's plugin
for that format runs.
"""

from __future__ import annotations

import difflib
import importlib
import math
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFilter

from inkdigits.errors import PictureError, PictureFormatError, PictureTooLargeError
from inkdigits.recognition.file_structure import (
    ReadLimitedFile,
    check_structure,
    read_webp_size,
)

PictureSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | NDArray[Any]

ACCEPTED = "PNG, JPEG, GIF, BMP, WebP, TIFF or PPM"

# The first bytes of each accepted format, and the Pillow class that reads it. The classes are
# called directly, because `Image.open` warns about large pictures before their size can be
# rejected, and parses the further pictures of an MPO file, which is a JPEG followed by others.
_READERS = (
    ("PNG", rb"\x89PNG\r\n\x1a\n", "PngImagePlugin", "PngImageFile"),
    ("JPEG", rb"\xff\xd8\xff", "JpegImagePlugin", "JpegImageFile"),
    ("GIF", rb"GIF8[79]a", "GifImagePlugin", "GifImageFile"),
    ("BMP", rb"BM.{8}", "BmpImagePlugin", "BmpImageFile"),
    ("WebP", rb"RIFF.{4}WEBP", "WebPImagePlugin", "WebPImageFile"),
    ("TIFF", rb"II[*+]\0|MM\0[*+]", "TiffImagePlugin", "TiffImageFile"),
    ("PPM", rb"P[1-6]\s", "PpmImagePlugin", "PpmImageFile"),
)
_UNSUPPORTED = (
    ("HEIC", rb".{4}ftyp(hei|hev|mif1|msf1)"),
    ("AVIF", rb".{4}ftypavi"),
    ("JPEG 2000", rb".{4}jP  |\xff\x4f\xff\x51"),
    ("PDF", rb"%PDF"),
    ("SVG", rb"\s*(<\?xml|<svg)"),
)

# Pillow decodes these in Python. A million pixels take 0.7 s in BMP, 0.9 s in grey PPM and 2 s in
# colour PPM with 16 bits.
_SLOW_CODECS = frozenset({"ppm", "ppm_plain", "bmp_rle"})
_MAX_SLOW_PIXELS = 1_000_000

_TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 322, 323

# EXIF orientation to the operation that makes the picture upright.
_EXIF_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as in Pillow

# Grey levels: a smaller range between the extremes of colour is noise, such as that of JPEG.
_MIN_COLOUR_CONTRAST = 24

# Held while Pillow runs, because Python's warning filters are global to the process. It also limits
# the memory for decoding to one picture at a time.
_DECODER_LOCK = threading.Lock()


@dataclass(frozen=True)
class DecodingLimits:
    """Limits on the size of pictures. Larger pictures are rejected before they are decoded.

    Attributes:
        max_bytes: Maximum file size in bytes.
        max_pixels: Maximum of width times height.
        max_side: Maximum width and maximum height in pixels.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 50_000_000
    max_side: int = 30_000


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: uint8, shape (height, width), upright, 0 black to 255 white, as displayed.
        notes: Notes for the user, such as "only the first frame was read".
    """

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.uint8 or not self.pixels.size:
            raise ValueError(
                f"pixels are {self.pixels.dtype} of shape {self.pixels.shape}; "
                "expected uint8 of shape (height, width)"
            )


def decode_picture(source: PictureSource, limits: DecodingLimits = DecodingLimits()) -> Picture:
    """Decodes a picture of any kind into grey pixels.

    Args:
        source: A path, the bytes of a file, a binary file object (read from its start), a Pillow
            image, or an array. Arrays have the shape (height, width), (height, width, 1), or
            (height, width, 3 or 4) for RGB or RGBA. Their values are bool, integers from 0 to
            65535, or floats from 0 to 1 or 0 to 255; 0 is black.
        limits: Maximum size of the picture.

    Returns:
        The picture as it is displayed: rotated upright according to EXIF, transparent pixels
        replaced by a background that contrasts with the ink, and only the first of several frames
        or pages.

    Raises:
        PictureFormatError: The source is not a picture, is damaged or missing, or has an
            unsupported format.
        PictureTooLargeError: The picture has more bytes or pixels than the limits allow.
    """
    if isinstance(source, np.ndarray):
        return _decode_array(source, limits)
    if isinstance(source, Image.Image):
        with _convert_errors("picture", "cannot be read"):
            return _decode_image(source, "picture", limits)
    name, content = _read_content(source, limits)
    return _decode_content(name, content, limits)


def _read_content(
    source: str | os.PathLike[str] | bytes | BinaryIO, limits: DecodingLimits
) -> tuple[str, bytes]:
    """Returns a name for error messages, and the bytes, whose number is within the limit."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        name, content = "picture", bytes(source[: limits.max_bytes + 1])
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source)
        name = path.name or str(path)
        try:
            _check_file(name, path.stat(), limits)
            # The file may have been replaced by a pipe since, so it is opened without blocking.
            with open(path, "rb", opener=_open_nonblocking) as file:
                _check_file(name, os.fstat(file.fileno()), limits)
                content = _read_at_most(name, file, limits.max_bytes + 1)
        except FileNotFoundError as error:
            raise PictureFormatError(f"{name}: no such file{_suggest_names(path)}") from error
        except PictureError:
            raise
        except (OSError, ValueError) as error:  # ValueError: a null character in the path
            reason = getattr(error, "strerror", None) or error
            raise PictureFormatError(f"{name}: cannot be read ({reason})") from error
    elif hasattr(source, "read"):
        file_name = getattr(source, "name", None)
        name = Path(file_name).name if isinstance(file_name, str) and file_name else "picture"
        try:
            if source.seekable():
                source.seek(0)
            content = _read_at_most(name, source, limits.max_bytes + 1)
        except PictureError:
            raise
        except (OSError, ValueError) as error:  # ValueError: a file that is closed
            raise PictureFormatError(f"{name}: cannot be read ({error})") from error
    else:
        raise PictureFormatError(
            f"picture: {type(source).__name__} is not a picture; expected a path, bytes, a binary "
            "file object, a Pillow image or a NumPy array"
        )
    _check_bytes(name, len(content), limits)
    return name, content


def _check_file(name: str, status: os.stat_result, limits: DecodingLimits) -> None:
    """Rejects everything but regular files: reading a device or a pipe may block or never end."""
    if stat.S_ISDIR(status.st_mode):
        raise PictureFormatError(f"{name}: is a folder; expected a picture file")
    if not stat.S_ISREG(status.st_mode):
        raise PictureFormatError(
            f"{name}: is a device, pipe or socket; expected a picture file: copy it to a file"
        )
    _check_bytes(name, status.st_size, limits)


def _open_nonblocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # not on Windows


def _read_at_most(name: str, file: BinaryIO, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    left = max_bytes
    while left and (part := file.read(left)):  # pipes and sockets may return fewer bytes
        if not isinstance(part, bytes):
            raise PictureFormatError(f"{name}: opened as text; open it with mode 'rb'")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _suggest_names(path: Path) -> str:
    """Returns the end of an error message that suggests similar names in the same folder."""
    if re.match(r"https?:", str(path)):
        return "; an address must be downloaded first"
    try:
        beside = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f", nor the folder {path.parent}"
    close = difflib.get_close_matches(path.name, beside)
    return f"; did you mean {' or '.join(close)}?" if close else "; check the name and the folder"


def _decode_content(name: str, content: bytes, limits: DecodingLimits) -> Picture:
    file_format, reader = _find_reader(name, content)
    with _convert_errors(name, f"damaged {file_format} file"):
        if file_format == "WebP":  # its plugin allocates memory for the whole picture when it opens
            _check_size(name, read_webp_size(content), limits)
        check_structure(name, file_format, content)
        image: Image.Image = reader(ReadLimitedFile(name, file_format, content))
        picture = _decode_image(image, name, limits)
        if not getattr(image, "is_animated", False):
            return picture
    note = (
        "TIFF of several pages: only the first was read"
        if file_format == "TIFF"
        else f"animated {file_format}: only the first frame was read"
    )
    return Picture(picture.pixels, (*picture.notes, note))


def _find_reader(name: str, content: bytes) -> tuple[str, Any]:
    """Returns the format according to the first bytes, and the Pillow class that reads it."""
    if not content:
        raise PictureFormatError(f"{name}: is empty (0 bytes); expected {ACCEPTED}")
    for file_format, signature, plugin, reader in _READERS:
        if re.match(signature, content, re.DOTALL):
            return file_format, getattr(importlib.import_module(f"PIL.{plugin}"), reader)
    for file_format, signature in _UNSUPPORTED:
        if re.match(signature, content, re.DOTALL):
            raise PictureFormatError(
                f"{name}: {file_format} is not supported; export it as JPEG or PNG"
            )
    start = content[:16]
    is_text = all(32 <= byte < 127 or byte in b"\t\n\r" for byte in start)
    what = f"text ({start.decode('ascii')!r} …)" if is_text else f"bytes {start[:8].hex(' ')} …"
    raise PictureFormatError(f"{name}: is not a picture: starts with {what}; expected {ACCEPTED}")


@contextmanager
def _convert_errors(name: str, problem: str) -> Iterator[None]:
    """Runs Pillow without its warnings, and converts its exceptions to PictureError."""
    with _DECODER_LOCK, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            yield
        except PictureError:
            raise
        except Image.DecompressionBombError as error:
            raise PictureTooLargeError(f"{name}: {error} Please resize it") from error
        except Exception as error:  # with damaged files, decoders raise almost any exception
            reason = " ".join(str(error).split()) or type(error).__name__
            raise PictureFormatError(
                f"{name}: {problem} ({reason}); save or download it again"
            ) from error


def _check_bytes(name: str, size: int, limits: DecodingLimits) -> None:
    if size > limits.max_bytes:
        raise PictureTooLargeError(
            f"{name}: at least {size:,} bytes; the limit is {limits.max_bytes:,}: resize it"
        )


def _check_size(name: str, size: tuple[int, int], limits: DecodingLimits) -> None:
    width, height = size
    if width * height > limits.max_pixels or max(size) > limits.max_side:
        raise PictureTooLargeError(
            f"{name}: {width:,} × {height:,} pixels; the limit is {limits.max_pixels:,} in total "
            f"and {limits.max_side:,} per side: resize it"
        )


def _decode_image(image: Image.Image, name: str, limits: DecodingLimits) -> Picture:
    """Decodes an opened image. Its pixels are not loaded yet, unless the caller has loaded them."""
    _check_size(name, image.size, limits)
    tiles = getattr(image, "tile", ())
    if any(tile[0] in _SLOW_CODECS for tile in tiles):
        _check_size(name, image.size, DecodingLimits(max_pixels=_MAX_SLOW_PIXELS))
        file = getattr(image, "fp", None)
        if isinstance(file, ReadLimitedFile):
            # BMP needs two reads for a run of one pixel, and two at the end of a row.
            file.allow_reads(1000 + 2 * math.prod(image.size) + 4 * image.height)
    tags = getattr(image, "tag_v2", {})  # a TIFF tile can be larger than the picture
    _check_size(name, (tags.get(_TIFF_TILE_WIDTH, 1), tags.get(_TIFF_TILE_LENGTH, 1)), limits)
    image.load()
    grey = _to_grey(image)
    notes: tuple[str, ...] = ()
    try:
        transpose = _EXIF_TRANSPOSES.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF data raise almost any exception
        transpose, notes = None, ("its EXIF data are damaged: taken as upright",)
    return Picture(np.array(grey if transpose is None else grey.transpose(transpose)), notes)


def _decode_array(values: NDArray[Any], limits: DecodingLimits) -> Picture:
    shape = " × ".join(map(str, values.shape)) or "()"
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim != 2 and not (values.ndim == 3 and values.shape[2] in (3, 4)):
        raise PictureFormatError(
            f"picture: an array of shape {shape}; expected (height, width), or (height, width, "
            "channels) with 1, 3 (RGB) or 4 (RGBA) channels"
        )
    if not values.size:
        raise PictureFormatError(f"picture: an array of shape {shape} has no pixels")
    _check_size("picture", (values.shape[1], values.shape[0]), limits)
    if values.dtype.kind not in "buif":
        raise PictureFormatError(
            f"picture: an array of {values.dtype}; expected bool, integers or floats"
        )
    floats = values.dtype.kind == "f"
    slack = 1e-3 if floats else 0  # resampling can overshoot by this much
    full = 255 if floats else 65535
    low, high = float(values.min()), float(values.max())  # NaN if any value is NaN
    if not (low >= -slack and high <= full + slack):
        raise PictureFormatError(
            f"picture: an array of {values.dtype} with values from {low:g} to {high:g}; expected "
            "0 to 255, floats also 0 to 1, integers also 0 to 65535"
        )
    if floats:
        values = values.clip(0, 1 if high <= 1 + slack else full)
    image = Image.fromarray(np.ascontiguousarray(_to_bytes(values)))
    return Picture(np.array(_to_grey(image)))


def _to_grey(image: Image.Image) -> Image.Image:
    """Converts an image of any mode to mode L."""
    if image.mode[0] in "IF":  # I, I;16 and its variants, F: values are not limited to 0 to 255
        return Image.fromarray(_to_bytes(np.asarray(image)))
    if image.has_transparency_data:
        # Pillow converts the premultiplied modes only to their plain counterparts.
        plain = _convert_mode({"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode), image)
        image = _add_background(_convert_mode("RGBA", plain))
    if image.mode in ("1", "L"):
        return image.convert("L")
    return _colours_to_grey(_convert_mode("RGB", image))


def _convert_mode(mode: str, image: Image.Image) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # `convert` always copies


def _to_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scales values to uint8, 0 to 255, by the smallest common range that contains all of them."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("values that are not finite")
    # Scanners store 10, 12 or 14 bits in 16; scaled as 16 bits, they would be almost black.
    ranges = [255.0, 1023.0, 4095.0, 16383.0, 65535.0]
    if values.dtype.kind == "f":
        ranges.insert(0, 1.0)
    if low < 0 or high > ranges[-1]:
        values, high = values - low, high - low
        ranges = [high or 1.0]
    full = next(full for full in ranges if high <= full)
    return np.rint(values * np.float32(255 / full)).astype(np.uint8)


def _add_background(image: Image.Image) -> Image.Image:
    """Composites an RGBA image onto a grey that contrasts with its ink; returns mode RGB."""
    alphas = image.getchannel("A")
    if alphas.getextrema()[0] == 255:
        return image.convert("RGB")
    background = Image.new("RGB", image.size, (_choose_background(image),) * 3)
    background.paste(image, mask=alphas)
    return background


def _choose_background(image: Image.Image) -> int:
    """Returns the background grey, 0 to 255, for an RGBA image with transparent pixels."""
    sample = image.reduce(math.ceil(max(image.size) / 1024))
    lumas = np.asarray(sample.convert("L"), dtype=np.float32)
    alphas = np.asarray(sample.getchannel("A"), dtype=np.float32)
    if not alphas.any():
        return 255
    visible = alphas > alphas.max() / 2
    inner = visible.copy()
    inner[1:] &= visible[:-1]
    inner[:-1] &= visible[1:]
    inner[:, 1:] &= visible[:, :-1]
    inner[:, :-1] &= visible[:, 1:]
    rim = lumas[visible & ~inner]
    # If the visible part includes paper, as in a screenshot with round corners, its rim has one
    # tone, and there are others inside: the background takes the tone of the paper. Otherwise the
    # visible part is ink only.
    if rim.size and rim.std() < 32:
        paper = float(np.quantile(rim, 0.5))
        if np.mean(np.abs(lumas[visible] - paper) > 80) > 0.02:
            return round(paper)
    return 0 if np.average(lumas, weights=alphas) > 127 else 255


def _colours_to_grey(image: Image.Image) -> Image.Image:
    """Converts an RGB image to grey: its luma, unless ink and paper differ only in colour.

    Red ink on green paper of the same luma would vanish in the luma. In this case the result is the
    first principal component of the colours, after gradual changes of lighting have been removed.
    The choice depends on the range between the extremes, not on the variance, so that a little
    black ink selects the luma even beside large coloured areas.
    """
    sample = image.reduce(math.ceil(max(image.size) / 512))
    slow = sample.filter(ImageFilter.BoxBlur(max(1, max(sample.size) // 4)))
    details = (np.asarray(sample, dtype=np.float32) - np.asarray(slow)).reshape(-1, 3)
    main = np.linalg.eigh(details.T @ details)[1][:, -1]
    # The absolute values of the weights sum to 1, and the offset below compensates for negative
    # weights, so every colour stays within 0 to 255.
    weights = main * (1 if main @ _LUMA >= 0 else -1) / np.abs(main).sum()
    contrast, luma_contrast = (
        float(np.quantile(shades, 0.999) - np.quantile(shades, 0.001))
        for shades in (details @ weights, details @ _LUMA)
    )
    if contrast < max(_MIN_COLOUR_CONTRAST, 2 * luma_contrast):
        return image.convert("L")
    red, green, blue = map(float, weights)
    offset = -255 * float(weights[weights < 0].sum())
    return image.convert("L", (red, green, blue, offset))
