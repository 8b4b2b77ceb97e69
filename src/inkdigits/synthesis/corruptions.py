"""The fifteen corruptions of MNIST-C (Mu & Gilmer 2019), applied to any MNIST images.

"MNIST-C: A Robustness Benchmark for Computer Vision" chose them because they mislead networks but
not people. Procedures, parameters and severities follow the authors' code, google-research/mnist-c,
and the libraries that it used (scikit-image 0.15, ImageMagick). The images differ from the
published set, because its random draws were not published. Warping is done by OpenCV, and differs
from exact bilinear interpolation by at most 1 grey level; by at most 5 with OpenCV 4, which
rounds positions to 1/32 pixel.

Every function takes `images`, uint8 of shape (n, 28, 28), 0 background, 255 full ink, and a random
generator `random`, and returns new images of the same shape and type. Severities are those of the
published set, from 1 to 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, product
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.opencv import cv2

Images: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float64]
Matrix: TypeAlias = tuple[tuple[float, float, float], tuple[float, float, float]]

_SIDE: Final = 28
_CENTRE: Final = 13.5
_FOG_BATCH: Final = 16  # images at a time: each height map takes 0.5 MB


def corrupt_shot_noise(images: Images, random: np.random.Generator) -> Images:
    """Poisson noise of low light: on average 3 photons for full ink (severity 5)."""
    photons = 3
    return _to_bytes(random.poisson(images / 255 * photons) / photons)


def corrupt_impulse_noise(images: Images, random: np.random.Generator) -> Images:
    """Salt-and-pepper noise: 17 % of the pixels become 0 or 255, equally often (severity 4)."""
    flipped = random.random(images.shape) < 0.17
    salted = random.random(images.shape) < 0.5
    return np.where(flipped, np.where(salted, np.uint8(255), np.uint8(0)), images)


def corrupt_glass_blur(images: Images, random: np.random.Generator) -> Images:
    """Blur, swap neighbouring pixels in two passes, blur again (severity 1).

    The blur has a standard deviation of 0.7 pixels and is vertical only: the authors asked for a
    blur that does not mix colour channels, and the columns of a grey image were taken for channels.
    """
    blurred = _blur(images / 255, 0.7, cv2.BORDER_REPLICATE, vertical=True)
    pixels = (255 * blurred).astype(np.uint8)  # truncated, not rounded, as in the authors' code
    for _, row, column in product(range(2), range(_SIDE - 1, 1, -1), range(_SIDE - 1, 1, -1)):
        chosen = np.flatnonzero(random.integers(0, 2, len(pixels)))
        right, down = random.integers(-1, 1, (2, len(chosen)))
        here = chosen, row, column
        there = chosen, row + down, column + right
        pixels[here], pixels[there] = pixels[there], pixels[here]
    return _to_bytes(_blur(pixels / 255, 0.7, cv2.BORDER_REPLICATE, vertical=True))


def corrupt_motion_blur(images: Images, random: np.random.Generator) -> Images:
    """Smear towards one side, at -45 to 45 degrees, by half a Gaussian (severity 1).

    Its standard deviation is 3 pixels and its length 20; the edge pixels are repeated outwards.
    """
    angles = np.radians(random.uniform(-45, 45, len(images)))
    smeared: Floats = _stack(
        [
            cv2.filter2D(image, cv2.CV_64F, _motion_kernel(angle), borderType=cv2.BORDER_REPLICATE)
            for image, angle in zip(images, angles, strict=True)
        ]
    )
    # ImageMagick rounds to 16 bits, and keeps the upper 8 of them.
    return (np.rint(257 * smeared) // 257).astype(np.uint8)


def corrupt_shear(images: Images, random: np.random.Generator) -> Images:
    """Shear to the left or right by 0.4 radians; slanted lines keep their length (severity 2)."""
    cosine, sine = math.cos(0.4), math.sin(0.4)
    signs = random.choice((-1, 1), len(images))
    return _warp(images, [((1, -sign * sine, 0), (0, cosine, 0)) for sign in signs])


def corrupt_scale(images: Images, random: np.random.Generator) -> Images:
    """Shrink to 70 % about the centre (severity 3); not random."""
    return _warp(images, [((1 / 0.7, 0, 0), (0, 1 / 0.7, 0))] * len(images))


def corrupt_rotate(images: Images, random: np.random.Generator) -> Images:
    """Rotate to the left or right by 0.4 radians, about 23 degrees (severity 2)."""
    cosine, sine = math.cos(0.4), math.sin(0.4)
    signs = random.choice((-1, 1), len(images))
    return _warp(images, [((cosine, -s * sine, 0), (s * sine, cosine, 0)) for s in signs])


def corrupt_brightness(images: Images, random: np.random.Generator) -> Images:
    """Add half of full ink to every pixel, up to full ink (severity 5); not random."""
    return _to_bytes(images / 255 + 0.5)


def corrupt_translate(images: Images, random: np.random.Generator) -> Images:
    """Move by 3 pixels left or right and by 3 pixels up or down (severity 3)."""
    signs = random.choice((-1, 1), (len(images), 2))
    return _warp(images, [((1, 0, 3 * right), (0, 1, 3 * down)) for right, down in signs])


def corrupt_stripe(images: Images, random: np.random.Generator) -> Images:
    """Invert the left and the right quarter, 7 columns each; not random."""
    striped = images.copy()
    striped[:, :, :7] = 255 - striped[:, :, :7]
    striped[:, :, 21:] = 255 - striped[:, :, 21:]
    return striped


def corrupt_fog(images: Images, random: np.random.Generator) -> Images:
    """Add a cloud of up to three times full ink, then scale back (severity 5).

    The cloud is a corner of a diamond-square height map of 256 × 256 points, with a decay of 1.4.
    """
    density = 3.0
    foggy = np.empty_like(images)
    for start in range(0, len(images), _FOG_BATCH):
        batch = images[start : start + _FOG_BATCH] / 255
        clouds = _draw_plasma(len(batch), 256, 1.4, random)[:, :_SIDE, :_SIDE]
        full = batch.max(axis=(1, 2), keepdims=True)
        foggy[start : start + _FOG_BATCH] = _to_bytes(
            (batch + density * clouds) * full / (full + density)
        )
    return foggy


def corrupt_spatter(images: Images, random: np.random.Generator) -> Images:
    """Spatter mud of grey level 63 where smoothed noise is high (severity 4).

    The noise has mean 0.65 and standard deviation 0.3 and is blurred by 1 pixel. The mud mask is
    the noise above 0.65, blurred by 1.5 pixels; mask values below 0.8 become 0.
    """
    noise = _blur(random.normal(0.65, 0.3, images.shape), 1.0, cv2.BORDER_REPLICATE)
    mud = _blur((noise > 0.65).astype(np.float64), 1.5, cv2.BORDER_REPLICATE)
    mud[mud < 0.8] = 0
    return _to_bytes(images / 255 * (1 - mud) + 63 / 255 * mud)


def corrupt_dotted_line(images: Images, random: np.random.Generator) -> Images:
    """Draw a straight dotted line from a random row at the left to one at the right."""
    rows = random.integers(0, 27, (len(images), 2))
    lines = _stack([_draw_line((0, left), (27, right)) for left, right in rows.tolist()])
    dots = np.arange(_SIDE) // 2 % 2 == 1  # two columns without, two with
    return _to_bytes(images / 255 + lines * dots)


def corrupt_zigzag(images: Images, random: np.random.Generator) -> Images:
    """Draw a zigzag line from column 2 to column 25, rising or falling by up to 5 pixels."""
    starts = random.integers(0, 27, len(images))
    rises = random.integers(-5, 5, len(images))
    lines = _stack(list(map(_draw_zigzag, starts.tolist(), rises.tolist())))
    return _to_bytes(images / 255 + lines)


def corrupt_canny_edges(images: Images, random: np.random.Generator) -> Images:
    """Keep the edges only (Canny 1986): 255 on an edge, 0 elsewhere; not random.

    Gaussian of 1 pixel, Sobel gradients, thresholds of 10 % and 20 % of full ink. cv2.Canny differs
    in as many pixels as 8 % of the edges, because it rounds directions to multiples of 45 degrees.
    """
    # Where the blur reaches beyond the image, the weights that remain are scaled to 1.
    inside = np.ones((1, _SIDE, _SIDE))
    smooth = _blur(images / 255, 1.0, cv2.BORDER_CONSTANT) / (
        _blur(inside, 1.0, cv2.BORDER_CONSTANT) + np.finfo(np.float64).eps
    )
    return _stack([_find_edges(image) for image in smooth]).astype(np.uint8)


CORRUPTIONS: Final[Mapping[str, Callable[[Images, np.random.Generator], Images]]] = (
    MappingProxyType(
        {
            "shot_noise": corrupt_shot_noise,
            "impulse_noise": corrupt_impulse_noise,
            "glass_blur": corrupt_glass_blur,
            "motion_blur": corrupt_motion_blur,
            "shear": corrupt_shear,
            "scale": corrupt_scale,
            "rotate": corrupt_rotate,
            "brightness": corrupt_brightness,
            "translate": corrupt_translate,
            "stripe": corrupt_stripe,
            "fog": corrupt_fog,
            "spatter": corrupt_spatter,
            "dotted_line": corrupt_dotted_line,
            "zigzag": corrupt_zigzag,
            "canny_edges": corrupt_canny_edges,
        }
    )
)
"""The corruptions by the names and in the order of the published set."""


def _to_bytes(shares: Floats) -> Images:
    """Converts shares of full ink to bytes; clips values beyond 0 to 1."""
    # Through float32, as in the authors' code: it turns 127.49999999999999 into 127.5, which is
    # then rounded to the even number.
    return np.rint((np.clip(shares, 0, 1) * 255).astype(np.float32)).astype(np.uint8)


def _stack(images: list[NDArray[Any]]) -> NDArray[Any]:
    """Stacks images to shape (n, 28, 28), also if n is 0."""
    return np.array(images).reshape(-1, _SIDE, _SIDE)


def _motion_kernel(angle: float) -> Floats:
    """Half a Gaussian of 3 pixels, from its peak in the centre along a line: shape (41, 41)."""
    kernel = np.zeros((41, 41))
    for distance in range(21):
        # Halves are rounded down, as in ImageMagick.
        down = math.ceil(distance * math.sin(angle) - 0.5)
        right = math.ceil(distance * math.cos(angle) - 0.5)
        kernel[20 + down, 20 + right] += math.exp(-(distance**2) / (2 * 3.0**2))
    return np.asarray(kernel / kernel.sum())


def _blur(images: Floats, deviation: float, border: int, *, vertical: bool = False) -> Floats:
    """Gaussian blur to four standard deviations, as in SciPy.

    Args:
        images: Shape (n, 28, 28).
        deviation: In pixels.
        border: One of OpenCV's border types.
        vertical: Whether to blur along the columns only.
    """
    side = 2 * int(4 * deviation + 0.5) + 1
    size = (1 if vertical else side, side)
    return _stack([cv2.GaussianBlur(image, size, deviation, borderType=border) for image in images])


def _warp(images: Images, matrices: Sequence[Matrix]) -> Images:
    """Warps each image by its matrix; bilinear, 0 beyond the edge.

    A matrix maps a position (x, y, 1) in the result to the position (x, y) in the image that its
    value comes from. Both are measured from the centre, in pixels.
    """
    warped = np.empty_like(images)
    for image, result, matrix in zip(images, warped, matrices, strict=True):
        inverse = np.array(matrix, np.float64)
        inverse[:, 2] += _CENTRE - inverse[:, :2].sum(axis=1) * _CENTRE
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        result[:] = cv2.warpAffine(image, inverse, (_SIDE, _SIDE), flags=flags)
    return warped


def _draw_plasma(n: int, side: int, decay: float, random: np.random.Generator) -> Floats:
    """Height maps by the diamond-square algorithm (Fournier, Fussell & Carpenter 1982).

    Opposite edges join. The largest random displacement is 100² in the first step, and is divided
    by the square of `decay` after each step.

    Returns:
        Shape (n, side, side), each from 0 to 1.
    """
    heights = np.zeros((n, side, side))
    step, wibble = side, 100.0

    def displace(sums: Floats) -> Floats:
        return sums / 4 + wibble * random.uniform(-wibble, wibble, sums.shape)

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        across = corners + np.roll(corners, -1, axis=1)
        across += np.roll(across, -1, axis=2)
        centres = heights[:, half::step, half::step]
        centres[:] = displace(across)
        for axis, edges in (
            (1, heights[:, ::step, half::step]),
            (2, heights[:, half::step, ::step]),
        ):
            edges[:] = displace(
                centres + np.roll(centres, 1, axis) + (corners + np.roll(corners, -1, 3 - axis))
            )
        step, wibble = half, wibble / decay
    heights -= heights.min(axis=(1, 2), keepdims=True)
    return np.asarray(heights / heights.max(axis=(1, 2), keepdims=True))


def _draw_line(start: tuple[float, float], end: tuple[float, float]) -> Floats:
    """Draws a soft line between two points (column, row): shape (28, 28), 0 to 1.

    Its ink is 1 + log(1 - d / 2.3), where d is the vertical distance in pixels.
    """
    (start_column, start_row), (end_column, end_row) = start, end
    rows, columns = np.mgrid[:_SIDE, :_SIDE]
    slope = (end_row - start_row) / (end_column - start_column)
    distances = np.abs(rows - (slope * (columns - start_column) + start_row))
    ink = np.clip(1 + np.log(1 - np.minimum(distances, 2.3 - 1e-10) / 2.3), 0, 1)
    ink[:, : math.floor(start_column)] = 0
    ink[:, math.ceil(end_column) :] = 0
    return np.asarray(ink)


def _draw_zigzag(start_row: int, rise: int) -> Floats:
    """Draws a zigzag line 2 pixels to either side of a straight one.

    Returns:
        Shape (28, 28), 0 without ink; more than 1 where two strokes overlap.
    """
    start_column, columns, swing = 2, 23, 2.0
    angle = math.atan(rise / columns)
    length = columns / math.cos(angle)
    turns = int((length - swing) // (2 * swing)) + 1
    along = [0.0, *((2 * turn + 1) * swing for turn in range(turns))]
    aside = [0.0, *((-1) ** turn * swing for turn in range(turns))]
    # The last stroke is shorter, by the authors' formula.
    along.append(length)
    aside.append(aside[-1] / (2 * (length % (2 * swing))))
    turned = np.exp(1j * angle) * (np.array(along) + 1j * np.array(aside))
    points = [(point.real + start_column, point.imag + start_row) for point in turned.tolist()]
    ink = np.zeros((_SIDE, _SIDE))
    for start, end in pairwise(points):
        ink += _draw_line(start, end)
    return ink


def _find_edges(smooth: Floats) -> Images:
    """Canny's edges in one smoothed image, 0 to 1: shape (28, 28), 255 on an edge, else 0."""
    gradient_x, gradient_y = (
        np.asarray(cv2.Sobel(smooth, cv2.CV_64F, *order, borderType=cv2.BORDER_REFLECT), np.float64)
        for order in ((1, 0), (0, 1))
    )
    strength = np.hypot(gradient_x, gradient_y)
    is_ridge = _find_ridges(gradient_x, gradient_y, strength)
    is_weak = is_ridge & (strength >= 0.1)
    # Hysteresis: a weak edge counts where it is connected to a strong one.
    _, labels = cv2.connectedComponents(is_weak.astype(np.uint8), connectivity=8)
    is_edge = np.isin(labels, labels[is_ridge & (strength >= 0.2)])
    return is_edge.astype(np.uint8) * np.uint8(255)


def _find_ridges(gradient_x: Floats, gradient_y: Floats, strength: Floats) -> NDArray[np.bool_]:
    """Non-maximum suppression: True where the gradient is a maximum along its own direction.

    The strength on each side is interpolated between the straight and the diagonal neighbour. The
    pixels at the edge of the image lack neighbours and are False.
    """
    x, y, centre = (values[1:-1, 1:-1] for values in (gradient_x, gradient_y, strength))
    is_steep = np.abs(y) >= np.abs(x)
    longer, shorter = np.maximum(np.abs(x), np.abs(y)), np.minimum(np.abs(x), np.abs(y))
    diagonal = np.divide(shorter, longer, out=np.zeros_like(longer), where=longer > 0)
    is_falling = (x >= 0) == (y >= 0)  # towards the lower right or the upper left

    def look(down: int, right: int) -> Floats:
        end = _SIDE - 1
        return strength[1 + down : end + down, 1 + right : end + right]

    is_ridge = np.zeros(strength.shape, np.bool_)
    is_ridge[1:-1, 1:-1] = centre > 0
    for side in (-1, 1):
        straight = np.where(is_steep, look(side, 0), look(0, side))
        slanted = np.where(
            is_falling, look(side, side), np.where(is_steep, look(side, -side), look(-side, side))
        )
        is_ridge[1:-1, 1:-1] &= slanted * diagonal + straight * (1 - diagonal) <= centre
    return is_ridge
