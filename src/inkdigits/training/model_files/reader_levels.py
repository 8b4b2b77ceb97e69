"""The part of the reader's ONNX graph that runs the detector at all scales of a picture.

One loop runs the detector on the levels of an image pyramid, from coarse to fine. If the finest
level of a large picture shows writing that is too small to read, the last iteration is the "second
look": it runs the detector on windows at a finer scale. So the file contains the network only once,
and small pictures take little time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from inkdigits.results.alphabet import N_CLASSES
from inkdigits.training.model_files.graph_writer import GraphWriter, Value

CELL = 4  # Side in pixels of one cell of the detector's output.
STRIDE = 32  # The height and width of the detector's input are multiples of this.
TOO_SMALL = N_CLASSES  # Channel of the detector for writing too small to read at this scale.
N_CHANNELS = N_CLASSES + 5  # Classes, "too small", offset of the centre (x, y), log of the size.
MARGIN = 16  # Pixels added around a level, so that marks at the edge of the picture are complete.

# Columns of a detected box: top, left, bottom, right in pixels of the working picture, the score by
# which boxes are ranked, and the detector's probability of each class.
SCORE = 4
FIRST_CLASS = 5
N_COLUMNS = FIRST_CLASS + N_CLASSES


@dataclass(frozen=True)
class LevelSettings:
    """The scales that the detector runs at, and which boxes it keeps at each.

    Attributes:
        scales: Square root of the number of pixels of each level without its margin, coarse to
            fine. With steps of 2, a digit of 16 to 80 pixels at one level is within the trained
            range of the detector at two levels. All levels together have 1.6 megapixels with
            margins, which take about 0.3 seconds on two cores.
        enlargement: The finest level is the first that enlarges the picture by this factor, because
            small pictures have small digits. The trained range begins at 12 pixels, so digits of 6
            pixels are found.
        least_finest: The finest level has at least this scale, so that a 28 x 28 tile is seen at
            two levels.
        faded_sides: Longer side of a box in pixels of the level. Below the first and above the last
            value the score is 0; between the second and the third it is unchanged. The detector is
            trained for 12 to 112 pixels, and is best from 16 to 80.
        size_factors: Factor for each class by which the longer side of a box is multiplied before
            `faded_sides` applies. A point has a seventh of the size of the digits beside it, and is
            trained at their scale.
        max_boxes: Maximum number of boxes per level, best first. A full page with digits of 16
            pixels at the finest level has more, but also has more than `kept_boxes`.
        least_score: Boxes with a lower score are dropped.
        second_look_from: A picture larger than the finest level by this factor gets a second look.
        second_look_windows: Maximum number of windows of the second look. Together they have half
            as many pixels as the levels.
        second_look_side: Side of a window in pixels.
        second_look_scale: Scale of the second look relative to the finest level. 11 / 3: digits of
            4 pixels at the finest level, which the channel "too small" still finds, are read.
        second_look_most: The second look enlarges the picture by at most this factor.
        second_look_score: Minimum probability of "too small" for a window of the second look.
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
    """The result of the loop over all scales.

    Attributes:
        boxes: float32, shape (n, `N_COLUMNS`). The first row is a placeholder with the score -1, so
            that later nodes never get an empty tensor.
        unread: Number of windows that exceeded the limit of the second look: int64, a scalar.
    """

    boxes: Value
    unread: Value


def write_levels(
    writer: GraphWriter, detector: onnx.ModelProto, picture: Value, settings: LevelSettings
) -> Found:
    """Adds the loop over the levels and the second look.

    Args:
        writer: The main graph.
        detector: Network that maps float32 (n, height, width, 1) to (n, height / 4, width / 4, 21).
        picture: The working picture: float32, shape (1, 1, height, width), 0 to 255.
        settings: Scales and limits.
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
    # Coarse levels are shrunk from the finest one if that is smaller than the picture. Shrinking a
    # photograph for each level would take longer than the network takes on the coarse levels.
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
    """Resizes a picture: bilinear, with antialiasing when it shrinks."""
    sizes = writer.concat([1, 1], size)
    return writer.op("Resize", picture, None, None, sizes, mode="linear", antialias=1)


def _measure_levels(
    writer: GraphWriter, size: Value, settings: LevelSettings
) -> tuple[Value, Value]:
    """Returns scale (float32, (k,)) and size (int64, (k, 2): height, width) of each level.

    Each level has as many pixels, margins included, as a square level of the size in `scales`, so
    that a long thin picture takes no more time. For this, m (height + width) s + height width s^2 =
    r is solved for the scale s.
    """
    border = 2 * MARGIN + STRIDE // 2  # The margins, and the average padding to the stride.
    room = np.array([scale**2 + 2 * border * scale for scale in settings.scales], np.float32)
    frame = size.reduce("Sum") * float(border)
    scales = 2 * room / (frame + _root(frame * frame + size.reduce("Prod") * (4 * room)))
    sizes = writer.op("Round", writer.op("Unsqueeze", scales, [1]) * size)
    return scales, writer.op("Max", sizes, 1.0).to_int()


def _write_level(branch: GraphWriter, base: Value, size: Value, level: Value) -> list[Value]:
    """Returns the detector's input for a level, the position of its first pixel, its pixel size."""
    scaled = _resize(branch, base, level)
    filled = (level + (2 * MARGIN + STRIDE - 1)) / STRIDE * STRIDE
    before = branch.constant([MARGIN, MARGIN])
    pads = branch.concat(before, filled - level - before)
    padded = branch.op("Pad", scaled, pads, None, [2, 3], mode="edge")
    pixels = branch.op("Reshape", padded, branch.concat([1], filled, [1]))
    step = size.to_float() / level.to_float()
    return [pixels, (step * float(-MARGIN)).reshape(1, 2), step]


def _count_tile_cells(settings: LevelSettings) -> int:
    """Returns the side of a tile, in cells of the finest level, that one window covers.

    A window is a third larger than its tile, so that marks across an edge of the tile are complete.
    """
    seen = settings.second_look_side / settings.second_look_scale / CELL
    return max(1, int(seen * 3 / 4))


def _write_tiles(body: GraphWriter, output: Value, settings: LevelSettings) -> Value:
    """Returns the highest probability of "too small" in each tile of the first image."""
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
    """Returns the second look's windows, the positions of their first pixels, their pixel size."""
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
    # Positions of all pixels, scaled from -1 to 1 over the picture for GridSample. It takes one
    # grid per picture, so the windows are stacked below each other in one grid.
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
    """Returns the boxes at the detector's peaks (Zhou et al., 2019): float32, (k, `N_COLUMNS`).

    Args:
        body: The body of the loop.
        output: Output of the detector: float32, shape (n, rows, columns, 21).
        origins: Position of each image's first pixel in the picture (y, x): float32, (n, 2).
        step: Size of an image pixel in pixels of the picture (y, x): float32, (2,).
        size: Height and width of the picture: float32, (2,).
        settings: Limits.
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
    # The network returns x before y, but the columns of boxes are y before x.
    offsets, logarithms = (rows.take([first + 1, first], axis=1) for first in (17, 19))
    centres = (cells.to_float() + 0.5 + offsets) * float(CELL)
    # Limits that no mark of a level reaches, so that an untrained network returns finite boxes.
    sides = body.op("Exp", logarithms.clip(0.0, 6.0))

    probabilities = body.op("Sigmoid", rows.slice(0, N_CLASSES, axis=1))
    classes = body.op("ArgMax", probabilities, axis=1, keepdims=0)
    weights = _weigh(body, sides.reduce("Max", 1), classes, settings)
    scores = probabilities.reduce("Max", 1) * weights
    # Boxes closer to an edge of the image than its margin are dropped. They are outside the
    # picture, or cut by a window of the second look while its neighbour shows the whole mark.
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
    """Returns the factor of a box's score for its longer side at this level: float32, (k,)."""
    factors = np.array(settings.size_factors, np.float32)
    sides = sides * body.constant(factors).take(classes)
    low, whole, falling, high = map(float, settings.faded_sides)
    rising = ((sides - low) / (whole - low)).clip(0.0, 1.0)
    return rising * ((high - sides) / (high - falling)).clip(0.0, 1.0)
