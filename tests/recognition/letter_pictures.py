"""Pictures of the letter F for the tests of decoding."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

INK = np.zeros((24, 32), dtype=bool)  # an F: it differs from all its rotations and mirror images
INK[4:20, 8:11] = INK[4:7, 8:22] = INK[11:14, 8:18] = True


def paint(ink: tuple[int, ...] | int, paper: tuple[int, ...] | int) -> NDArray[np.uint8]:
    """The F in one colour on another: uint8, shape (24, 32) or (24, 32, channels)."""
    mask = INK if isinstance(ink, int) else INK[..., None]
    return np.where(mask, ink, paper).astype(np.uint8)


def encode(image: Image.Image | NDArray[Any], form: str, **options: Any) -> bytes:
    """The content of an image file in a format that Pillow can write."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, form, **options)
    return file.getvalue()


def contrast(pixels: NDArray[np.uint8]) -> int:
    """The difference between the medians of ink and paper, in grey levels."""
    return abs(int(np.median(pixels[INK])) - int(np.median(pixels[~INK])))
