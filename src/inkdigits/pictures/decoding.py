"""Decodes pictures of any format, size, colour mode and orientation into one grey array.

Files are untrusted input. Their size is checked before they are read, and their structure and pixel
count before they are decoded. The format is detected from the first bytes, and only Pillow's plugin
for that format runs.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import ExifTags, Image, ImageFilter

from inkdigits.errors import PictureError, PictureFormatError, PictureTooLargeError
from inkdigits.pictures.arrays import (
    arrange_picture,
    is_array,
    scale_to_bytes,
    scale_values,
    to_array,
)
from inkdigits.pictures.file_formats import (
    describe_unknown_file,
    detect_format,
    load_reader,
)
from inkdigits.pictures.file_structure import (
    ReadLimitedFile,
    check_structure,
    read_webp_size,
)
from inkdigits.pictures.picture_sources import FileSource, read_content

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


PictureSource: TypeAlias = FileSource | Image.Image | ArrayLike | Picture


def decode_picture(source: PictureSource, limits: DecodingLimits = DecodingLimits()) -> Picture:
    """Decodes a picture of any kind into grey pixels.

    Args:
        source: A path, the bytes of a file, a binary file object (read from its start), a Pillow
            image, an array, or a picture that is decoded already. Tensors, nested lists of numbers
            and whatever NumPy can convert count as arrays. `arrays.arrange_picture` gives their
            shapes, such as (height, width) or (height, width, 3), and `arrays.scale_values` their
            scales, such as 0 to 255 or floats of 0 to 1; the lowest is black.
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
    if isinstance(source, Picture):
        _check_size("picture", source.pixels.shape[::-1], limits)
        return source
    if isinstance(source, Image.Image):
        with convert_errors("picture", "cannot be read"):
            return decode_image(source, "picture", limits)
    if is_array(source):
        return _decode_array(cast(ArrayLike, source), limits)
    name, content = read_content(cast(FileSource, source), limits.max_bytes)
    return decode_content(name, content, limits)


def decode_content(name: str, content: bytes, limits: DecodingLimits) -> Picture:
    """Decodes the bytes of a file, as `decode_picture` does; `name` is for error messages."""
    file_format = detect_format(content)
    if file_format is None:
        raise describe_unknown_file(name, content)
    with open_image(name, file_format, content, limits) as image:
        picture = decode_image(image, name, limits)
        if not getattr(image, "is_animated", False) or file_format == "HEIC":
            return picture
    note = (
        "TIFF of several pages: only the first was read"
        if file_format == "TIFF"
        else f"animated {file_format}: only the first frame was read"
    )
    return Picture(picture.pixels, (*picture.notes, note))


@contextmanager
def open_image(
    name: str, file_format: str, content: bytes, limits: DecodingLimits
) -> Iterator[Image.Image]:
    """Checks the structure of a file and opens it, without decoding it, for use in the block.

    Args:
        name: Name of the file in error messages.
        file_format: As `detect_format` returns it.
        content: The bytes of the file.
        limits: Maximum size of the picture.

    Raises:
        PictureFormatError: The format is not supported, or the file is damaged or unusual; also
            for any exception of Pillow in the block.
        PictureTooLargeError: The file declares more pixels than the limits allow.
    """
    reader = load_reader(name, file_format)
    with convert_errors(name, f"damaged {file_format} file"):
        if file_format == "WebP":  # its plugin allocates memory for the whole picture when it opens
            _check_size(name, read_webp_size(content), limits)
        check_structure(name, file_format, content, limits.max_pixels)
        yield reader(ReadLimitedFile(name, file_format, content))


@contextmanager
def convert_errors(name: str, problem: str) -> Iterator[None]:
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


def _check_size(name: str, size: tuple[int, int], limits: DecodingLimits) -> None:
    width, height = size
    if width * height > limits.max_pixels or max(size) > limits.max_side:
        raise PictureTooLargeError(
            f"{name}: {width:,} × {height:,} pixels; the limit is {limits.max_pixels:,} in total "
            f"and {limits.max_side:,} per side: resize it"
        )


def decode_image(image: Image.Image, name: str, limits: DecodingLimits) -> Picture:
    """Decodes an opened image. Its pixels are not loaded yet, unless the caller has loaded them."""
    upright, notes = load_upright(image, name, limits, _to_grey)
    return Picture(np.array(upright), notes)


def load_upright(
    image: Image.Image,
    name: str,
    limits: DecodingLimits,
    convert: Callable[[Image.Image], Image.Image],
) -> tuple[Image.Image, tuple[str, ...]]:
    """Loads the pixels of an opened image and rotates them upright according to EXIF.

    Args:
        image: The image.
        name: Name of the file in error messages.
        limits: Maximum size of the picture.
        convert: Converts the image, before it is rotated, to the mode that is wanted.

    Returns:
        The converted image, and notes for the user.

    Raises:
        PictureTooLargeError: The picture exceeds the limits.
    """
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
    converted = convert(image)
    notes: tuple[str, ...] = ()
    try:
        transpose = _EXIF_TRANSPOSES.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF data raise almost any exception
        transpose, notes = None, ("its EXIF data are damaged: taken as upright",)
    return (converted if transpose is None else converted.transpose(transpose)), notes


def _decode_array(source: ArrayLike, limits: DecodingLimits) -> Picture:
    values = arrange_picture(to_array(source))
    image = build_image(values, limits)
    notes: tuple[str, ...] = ()
    if values.dtype == np.uint8 and values.max() == 1:
        notes = ("its values are 0 and 1 of 255, so all of it is black: pass a mask as bool",)
    return Picture(np.array(_to_grey(image)), notes)


def build_image(values: NDArray[np.generic], limits: DecodingLimits) -> Image.Image:
    """Returns the image of an array.

    Args:
        values: Shape (height, width) or (height, width, channels), as `arrange_picture` returns it.
        limits: Maximum size of the picture.

    Raises:
        PictureFormatError: The values have no known scale.
        PictureTooLargeError: The picture exceeds the limits.
    """
    _check_size("picture", (values.shape[1], values.shape[0]), limits)
    return Image.fromarray(np.ascontiguousarray(scale_values(values)))


def _to_grey(image: Image.Image) -> Image.Image:
    """Converts an image of any mode to mode L."""
    plain = flatten(image)
    return plain if plain.mode == "L" else _colours_to_grey(plain)


def flatten(image: Image.Image) -> Image.Image:
    """Converts an image of any mode to mode L or RGB, on a background instead of transparency."""
    if image.mode[0] in "IF":  # I, I;16 and its variants, F: values are not limited to 0 to 255
        return Image.fromarray(scale_to_bytes(np.asarray(image)))
    if image.has_transparency_data:
        # Pillow converts the premultiplied modes only to their plain counterparts.
        plain = _convert_mode({"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode), image)
        image = _add_background(_convert_mode("RGBA", plain))
    if image.mode in ("1", "L"):
        return image.convert("L")
    return _convert_mode("RGB", image)


def _convert_mode(mode: str, image: Image.Image) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # `convert` always copies


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
