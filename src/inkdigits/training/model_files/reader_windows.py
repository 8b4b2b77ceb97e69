"""The windows of a reader's judges, cut from the picture within its graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inkdigits.recognition.windows import LEAST_SIDE_PX, NOISE_FLOOR, REACHES, WINDOW_SIDE
from inkdigits.training.model_files.graph_writer import GraphWriter, Value
from inkdigits.training.model_files.reader_levels import FIRST_CLASS, N_COLUMNS

# A window is cut from the picture shrunk by the largest of these factors at which the window still
# has `LEAST_CUT` pixels. This limits RoiAlign to 8 x 8 samples per pixel, because its time and
# memory grow with the samples. Windows of less than 384 pixels, which is more than in training, are
# cut from the picture itself.
SHRINK_FACTORS = (1, 4, 16)
LEAST_CUT = 2 * WINDOW_SIDE

# Number of pixels by which the picture's edges are repeated before windows are cut. Samples of a
# pixel at the edge reach that far outside, where RoiAlign would see black.
EDGE = 4


def write_windows(writer: GraphWriter, picture: Value, rows: Value, zoom: float) -> Value:
    """Returns the windows around boxes: float32, shape (n, 48, 48, 1).

    Args:
        writer: The main graph.
        picture: The working picture: float32, shape (1, 1, height, width).
        rows: Rows as `write_levels` returns them.
        zoom: Factor of the windows' sides.
    """
    found = rows.slice(FIRST_CLASS, N_COLUMNS, axis=1)
    reaches = writer.constant(REACHES).take(writer.op("ArgMax", found, axis=1, keepdims=1))
    first, last = rows.slice(0, 2, axis=1), rows.slice(2, 4, axis=1)
    sides = (last - first).reduce("Max", 1, keep=True) * reaches
    return _cut(writer, picture, (first + last) / 2.0, sides * zoom)


def write_picture_windows(writer: GraphWriter, picture: Value, zooms: Sequence[float]) -> Value:
    """Returns windows around the whole picture: float32, shape (len(zooms), 48, 48, 1).

    Args:
        writer: The main graph.
        picture: As in `write_windows`.
        zooms: Sides of the windows as multiples of the picture's longer side.
    """
    size = picture.shape(2, 4).to_float().reshape(1, 2)
    sides = size.reduce("Max", 1, keep=True) * np.array(zooms, np.float32)[:, np.newaxis]
    return _cut(writer, picture, writer.op("Expand", size / 2.0, [len(zooms), 2]), sides)


def _cut(writer: GraphWriter, picture: Value, middles: Value, sides: Value) -> Value:
    """Returns the windows of `crop_windows`: float32, shape (n, 48, 48, 1).

    Args:
        writer: The main graph.
        picture: The working picture.
        middles: float32, shape (n, 2): row and column of the middle of each window.
        sides: float32, shape (n, 1): their sides in pixels.
    """
    sides = writer.op("Max", sides, float(LEAST_SIDE_PX))
    corners = middles - sides / 2.0  # Top and left.

    least_sides = np.array(SHRINK_FACTORS[1:], np.float32) * np.float32(LEAST_CUT)
    groups = (sides >= least_sides).to_int().reduce("Sum", 1)
    parts, places = [], []
    source = picture
    for group, factor in enumerate(SHRINK_FACTORS):
        if group:
            step = factor // SHRINK_FACTORS[group - 1]
            kernel = {"kernel_shape": [step, step], "strides": [step, step], "ceil_mode": 1}
            source = writer.op("AveragePool", source, **kernel)
        place = writer.op("NonZero", writer.op("Equal", groups, group)).reshape(-1)
        parts.append(_align(writer, source, corners.take(place), sides.take(place), factor))
        places.append(place)
    _, order = writer.ops("TopK", 2, writer.concat(*places), sides.shape(0, 1), largest=0)
    values = writer.concat(*parts).take(order)

    is_inside = _write_inside(writer, picture, corners, sides)
    count = writer.op("Max", is_inside.reduce("Sum", 2, 3, keep=True), 1.0)
    mean = (values * is_inside).reduce("Sum", 2, 3, keep=True) / count
    values = values * is_inside + mean * (1.0 - is_inside) - mean  # The new mean is 0.
    deviation = writer.op("Sqrt", (values * values).reduce("Mean", 2, 3, keep=True))
    return (values / (deviation + NOISE_FLOOR)).reshape(-1, WINDOW_SIDE, WINDOW_SIDE, 1)


def _write_inside(writer: GraphWriter, picture: Value, corners: Value, sides: Value) -> Value:
    """Returns 1 for window pixels with their middle inside the picture, else 0: (n, 1, 48, 48)."""
    parts = (np.arange(WINDOW_SIDE, dtype=np.float32) + np.float32(0.5)) / np.float32(WINDOW_SIDE)
    middles = writer.op("Unsqueeze", corners, [2]) + writer.op("Unsqueeze", sides, [2]) * parts
    lengths = picture.shape(2, 4).to_float().reshape(2, 1)
    inside = ((middles >= 0.0) & (middles < lengths)).to_float()
    down, across = inside.slice(0, 1, axis=1), inside.slice(1, 2, axis=1)
    return down.reshape(-1, 1, WINDOW_SIDE, 1) * across.reshape(-1, 1, 1, WINDOW_SIDE)


def _align(writer: GraphWriter, picture: Value, corners: Value, sides: Value, factor: int) -> Value:
    """Cuts windows from a picture that was shrunk by `factor`: float32, shape (n, 1, 48, 48)."""
    padded = writer.op("Pad", picture, [EDGE] * 4, None, [2, 3], mode="edge")
    first = corners.take([1, 0], axis=1) + float(EDGE * factor)  # RoiAlign takes x before y.
    return writer.op(
        "RoiAlign",
        padded,
        writer.concat(first, first + sides, axis=1),
        writer.op("Expand", 0, sides.shape(0, 1)),
        output_height=WINDOW_SIDE,
        output_width=WINDOW_SIDE,
        spatial_scale=1 / factor,
        sampling_ratio=0,  # ONNX then takes ceil(window side / 48) samples per pixel and axis.
        mode="avg",
        coordinate_transformation_mode="half_pixel",
    )
