"""The fifteen corruptions of MNIST-C (Mu & Gilmer 2019), applied to any MNIST images.

"MNIST-C: A Robustness Benchmark for Computer Vision" chose them because they mislead networks and
not people. The set itself is a download; procedures, parameters and severities here are those with
which its authors made it, from their repository google-research/mnist-c, and the libraries of that
year (scikit-image 0.15, ImageMagick). The images are not the same ones: the set's random draws were
not published.

Every function takes `images`, uint8 of shape (n, 28, 28), 0 background, 255 full ink, and the
generator `random` that it draws from, and returns new images of the same kind. A severity is the
set's own, from 1 to 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise, product
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Images: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float64]
Matrix: TypeAlias = tuple[tuple[float, float], tuple[float, float]]
Pad: TypeAlias = Literal["constant", "edge"]

_SIDE: Final = 28
_CENTRE: Final = 13.5
_BLOCK: Final = 16  # images at a time where the work needs much memory


def corrupt_shot_noise(images: Images, random: np.random.Generator) -> Images:
    """Too little light: the photons counted are Poisson, 3 for full ink (severity 5)."""
    photons = 3
    return _to_bytes(random.poisson(images / 255 * photons) / photons)


def corrupt_impulse_noise(images: Images, random: np.random.Generator) -> Images:
    """Salt and pepper: 17 % of the pixels become 0 or 255, as likely either (severity 4)."""
    flipped = random.random(images.shape) < 0.17
    salted = random.random(images.shape) < 0.5
    return np.where(flipped, np.where(salted, np.uint8(255), np.uint8(0)), images)


def corrupt_glass_blur(images: Images, random: np.random.Generator) -> Images:
    """Blur, swap neighbouring pixels in two passes, blur again (severity 1).

    The blur has a standard deviation of 0.7 pixels and is vertical only: the set's authors asked
    for one that does not mix colours, and a grey image's columns were taken for its colours.
    """
    # Cut off, not rounded, as the authors did.
    pixels = (255 * _blur(images / 255, 0.7, axis=1, pad="edge")).astype(np.uint8)
    for _, row, column in product(range(2), range(_SIDE - 1, 1, -1), range(_SIDE - 1, 1, -1)):
        chosen = np.flatnonzero(random.integers(0, 2, len(pixels)))
        right, down = random.integers(-1, 1, (2, len(chosen)))
        here = chosen, row, column
        there = chosen, row + down, column + right
        pixels[here], pixels[there] = pixels[there], pixels[here]
    return _to_bytes(_blur(pixels / 255, 0.7, axis=1, pad="edge"))


def corrupt_motion_blur(images: Images, random: np.random.Generator) -> Images:
    """Smear towards one side, at -45 to 45 degrees, by half a Gaussian (severity 1).

    Its standard deviation is 3 pixels, its reach 20; beyond the edge the image's rim continues.
    """
    angles = np.radians(random.uniform(-45, 45, len(images)))
    numbers = np.arange(len(images))[:, np.newaxis, np.newaxis]
    smeared = np.zeros(images.shape)
    for distance, weight in enumerate(_motion_kernel()):
        # Halves are rounded down, as in ImageMagick.
        down = np.ceil(distance * np.sin(angles) - 0.5).astype(np.intp)
        right = np.ceil(distance * np.cos(angles) - 0.5).astype(np.intp)
        rows = np.clip(np.arange(_SIDE) + down[:, np.newaxis], 0, _SIDE - 1)
        columns = np.clip(np.arange(_SIDE) + right[:, np.newaxis], 0, _SIDE - 1)
        smeared += weight * images[numbers, rows[:, :, np.newaxis], columns[:, np.newaxis]]
    # ImageMagick rounds to 16 bits, and cuts off what does not fit in 8.
    return (np.rint(257 * smeared) // 257).astype(np.uint8)


def corrupt_shear(images: Images, random: np.random.Generator) -> Images:
    """Lean to either side by 0.4 radians, lines keeping their length (severity 2)."""
    lean = 0.4
    return _warp_either_way(
        images, random, lambda sign: ((1, -math.sin(sign * lean)), (0, math.cos(sign * lean)))
    )


def corrupt_scale(images: Images, random: np.random.Generator) -> Images:
    """Shrink to 70 % about the centre (severity 3); draws nothing."""
    return _warp(images, ((1 / 0.7, 0), (0, 1 / 0.7)))


def corrupt_rotate(images: Images, random: np.random.Generator) -> Images:
    """Turn by 0.4 radians, about 23 degrees, either way (severity 2)."""
    cosine, sine = math.cos(0.4), math.sin(0.4)
    return _warp_either_way(
        images, random, lambda sign: ((cosine, -sign * sine), (sign * sine, cosine))
    )


def corrupt_brightness(images: Images, random: np.random.Generator) -> Images:
    """Add half of full ink to every pixel, up to full ink (severity 5); draws nothing."""
    return _to_bytes(images / 255 + 0.5)


def corrupt_translate(images: Images, random: np.random.Generator) -> Images:
    """Move by 3 pixels left or right and 3 up or down (severity 3)."""
    distance = 3
    padded = np.pad(images, ((0, 0), (distance, distance), (distance, distance)))
    moved = np.empty_like(images)
    signs = random.choice((-1, 1), (len(images), 2))
    for right, down in product((-1, 1), repeat=2):
        chosen = (signs == (right, down)).all(axis=1)
        top, left = distance * (1 + down), distance * (1 + right)
        moved[chosen] = padded[chosen, top : top + _SIDE, left : left + _SIDE]
    return moved


def corrupt_stripe(images: Images, random: np.random.Generator) -> Images:
    """Invert the left and the right quarter, 7 columns each; draws nothing."""
    striped = images.copy()
    striped[:, :, :7] = 255 - striped[:, :, :7]
    striped[:, :, 21:] = 255 - striped[:, :, 21:]
    return striped


def corrupt_fog(images: Images, random: np.random.Generator) -> Images:
    """Add a cloud of up to three times full ink, then scale back (severity 5).

    The cloud is the corner of a diamond-square height map of 256 × 256, whose displacements
    shrink by 1.4 from step to step.
    """
    density = 3.0
    foggy = np.empty_like(images)
    for start in range(0, len(images), _BLOCK):
        block = images[start : start + _BLOCK] / 255
        clouds = _draw_plasma(len(block), 256, 1.4, random)[:, :_SIDE, :_SIDE]
        full = block.max(axis=(1, 2), keepdims=True)
        foggy[start : start + _BLOCK] = _to_bytes(
            (block + density * clouds) * full / (full + density)
        )
    return foggy


def corrupt_spatter(images: Images, random: np.random.Generator) -> Images:
    """Splash mud of grey 63 over the image, where smoothed noise is high (severity 4).

    The noise has mean 0.65 and standard deviation 0.3 and is blurred by 1 pixel; mud lies where
    it exceeds 0.65, softened by 1.5 pixels and then cut off below 0.8.
    """
    noise = _blur_both(random.normal(0.65, 0.3, images.shape), 1.0, pad="edge")
    mud = _blur_both((noise > 0.65).astype(np.float64), 1.5, pad="edge")
    mud[mud < 0.8] = 0
    return _to_bytes(images / 255 * (1 - mud) + 63 / 255 * mud)


def corrupt_dotted_line(images: Images, random: np.random.Generator) -> Images:
    """Draw a straight dotted line from a random height at the left to one at the right."""
    heights = random.integers(0, 27, (len(images), 2))
    lines = np.array([_draw_line((0, left), (27, right)) for left, right in heights.tolist()])
    dots = np.arange(_SIDE) // 2 % 2 == 1  # two columns without, two with
    return _to_bytes(images / 255 + lines.reshape(images.shape) * dots)


def corrupt_zigzag(images: Images, random: np.random.Generator) -> Images:
    """Draw a zigzag line from column 2 to column 25, rising or falling by up to 5 pixels."""
    starts = random.integers(0, 27, len(images))
    rises = random.integers(-5, 5, len(images))
    lines = {
        (start, rise): _draw_zigzag(start, rise) for start in range(27) for rise in range(-5, 5)
    }
    drawn = [lines[pair] for pair in zip(starts.tolist(), rises.tolist(), strict=True)]
    return _to_bytes(images / 255 + np.array(drawn).reshape(images.shape))


def corrupt_canny_edges(images: Images, random: np.random.Generator) -> Images:
    """Leave the edges only (Canny 1986): 255 on an edge, 0 elsewhere; draws nothing.

    Gaussian of 1 pixel, Sobel gradients, thresholds of 10 % and 20 % of full ink. OpenCV's own
    edges differ: it rounds gradients to integers and directions to multiples of 45 degrees.
    """
    edges = [
        _find_edges(images[start : start + 64 * _BLOCK])
        for start in range(0, len(images), 64 * _BLOCK)
    ]
    return np.concatenate([images[:0], *edges])


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
    """Shares of full ink to bytes; what is beyond 0 to 1 is clipped."""
    # Through float32, as the set's authors did: of 127.49999999999999 it makes a half, which is
    # then rounded to the even number.
    return np.rint((np.clip(shares, 0, 1) * 255).astype(np.float32)).astype(np.uint8)


def _gaussian_kernel(deviation: float) -> Floats:
    """One-dimensional, to four standard deviations, with the sum 1."""
    reach = int(4 * deviation + 0.5)
    weights = np.exp(-0.5 / deviation**2 * np.arange(-reach, reach + 1) ** 2)
    return np.asarray(weights / weights.sum(), np.float64)


def _motion_kernel() -> Floats:
    """Half a Gaussian of 3 pixels from its peak on: 21 weights with the sum 1."""
    weights = np.exp(-(np.arange(21) ** 2) / (2 * 3.0**2))
    return np.asarray(weights / weights.sum(), np.float64)


def _blur(values: Floats, deviation: float, *, axis: int, pad: Pad) -> Floats:
    """Gaussian blur along one axis; `pad` as of `np.pad` says what lies beyond the edge."""
    kernel = _gaussian_kernel(deviation)
    reach, length = len(kernel) // 2, values.shape[axis]
    widths = [(reach, reach) if number == axis else (0, 0) for number in range(values.ndim)]
    padded = np.moveaxis(np.pad(values, widths, mode=pad), axis, 0)
    blurred = kernel[reach] * padded[reach : reach + length]
    # In SciPy's order of summation, since a value just below an integer will be cut off.
    for place in range(reach):
        mirrored = 2 * reach - place
        both = padded[place : place + length] + padded[mirrored : mirrored + length]
        blurred += kernel[place] * both
    return np.moveaxis(blurred, 0, axis)


def _blur_both(values: Floats, deviation: float, *, pad: Pad) -> Floats:
    """Gaussian blur along rows and columns of shape (n, height, width)."""
    return _blur(_blur(values, deviation, axis=1, pad=pad), deviation, axis=2, pad=pad)


def _warp(images: Images, matrix: Matrix) -> Images:
    """Look up each pixel where `matrix`, applied to (x, y) from the centre, sends it.

    Bilinear, and 0 beyond the edge. OpenCV would round positions to 1/32 pixel.
    """
    y, x = np.mgrid[:_SIDE, :_SIDE] - _CENTRE
    columns = matrix[0][0] * x + matrix[0][1] * y + _CENTRE
    rows = matrix[1][0] * x + matrix[1][1] * y + _CENTRE
    top, left = np.floor(rows).astype(np.intp), np.floor(columns).astype(np.intp)
    below, beside = rows - top, columns - left
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    warped = np.zeros(images.shape)
    for down, right in product((0, 1), repeat=2):
        weights = (below if down else 1 - below) * (beside if right else 1 - beside)
        near_rows = np.clip(top + down, -1, _SIDE) + 1
        near_columns = np.clip(left + right, -1, _SIDE) + 1
        warped += weights * padded[:, near_rows, near_columns]
    return _to_bytes(warped / 255)


def _warp_either_way(
    images: Images, random: np.random.Generator, to_matrix: Callable[[int], Matrix]
) -> Images:
    """Warp each image by the matrix of 1 or of -1, as likely either."""
    signs = random.choice((-1, 1), len(images))
    warped = np.empty_like(images)
    for sign in (-1, 1):
        warped[signs == sign] = _warp(images[signs == sign], to_matrix(sign))
    return warped


def _draw_plasma(n: int, side: int, decay: float, random: np.random.Generator) -> Floats:
    """Height maps by the diamond-square algorithm (Fournier, Fussell & Carpenter 1982).

    They continue from each edge to the opposite one. The displacements begin at 100² and shrink
    by the square of `decay` from step to step.

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
    """A soft line between two points (column, row): shape (28, 28), 0 to 1.

    Its ink is 1 + log(1 - d / 2.3), with d the vertical distance in pixels.
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
    """A zigzag line 2 pixels to either side of a straight one: shape (28, 28), ink from 0 up."""
    start_column, columns, swing = 2, 23, 2.0
    angle = math.atan(rise / columns)
    length = columns / math.cos(angle)
    turns = int((length - swing) // (2 * swing)) + 1
    along = [0.0, *((2 * turn + 1) * swing for turn in range(turns))]
    aside = [0.0, *((-1) ** turn * swing for turn in range(turns))]
    # The last stroke is cut short, by the authors' formula.
    along.append(length)
    aside.append(aside[-1] / (2 * (length % (2 * swing))))
    turned = np.exp(1j * angle) * (np.array(along) + 1j * np.array(aside))
    points = [(point.real + start_column, point.imag + start_row) for point in turned.tolist()]
    ink = np.zeros((_SIDE, _SIDE))
    for start, end in pairwise(points):
        ink += _draw_line(start, end)
    return ink


def _find_edges(images: Images) -> Images:
    inside = np.ones((1, _SIDE, _SIDE))
    # What the blur loses beyond the edge of the image is made up for.
    smooth = _blur_both(images / 255, 1.0, pad="constant") / (
        _blur_both(inside, 1.0, pad="constant") + np.finfo(np.float64).eps
    )
    gradients_x, gradients_y = _differentiate(smooth, 2), _differentiate(smooth, 1)
    strengths = np.hypot(gradients_x, gradients_y)
    is_ridge = np.zeros(images.shape, bool)
    is_ridge[:, 1:-1, 1:-1] = _find_ridges(gradients_x, gradients_y, strengths)
    strong = is_ridge & (strengths >= 0.2)
    weak = is_ridge & (strengths >= 0.1)
    # Hysteresis in one go for all images one below the other: their rims are never ridges, so
    # that nothing connects across.
    _, labels = cv2.connectedComponents(
        weak.reshape(-1, _SIDE).astype(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    labels = labels.reshape(images.shape)
    is_edge = np.zeros(int(labels.max()) + 1, bool)
    is_edge[labels[strong]] = True
    return np.where(is_edge[labels], np.uint8(255), np.uint8(0))


def _differentiate(values: Floats, axis: int) -> Floats:
    """Sobel's derivative along one axis of shape (n, height, width)."""
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)), mode="symmetric")
    ahead = np.swapaxes(padded, 1, axis)
    slopes = ahead[:, 2:] - ahead[:, :-2]
    return np.swapaxes(2 * slopes[:, :, 1:-1] + (slopes[:, :, :-2] + slopes[:, :, 2:]), 1, axis)


def _find_ridges(gradients_x: Floats, gradients_y: Floats, strengths: Floats) -> NDArray[np.bool_]:
    """Where the gradient is no weaker than on either side along its direction.

    The strength on a side is interpolated between the neighbour straight ahead and the diagonal
    one. Shape (n, height - 2, width - 2): a pixel of the rim lacks neighbours.
    """
    x, y, strength = (a[:, 1:-1, 1:-1] for a in (gradients_x, gradients_y, strengths))
    steep = np.abs(y) >= np.abs(x)
    longer = np.maximum(np.abs(x), np.abs(y))
    diagonal = np.divide(
        np.minimum(np.abs(x), np.abs(y)), longer, out=np.zeros_like(longer), where=longer > 0
    )
    falling = (x >= 0) == (y >= 0)  # towards the lower right, or away from it

    def look(down: int, right: int) -> Floats:
        height, width = strength.shape[1:]
        return strengths[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]

    is_ridge: NDArray[np.bool_] = strength > 0
    for side in (-1, 1):
        straight = np.where(steep, look(side, 0), look(0, side))
        slanted = np.where(
            falling, look(side, side), np.where(steep, look(side, -side), look(-side, side))
        )
        is_ridge &= slanted * diagonal + straight * (1 - diagonal) <= strength
    return is_ridge
