"""Picture files of one tile each."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from inkdigits.data.idx import SIDE
from inkdigits.errors import DataFormatError

MAX_TILE_BYTES = 2**16
TILE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_FORMATS = ("PNG", "JPEG", "BMP")
_MODES = ("1", "L", "P", "RGB")


def decode_tile(content: bytes, name: str) -> NDArray[np.uint8]:
    """Decodes a picture of 28 × 28 pixels.

    Args:
        content: A PNG, JPEG or BMP file.
        name: Name of the picture in error messages.

    Returns:
        uint8, shape (28, 28), 0 black, 255 white.

    Raises:
        DataFormatError: The content is not such a picture, or is damaged.
    """
    if len(content) > MAX_TILE_BYTES:
        raise DataFormatError(
            f"{name} has {len(content):,} bytes, expected at most {MAX_TILE_BYTES:,} for a tile"
        )
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            if picture.size != (SIDE, SIDE):
                width, height = picture.size
                raise DataFormatError(
                    f"{name} is {width} × {height} pixels, expected {SIDE} × {SIDE}: resize it, "
                    "or for digits in pictures of other sizes, use --pictures"
                )
            if picture.mode not in _MODES:
                raise DataFormatError(
                    f"{name} has the mode {picture.mode}, expected grey or RGB: convert it"
                )
            return np.asarray(picture.convert("L"))
    except DataFormatError:
        raise
    except (  # decoders raise these for damaged files
        *(OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError),
        *(struct.error, zlib.error, Image.DecompressionBombError),
    ) as error:
        reason = "not a picture" if isinstance(error, UnidentifiedImageError) else error
        raise DataFormatError(
            f"{name} cannot be read as PNG, JPEG or BMP ({reason}): remove it or write it again"
        ) from error
