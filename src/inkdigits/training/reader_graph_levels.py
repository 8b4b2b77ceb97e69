"""The detector at all scales of a picture, as part of the reader's ONNX graph.

One loop runs the detector over the levels of a pyramid, from coarse to fine, and where the finest
level of a large picture shows writing too small to read there, over windows of a finer one: so the
network stands once in the file, and small pictures cost little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from inkdigits.recognition.alphabet import N_CLASSES
from inkdigits.training.graph_values import GraphWriter, Value

CELL = 4  # Pixels of a level for each cell of the detector's output, along each axis.
STRIDE = 32  # The detector takes heights and widths that are multiples of this.
TOO_SMALL = N_CLASSES  # The detector's channel for writing too small to read at this scale.
N_CHANNELS = N_CLASSES + 5  # Classes, too small, offset of the centre (x, y), logarithm of size.
MARGIN = 16  # Pixels of a level around the picture, so that what touches its edge is seen whole.

# Columns of a found box: top, left, bottom, right in pixels of the working picture, the score by
# which boxes compete, and the detector's probability of each class.
SCORE = 4
FIRST_CLASS = 5
N_COLUMNS = FIRST_CLASS + N_CLASSES


@dataclass(frozen=True)
class LevelSettings:
    """Which scales the detector looks at, and what it keeps at each.

    Attributes:
        scales: Square roots of the pixels of each level without its margin, coarse to fine. Steps
            of 2, as every digit whose longer side is 16 to 80 pixels at one level then lies within
            the range that the detector is trained for at two. All levels together have 1.6
            megapixels with margins, some 0.3 seconds on two cores.
        enlargement: Levels end with the first that shows the picture this much larger; small
            pictures hold small digits. The range of the detector begins at 12 pixels, so this
            finds digits of 6.
        least_finest: Levels do not end before this scale, so that a 28 x 28 tile is seen twice.
        faded_sides: Longer side of a box in pixels of the level: below the first and above the
            last its score is 0, between the second and third it is whole. The detector is trained
            for 12 to 112 pixels and best from 16 to 80.
        size_factors: By which the longer side of a box is multiplied for it, for each class: a
            point is a seventh as large as the digits that it stands beside, and is trained for at
            their scale.
        max_boxes: Boxes of a level that go on, best first; a full page of digits of 16 pixels at
            the finest level has more, but no such page fits under `kept_boxes` either.
        least_score: Boxes of lower score are dropped.
        second_look_from: A picture larger than the finest level by this factor gets a second look.
        second_look_windows: Windows of the second look at most: as many pixels as half the levels.
        second_look_side: Pixels of a window along each axis.
        second_look_scale: The second look's scale relative to the finest level's. 11 / 3: digits
            of 4 pixels at the finest level, which channel "too small" still sees, are read.
        second_look_most: The second look does not show the picture larger than by this factor.
        second_look_score: Least probability of "too small" for which a window is wanted.
    """

    scales: tuple[float, ...] = (64.0, 128.0, 256.0, 512.0, 1024.0)
    enlargement: float = 2.0
    least_finest: float = 112.0
    faded_sides: tuple[float, float, float, float] = (11.0, 16.0, 80.0, 120.0)
    size_factors: tuple[float, ...] = (*(1.0,) * 10, 7.0, 4.0, 2.0, 1.0, 1.5, 1.0)
    max_boxes: int = 400
    least_score: float = 0.1
    second_look_from: float = 1.3
    second_look_windows: int = 12
    second_look_side: int = 256
    second_look_scale: float = 3.0
    second_look_most: float = 2.0
    second_look_score: float = 0.3


@dataclass(frozen=True)
class Found:
    """What the loop over all scales found.

    Attributes:
        boxes: float32, shape (n, `N_COLUMNS`). The first row is none: its score is -1, so that
            nothing that follows ever is without rows.
        unread: int64, a scalar: windows of the second look that its budget left out.
    """

    boxes: Value
    unread: Value


def write_levels(
    writer: GraphWriter, detector: onnx.ModelProto, picture: Value, settings: LevelSettings
) -> Found:
    """Writes the loop over the levels and the second look.

    Args:
        writer: The main graph.
        detector: The network: float32 (n, height, width, 1) to (n, height / 4, width / 4, 21).
        picture: The working picture: float32, shape (1, 1, height, width), 0 to 255.
        settings: Scales and bounds.
    """
    size = picture.shape(2, 4)
    scales, sizes = _measure_levels(writer, size.to_float(), settings)
    needed = writer.op(
        "Max",
        float(settings.enlargement),
        float(settings.least_finest) / _root(size.to_float().reduce("Prod")),
    )
    n_short = (scales < needed).to_int().reduce("Sum")
    n_levels = writer.op("Min", n_short + 1, len(settings.scales))
    finest_scale, finest_size = scales.take(n_levels - 1), sizes.take(n_levels - 1)
    is_coarse = finest_scale * float(settings.second_look_from) < 1.0
    # Coarser levels are made of the finest one, where it is smaller than the picture: shrinking a
    # photograph anew for each level would cost more than the network does on the coarse ones.
    base = _resize(writer, picture, writer.op("Min", size, finest_size))

    def write_run(
        body: GraphWriter, number: Value, state: list[Value]
    ) -> tuple[Value, list[Value]]:
        found, tiles, n_wanted = state
        is_second = body.op("Equal", number, n_levels)
        pixels, origins, step = body.when(
            is_second,
            lambda branch: _write_windows(
                branch, picture, tiles, n_wanted, finest_scale, finest_size, settings
            ),
            lambda branch: _write_level(branch, base, size, branch.op("Gather", sizes, number)),
        )
        output = body.inline(detector, "detector", pixels)
        rows = _decode(body, output, origins, step, size.to_float(), settings)
        tiles = _write_tiles(body, output, settings)
        n_tiles = (tiles >= settings.second_look_score).to_int().reduce("Sum")
        n_wanted = body.op("Where", is_second, n_wanted, n_tiles)
        is_next_second = body.op("Equal", number + 1, n_levels) & is_coarse & (n_wanted > 0)
        goes_on = (number + 1 < n_levels) | is_next_second
        return goes_on, [body.concat(found, rows), tiles, n_wanted]

    none = np.zeros((1, N_COLUMNS), np.float32)
    none[0, SCORE] = -1
    carried: list[tuple[Value, int, list[int | None]]] = [
        (writer.constant(none), TensorProto.FLOAT, [None, N_COLUMNS]),
        (writer.constant(np.zeros((1, 1, 1, 1), np.float32)), TensorProto.FLOAT, [None] * 4),
        (writer.constant(0), TensorProto.INT64, []),
    ]
    boxes, _, n_wanted = writer.loop(n_levels + 1, carried, write_run)
    left_out = writer.op("Max", n_wanted - settings.second_look_windows, 0)
    return Found(boxes, left_out * is_coarse.to_int())


def _root(value: Value) -> Value:
    return value.writer.op("Sqrt", value)


def _resize(writer: GraphWriter, picture: Value, size: Value) -> Value:
    """Scales a picture: bilinear, averaging where it shrinks."""
    sizes = writer.concat([1, 1], size)
    return writer.op("Resize", picture, None, None, sizes, mode="linear", antialias=1)


def _measure_levels(
    writer: GraphWriter, size: Value, settings: LevelSettings
) -> tuple[Value, Value]:
    """Scale (float32, (k,)) and size (int64, (k, 2): height, width) of each level.

    Each level has as many pixels as a square one of `scales`, margins included: m (height + width)
    s + height width s^2 = r is solved for the scale s, so that a long thin picture costs no more.
    """
    border = 2 * MARGIN + STRIDE // 2  # Margins, and what filling up to the stride adds on average.
    room = np.array([scale**2 + 2 * border * scale for scale in settings.scales], np.float32)
    frame = size.reduce("Sum") * float(border)
    scales = 2 * room / (frame + _root(frame * frame + size.reduce("Prod") * (4 * room)))
    sizes = writer.op("Round", writer.op("Unsqueeze", scales, [1]) * size)
    return scales, writer.op("Max", sizes, 1.0).to_int()


def _write_level(branch: GraphWriter, base: Value, size: Value, level: Value) -> list[Value]:
    """A level as the detector takes it, the place of its first pixel, and its pixels' size."""
    scaled = _resize(branch, base, level)
    filled = (level + (2 * MARGIN + STRIDE - 1)) / STRIDE * STRIDE
    before = branch.constant([MARGIN, MARGIN])
    pads = branch.concat(before, filled - level - before)
    padded = branch.op("Pad", scaled, pads, None, [2, 3], mode="edge")
    pixels = branch.op("Reshape", padded, branch.concat([1], filled, [1]))
    step = size.to_float() / level.to_float()
    return [pixels, (step * float(-MARGIN)).reshape(1, 2), step]


def _count_tile_cells(settings: LevelSettings) -> int:
    """Cells of the finest level, along each axis, that a window of the second look is there for.

    A window sees a third more, so that what lies across an edge of its tile is seen whole.
    """
    seen = settings.second_look_side / settings.second_look_scale / CELL
    return max(1, int(seen * 3 / 4))


def _write_tiles(body: GraphWriter, output: Value, settings: LevelSettings) -> Value:
    """The greatest probability of "too small" in each tile of the first image."""
    first = output.slice(0, 1, axis=0).slice(TOO_SMALL, TOO_SMALL + 1, axis=3)
    side = _count_tile_cells(settings)
    tiles = body.op(
        "MaxPool",
        body.op("Transpose", first, perm=[0, 3, 1, 2]),
        kernel_shape=[side, side],
        strides=[side, side],
        ceil_mode=1,
    )
    return body.op("Sigmoid", tiles)


def _write_windows(
    branch: GraphWriter,
    picture: Value,
    tiles: Value,
    n_wanted: Value,
    finest_scale: Value,
    finest_size: Value,
    settings: LevelSettings,
) -> list[Value]:
    """Windows of the second look, the place of the first pixel of each, and their pixels' size."""
    size, side = picture.shape(2, 4).to_float(), settings.second_look_side
    scale = branch.op(
        "Min",
        finest_scale * float(settings.second_look_scale),
        float(settings.second_look_most),
    )
    step = 1.0 / scale
    count = branch.op("Min", n_wanted, settings.second_look_windows)
    _, places = branch.ops("TopK", 2, tiles.reshape(-1), count.reshape(1))
    n_across = tiles.shape(3)
    rows = places / n_across
    corners = branch.op("Unsqueeze", branch.concat(rows, places - rows * n_across), [0])
    corners = branch.op("Transpose", branch.op("Reshape", corners, [2, -1]), perm=[1, 0])
    centres = (corners.to_float() + 0.5) * float(_count_tile_cells(settings) * CELL) - float(MARGIN)
    centres = centres * (size / finest_size.to_float())
    origins = centres - step * (side / 2)
    # Places of all pixels, from -1 to 1 over the picture as GridSample takes them. The windows
    # lie one below the other, since it takes one picture for each grid.
    offsets = step * (np.arange(side, dtype=np.float32) + np.float32(0.5))
    along = branch.op("Unsqueeze", origins, [2]) + offsets
    along = along / branch.op("Unsqueeze", size, [1]) * 2.0 - 1.0
    y, x = branch.ops("Split", 2, along, axis=1, num_outputs=2)
    shape = branch.concat(count.reshape(1), [side, side])
    y = branch.op("Expand", branch.op("Transpose", y, perm=[0, 2, 1]), shape)
    x = branch.op("Expand", x, shape)
    grid = branch.op(
        "Unsqueeze",
        branch.op("Concat", x.reshape(-1, side, 1), y.reshape(-1, side, 1), axis=2),
        [0],
    )
    sampled = branch.op(
        "GridSample", picture, grid, mode="bilinear", padding_mode="border", align_corners=0
    )
    pixels = sampled.reshape(-1, side, side, 1)
    return [pixels, origins, branch.concat(step.reshape(1), step.reshape(1))]


def _decode(
    body: GraphWriter,
    output: Value,
    origins: Value,
    step: Value,
    size: Value,
    settings: LevelSettings,
) -> Value:
    """Boxes of the detector's peaks (Zhou et al., 2019): float32, shape (k, `N_COLUMNS`).

    Args:
        body: The body of the loop.
        output: What the detector gave: float32, shape (n, rows, columns, 21).
        origins: The place of each image's first pixel in the picture (y, x): float32, (n, 2).
        step: Pixels of the picture for each pixel of the images (y, x): float32, (2,).
        size: Height and width of the picture: float32, (2,).
        settings: Bounds.
    """
    best = output.slice(0, N_CLASSES, axis=3).reduce("Max", 3, keep=True)
    best = body.op("Transpose", best, perm=[0, 3, 1, 2])
    around = body.op("MaxPool", best, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    peaks = body.op("Where", best >= around, best, -1e9).reshape(-1)
    count = body.op("Min", peaks.shape(0), settings.max_boxes)
    _, places = body.ops("TopK", 2, peaks, count)
    rows = output.reshape(-1, N_CHANNELS).take(places)

    n_cells, n_columns = output.shape(1, 3).reduce("Prod"), output.shape(2, 3)
    images = places / n_cells
    within = places - images * n_cells
    down = within / n_columns
    cells = body.concat(down.reshape(-1, 1), (within - down * n_columns).reshape(-1, 1), axis=1)
    # The network gives x before y, columns of boxes hold y before x.
    offsets, logarithms = (rows.take([first + 1, first], axis=1) for first in (17, 19))
    centres = (cells.to_float() + 0.5 + offsets) * float(CELL)
    # Bounds that no mark of a level reaches, so that an untrained network gives finite boxes.
    sides = body.op("Exp", logarithms.clip(0.0, 6.0))

    probabilities = body.op("Sigmoid", rows.slice(0, N_CLASSES, axis=1))
    classes = body.op("ArgMax", probabilities, axis=1, keepdims=0)
    weights = _weigh(body, sides.reduce("Max", 1), classes, settings)
    scores = probabilities.reduce("Max", 1) * weights
    # Nearer to an edge of the image than its margin: outside the picture, or a mark that a window
    # of the second look cuts and its neighbour shows whole.
    extent = (output.shape(1, 3) * CELL).to_float() - float(MARGIN)
    is_within = (centres >= float(MARGIN)) & (centres < extent)
    centres = origins.take(images) + centres * step
    is_within = is_within & (centres >= 0.0) & (centres < size)
    half = sides * step / 2.0
    boxes = body.concat((centres - half).clip(0.0, size), (centres + half).clip(0.0, size), axis=1)
    columns = body.concat(boxes, scores.reshape(-1, 1), probabilities, axis=1)
    is_kept = (is_within.to_int().reduce("Min", 1) > 0) & (scores >= settings.least_score)
    return columns.compress(is_kept)


def _weigh(body: GraphWriter, sides: Value, classes: Value, settings: LevelSettings) -> Value:
    """The share of its score that a box keeps for its longer side at this level: float32, (k,)."""
    factors = np.array(settings.size_factors, np.float32)
    sides = sides * body.constant(factors).take(classes)
    low, whole, falling, high = map(float, settings.faded_sides)
    rising = ((sides - low) / (whole - low)).clip(0.0, 1.0)
    return rising * ((high - sides) / (high - falling)).clip(0.0, 1.0)
