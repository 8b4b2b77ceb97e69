"""Arrays as users have them: which pixels they hold, and what their values mean.

Lists of numbers, tensors and whatever NumPy can convert count as arrays. An array is one picture or
one tile; an array of several is an error that names the call for several.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from inkdigits.errors import PictureFormatError

TILE_SIDE: Final = 28
TILE_PIXELS: Final = TILE_SIDE * TILE_SIDE
CHANNELS: Final = (1, 3, 4)

MNIST_MEAN, MNIST_SD = 0.1307, 0.3081
"""Mean and standard deviation by which PyTorch's MNIST example normalises values of 0 to 1."""

_MNIST_LOW, _MNIST_HIGH = -MNIST_MEAN / MNIST_SD, (1 - MNIST_MEAN) / MNIST_SD
_SLACK = 1e-3  # resampling can overshoot by this much
# The background of a normalised tile is exactly `_MNIST_LOW`. 16-bit floats round it by 0.0017.
_MNIST_SLACK = 2e-3

# How a table of tiles is told apart from a picture that is as wide as a tile has pixels. In a tile,
# ink is continued in the next row of the tile; in a picture, in the next row of the picture. The
# figures are sums of absolute differences, divided by the sum of the ink. Among 2,000 test digits
# of MNIST, a pair of tiles differs from row to row of the tiles by 0.16 to 0.89 (median 0.50), and
# from tile to tile by more in 99.9 % of the pairs. Among 3,000 drawn pictures of digits whose
# border pixels are empty, the former is 1.5 to 2.0.
_MAX_BORDER_INK = 0.02  # share of all ink; 1.4 % of MNIST's tiles have a little ink in the border
_SURE_TILE_VARIATION = 0.75
_MAX_TILE_VARIATION = 1.15
# If all rows are the same, they are one tile repeated, or a picture of vertical bars. A bar that is
# cut into rows of tiles varies by 1 in two neighbouring cells, and by 2 in a single one.
_MAX_REPEATED_VARIATION = 1.0
_MAX_CHECKED_ROWS = 1024

_BORDER = np.ones((TILE_SIDE, TILE_SIDE), bool)
_BORDER[1:-1, 1:-1] = False
_BORDER_PLACES = np.flatnonzero(_BORDER)

_EXPECTED = (
    "expected (height, width), or (height, width, channels) with 1, 3 (RGB) or 4 (RGBA) channels"
)


def is_array(source: object) -> bool:
    """Returns whether a source counts as an array: also tensors, and nested lists of numbers."""
    if isinstance(source, list | tuple):
        return _is_nested_numbers(source)
    if isinstance(source, Image.Image | type):
        return False
    return hasattr(source, "__array__") or hasattr(source, "__array_interface__")


def to_array(source: ArrayLike) -> NDArray[Any]:
    """Converts a list, a tensor or any other array to NumPy.

    Raises:
        PictureFormatError: NumPy cannot convert it.
    """
    tensor: Any = source
    try:
        if hasattr(tensor, "detach") and hasattr(tensor, "cpu"):  # PyTorch
            tensor = tensor.detach().cpu()
            if str(tensor.dtype) == "torch.bfloat16":  # NumPy has no such type
                tensor = tensor.float()
        values = np.asarray(tensor)
    except Exception as error:  # each library raises its own
        if isinstance(source, list | tuple):
            reason = "its rows differ in length, or contain something else than numbers"
        else:
            reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureFormatError(
            f"picture: {type(source).__name__} cannot be converted to a NumPy array ({reason}); "
            f"{_EXPECTED}"
        ) from error
    if values.dtype.name == "bfloat16":  # of TensorFlow and JAX
        values = values.astype(np.float32)
    return values


def arrange_picture(values: NDArray[Any]) -> NDArray[Any]:
    """Finds the one picture in an array.

    Args:
        values: Any of the shapes (h, w), (h, w, c), (c, h, w), with c of 1, 3 or 4 channels last or
            1 or 3 channels first; the same behind any number of dimensions of length 1; or one
            tile in a row of 784.

    Returns:
        The same values, shape (h, w), (h, w, 3) or (h, w, 4).

    Raises:
        PictureFormatError: The array has no pixels, another shape, or contains several pictures or
            tiles: (n, 28, 28), (n, 28, 28, 1), (n, 1, 28, 28), or (n, 784) with the content of
            tiles.
    """
    given = values
    if values.ndim and not values.size:
        raise PictureFormatError(f"picture: an array of shape {_name_shape(given)} has no pixels")
    if values.ndim and values.size == max(values.shape) == TILE_PIXELS:
        return values.reshape(TILE_SIDE, TILE_SIDE)
    while values.ndim > 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 3:
        values = _arrange_channels(values, given)
    elif values.ndim == 4:
        raise _refuse_several(values, given)
    if values.ndim not in (2, 3):
        raise PictureFormatError(f"picture: an array of shape {_name_shape(given)}; {_EXPECTED}")
    if given.ndim == 2 and _is_table_of_tiles(given):
        raise PictureFormatError(
            f"picture: an array of shape {_name_shape(given)} contains {len(given)} tiles of "
            f"28 × 28: {_CLASSIFY}; if it is one picture, pass picture[..., None]"
        )
    return values


def arrange_tiles(source: ArrayLike) -> NDArray[np.uint8]:
    """Converts an array of tiles of any accepted shape and scale.

    Args:
        source: Shape (n, 28, 28), (n, 28, 28, 1), (n, 1, 28, 28), (n, 784), (28, 28) or (784,),
            with values as in `scale_values`; 0 is the background.

    Returns:
        uint8, shape (n, 28, 28), 0 background, 255 full ink.

    Raises:
        PictureFormatError: The array has another shape or other values.
    """
    values = to_array(source)
    sides = tuple(length for length in values.shape[1:] if length != 1)
    is_one = values.shape in ((TILE_SIDE, TILE_SIDE), (TILE_PIXELS,))
    if not is_one and sides not in ((TILE_SIDE, TILE_SIDE), (TILE_PIXELS,)):
        raise PictureFormatError(
            f"tiles: an array of shape {_name_shape(values)}; expected (n, 28, 28)"
        )
    if not values.size:
        return np.zeros((0, TILE_SIDE, TILE_SIDE), np.uint8)
    return scale_values(values).reshape(-1, TILE_SIDE, TILE_SIDE)


def scale_values(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scales the values of an array to uint8, 0 to 255.

    Args:
        values: bool; integers from 0 to 65535, where a range of 0 to 1 is a mask unless the type
            is uint8; or floats on one of four scales: 0 to 1, 0 to 255, −1 to 1 (if some are
            negative), or MNIST's normalisation (if the lowest is (0 − 0.1307) / 0.3081).

    Raises:
        PictureFormatError: The values are not numbers, not finite, or on none of these scales, or
            their scale is ambiguous.
    """
    if values.dtype.kind not in "buif":
        raise PictureFormatError(
            f"picture: an array of {values.dtype}; expected bool, integers or floats"
        )
    if values.dtype in (np.uint8, np.bool_):
        return scale_to_bytes(values)
    low, high = float(values.min()), float(values.max())  # NaN if any value is NaN
    if not (math.isfinite(low) and math.isfinite(high)):
        n_bad = int(values.size - np.isfinite(values).sum())
        raise PictureFormatError(
            f"picture: {n_bad:,} of {values.size:,} values of the array are NaN or infinite; "
            "expected finite values: replace them, for example by numpy.nan_to_num"
        )
    if values.dtype.kind == "f":
        return _scale_floats(values, low, high)
    if low < 0 or high > 65535:
        raise PictureFormatError(
            f"picture: an array of {values.dtype} with values from {low:g} to {high:g}; expected "
            "integers from 0 to 255, or from 0 to 65535 for 16 bits"
        )
    return scale_to_bytes(values.astype(bool) if high == 1 else values)


def scale_to_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scales values to uint8, 0 to 255, by the smallest common range that contains all of them.

    Args:
        values: bool, integers or floats. Values outside 0 to 65535 are scaled by their own range.

    Raises:
        ValueError: Some values are not finite.
    """
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


def _scale_floats(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    if low >= -_SLACK:
        if high <= 1 + _SLACK:
            return _scale_range(values, 0, 1)
        # A normalised picture on white paper has no background to be recognised by. Whole numbers
        # are those of a very dark picture.
        if high <= 255 + _SLACK and (
            high > _MNIST_HIGH + _MNIST_SLACK or bool((values == np.rint(values)).all())
        ):
            return _scale_range(values, 0, 255)
    elif abs(low - _MNIST_LOW) <= _MNIST_SLACK and high <= _MNIST_HIGH + 5 * _MNIST_SLACK:
        return _scale_range(values, _MNIST_LOW, _MNIST_HIGH)
    elif low >= -1 - _SLACK and high <= 1 + _SLACK:
        return _scale_range(values, -1, 1)
    raise PictureFormatError(
        f"picture: an array of {values.dtype} with values from {low:g} to {high:g}, on an unknown "
        "scale; expected 0 to 1, -1 to 1, or 0 to 255: undo the normalisation"
    )


def _scale_range(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Scales floats from a known range to 0 to 255."""
    shares = (values.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.rint(shares.clip(0, 1) * np.float32(255)).astype(np.uint8)


_CLASSIFY = "classify them by Recognizer.classify(tiles), or read each by predict(list(tiles))"


def _arrange_channels(values: NDArray[Any], given: NDArray[Any]) -> NDArray[Any]:
    """Finds the picture in an array of three dimensions, channels last or first."""
    first, *_, last = values.shape
    if last in CHANNELS:
        picture: NDArray[Any] = values[:, :, 0] if last == 1 else values
        return picture
    if first == 1:
        page: NDArray[Any] = values[0]
        return page
    is_tiles = given.shape == (3, TILE_SIDE, TILE_SIDE) and bool((values != values[0]).any())
    if first == 3 and not is_tiles:
        return np.moveaxis(values, 0, 2)
    raise _refuse_several(values, given)


def _refuse_several(values: NDArray[Any], given: NDArray[Any]) -> PictureFormatError:
    """Returns the error for an array of several pictures or tiles, or of none of the shapes."""
    sides: tuple[int, ...] = values.shape[1:]
    channels = 1
    if values.ndim == 4 and sides[-1] in CHANNELS:
        *sides_only, channels = sides
        sides = tuple(sides_only)
    elif values.ndim == 4 and sides[0] in CHANNELS:
        channels, *sides_only = sides
        sides = tuple(sides_only)
    shape = _name_shape(given)
    if len(sides) != 2 or min(sides) < 5:  # the last dimension is not a width, such as 2 channels
        return PictureFormatError(f"picture: an array of shape {shape}; {_EXPECTED}")
    if sides == (TILE_SIDE, TILE_SIDE) and channels == 1:
        return PictureFormatError(
            f"picture: an array of shape {shape} contains {len(values)} tiles, not one picture: "
            f"{_CLASSIFY}"
        )
    return PictureFormatError(
        f"picture: an array of shape {shape} contains {len(values)} pictures, not one: read them "
        "by predict(list(pictures)), or Recognizer.read_many(pictures)"
    )


def _is_table_of_tiles(values: NDArray[Any]) -> bool:
    """Returns whether the rows of a two-dimensional array are tiles, judged by their content."""
    if values.shape[0] < 2 or values.shape[1] != TILE_PIXELS or values.dtype.kind not in "buif":
        return False
    n_rows = len(values)
    if n_rows > _MAX_CHECKED_ROWS:  # pairs of neighbours
        firsts = np.linspace(0, n_rows - 2, _MAX_CHECKED_ROWS // 2).astype(int)
        values = values[np.unique([firsts, firsts + 1])]
    rows = values.astype(np.float32)
    with np.errstate(invalid="ignore"):  # infinite values are reported later
        inks = np.abs(rows - rows[:, :1])
    ink = float(inks.sum())
    # A blank picture has no ink, and an array with NaN is neither picture nor tiles.
    if not 0 < ink < math.inf or float(inks[:, _BORDER_PLACES].sum()) > _MAX_BORDER_INK * ink:
        return False
    tiles = rows.reshape(-1, TILE_SIDE, TILE_SIDE)
    within = float(np.abs(np.diff(tiles, axis=1)).sum()) / ink
    between = float(np.abs(np.diff(rows, axis=0)).mean() * rows.size) / ink
    if within >= _MAX_TILE_VARIATION:
        return False
    return within < _SURE_TILE_VARIATION or within < (between or _MAX_REPEATED_VARIATION)


def _is_nested_numbers(values: list[Any] | tuple[Any, ...]) -> bool:
    """Returns whether the first innermost element of nested lists is a number."""
    first: Any = values
    depth = 0
    while isinstance(first, list | tuple):
        if not first:
            return depth > 0
        first, depth = first[0], depth + 1
    is_scalar = hasattr(first, "__array__") and getattr(first, "shape", None) == ()
    return isinstance(first, int | float | complex) or is_scalar


def _name_shape(values: NDArray[Any]) -> str:
    return " × ".join(map(str, values.shape)) or "()"
