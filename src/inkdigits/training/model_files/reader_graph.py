"""The reader as one ONNX graph, from a picture to boxes with classes and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnx.checker
from onnx import TensorProto, helper

from inkdigits.errors import ModelError
from inkdigits.recognition.selection import (
    FREE_CLASSES,
    FREE_SCORE,
    LEAST_DISTANCE,
    MAX_CONTAINED,
    MAX_OVERLAP,
)
from inkdigits.recognition.windows import LEAST_SHARE, WINDOW_SIDE
from inkdigits.results.alphabet import N_CLASSES, NO_MARK
from inkdigits.training.model_files.graph_writer import IR_VERSION, OPSET, GraphWriter, Value
from inkdigits.training.model_files.reader_levels import (
    FIRST_CLASS,
    N_CHANNELS,
    N_COLUMNS,
    SCORE,
    LevelSettings,
    write_levels,
)
from inkdigits.training.model_files.reader_windows import write_picture_windows, write_windows
from inkdigits.training.networks.context_network import LEAST_PROBABILITY

# A box that was dropped itself drops no others. Whether it is dropped depends on the better boxes,
# round by round. With an odd number of rounds, chains of more boxes than that drop too many rather
# than too few.
SUPPRESSION_ROUNDS = 5

# A detected box shows the mark that fills the picture if its longer side is at least `LEAST_SHARE`
# of the picture's, and its probability of the same class at least this; otherwise the box of that
# mark is the whole picture.
LEAST_LIKELY = 0.02

# Added to probabilities that are multiplied, so that none of the factors rules out a class.
LEAST_FACTOR = 1e-5


@dataclass(frozen=True)
class ReaderSettings:
    """Constants of the graph, besides the networks.

    "The worse" of two boxes is the one with the lower score.

    Attributes:
        levels: The scales at which the detector runs.
        max_pixels: Larger pictures are first shrunk to this size. 12 megapixels are more than a
            page at 300 dots per inch, and 48 megabytes as float32.
        max_overlap: If the intersection over union of two boxes is larger, the worse is dropped.
        kept_boxes: Maximum number of boxes for the judge, best first. A dense form has about 200
            marks.
        max_contained: After the judge, the worse of two boxes that cannot both be marks is dropped:
            `selection.MAX_CONTAINED`. This removes parts of a digit that look like a digit, and two
            digits that look like one.
        max_judged_overlap: `selection.MAX_OVERLAP`, because a window that covers half a digit may
            be classified as that digit.
        least_distance: `selection.LEAST_DISTANCE`.
        free_classes: Classes whose boxes may lie within other boxes, as they do in handwriting.
        free_score: Minimum probability of such a class, by the detector alone, for this exception.
        window_zooms: Each mark is judged once for each factor, in a window that is so many times as
            wide, and the mean of the log probabilities counts (test-time augmentation). The judges
            take turns: the first sees the first window, the second the second.
        all_zooms_boxes: Number of boxes, best first, that are judged with all factors; the others
            are judged with the first only. A crowded picture would take too long otherwise.
        detector_weight: Exponent w of the detector's probabilities in p_judge x (p_detector +
            floor)^w. Trained readers use `reader_validation.DETECTOR_WEIGHT`.
        detector_floor: Added to the detector's probabilities, so that the detector rules out no
            class.
        temperature: Divides the logarithms of the product (Guo et al., 2017).
        none_odds: Factor of the odds that a box shows no mark, after the temperature. Trained
            readers use `reader_validation.NONE_ODDS`.
        least_score: Boxes with a lower probability of their best class are dropped.
        picture_zooms: The picture judge sees the whole picture once for each factor, in a window
            that is so many times as wide as its longer side, and the mean of the log probabilities
            counts.
        picture_temperature: Divides these log probabilities.
    """

    levels: LevelSettings = field(default_factory=LevelSettings)
    max_pixels: int = 12_000_000
    max_overlap: float = 0.4
    kept_boxes: int = 300
    max_contained: float = MAX_CONTAINED
    max_judged_overlap: float = MAX_OVERLAP
    least_distance: float = LEAST_DISTANCE
    free_classes: tuple[int, ...] = FREE_CLASSES
    free_score: float = FREE_SCORE
    window_zooms: tuple[float, ...] = (1.0,)
    all_zooms_boxes: int = 60
    detector_weight: float = 0.3
    detector_floor: float = 0.01
    temperature: float = 1.0
    none_odds: float = 1.0
    least_score: float = 0.1
    picture_zooms: tuple[float, ...] = (1.0,)
    picture_temperature: float = 1.0


def build_reader(
    detector: onnx.ModelProto,
    judges: Sequence[onnx.ModelProto],
    settings: ReaderSettings | None = None,
    context: onnx.ModelProto | None = None,
    picture_judge: onnx.ModelProto | None = None,
) -> onnx.ModelProto:
    """Builds the graph that reads a whole picture.

    Args:
        detector: Network that maps grey values, float32 (n, height, width, 1), 0 to 255, height and
            width multiples of 32, to float32 (n, height / 4, width / 4, 21): logits of 16 classes
            and of "too small to read", offset (x, y) of the centre in cells, logarithms of width
            and height in pixels.
        judges: Networks that map windows as `crop_windows` returns them, float32 (n, 48, 48, 1), to
            logits, float32 (n, 17), at most one for each of `settings.window_zooms`; empty: the
            classes come from the detector alone.
        settings: Constants; None: the defaults.
        context: Network that `write_context` returns, which corrects the classes; None: they stay.
        picture_judge: Network like the judges, for the window of the whole picture, which says
            which mark fills it; None: no such mark.

    Returns:
        A model with the input `picture`, uint8 (height, width), grey values 0 to 255, and these
        outputs:

        - `boxes`: float32 (n, 4), x, y, width and height in pixels;
        - `classes`: int64 (n,), 0 to 15;
        - `scores`: float32 (n,), the probability of the class, in descending order;
        - `probabilities`: float32 (n, 17); the last column is that the box has no mark;
        - `unread`: int64, number of marks, and of windows of small writing, that the limits left
          out;
        - `candidate_boxes`, `candidate_probabilities`: float32 (m, 4) and (m, 17), all boxes that
          reach `least_score` before the correction, including those that a better one overlaps;
        - `candidate_fills`: bool (m,), True for the last with a picture judge: the mark that fills
          the picture, if there is one.

    Raises:
        ModelError: A network with other shapes, or more judges than windows of a mark.
    """
    _check(detector, "detector", (None, None, None, 1), (None, None, None, N_CHANNELS))
    for judge in (*judges, *([] if picture_judge is None else [picture_judge])):
        _check(judge, "judge", (None, WINDOW_SIDE, WINDOW_SIDE, 1), (None, N_CLASSES + 1))
    settings = settings or ReaderSettings()
    if len(judges) > len(settings.window_zooms):
        raise ModelError(
            f"{len(judges)} judges have {len(settings.window_zooms)} windows of a mark to see: "
            "expected at most one judge for each of window_zooms"
        )
    writer = GraphWriter()
    whole = writer.value("picture")
    size = whole.shape(0, 2).to_float()
    picture = _write_working_picture(writer, whole, size, settings.max_pixels)
    found = write_levels(writer, detector, picture, settings.levels)
    rows, left_out = _suppress(writer, found.boxes, settings)
    logits = None
    if judges:
        logits = _judge(writer, judges, picture, rows, settings)
    probabilities = _combine(writer, logits, rows.slice(FIRST_CLASS, N_COLUMNS, axis=1), settings)
    rows, probabilities = _drop_improbable(writer, rows, probabilities, settings)
    if context is not None:
        probabilities = _correct(writer, context, rows, probabilities)
    fills = rows.slice(SCORE, SCORE + 1, axis=1).reshape(-1) < 0.0  # No detected mark does.
    if picture_judge is not None:
        mark, shares = _judge_picture(writer, picture_judge, picture, rows, probabilities, settings)
        rows, probabilities = writer.concat(rows, mark), writer.concat(probabilities, shares)
        fills = writer.concat(fills, np.array([True]))
    outputs = _select(writer, rows, probabilities, fills, settings)
    scale = size / picture.shape(2, 4).to_float()
    for name in ("boxes", "candidate_boxes"):
        outputs[name] = _to_corner_and_size(writer, outputs[name], scale)
    outputs["unread"] = found.unread + left_out
    types: dict[str, tuple[int, list[str | int]]] = {
        "boxes": (TensorProto.FLOAT, ["n", 4]),
        "classes": (TensorProto.INT64, ["n"]),
        "scores": (TensorProto.FLOAT, ["n"]),
        "probabilities": (TensorProto.FLOAT, ["n", N_CLASSES + 1]),
        "unread": (TensorProto.INT64, []),
        "candidate_boxes": (TensorProto.FLOAT, ["m", 4]),
        "candidate_probabilities": (TensorProto.FLOAT, ["m", N_CLASSES + 1]),
        "candidate_fills": (TensorProto.BOOL, ["m"]),
    }
    for name in types:
        writer.name_output(outputs[name], name)
    inputs = {"picture": (TensorProto.UINT8, ["height", "width"])}
    model = helper.make_model(
        writer.to_graph("reader", inputs, types),
        producer_name="inkdigits",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    return model


def _check(
    model: onnx.ModelProto, name: str, taken: tuple[int | None, ...], given: tuple[int | None, ...]
) -> None:
    expected = [taken, given]
    values = [*model.graph.input, *model.graph.output]
    dimensions = [value.type.tensor_type.shape.dim for value in values]
    found = [tuple(d.dim_value or None for d in shape) for shape in dimensions]
    if len(model.graph.input) != 1 or found != expected:
        raise ModelError(
            f"the {name} has inputs and outputs of the shapes {found}; expected {expected}, as "
            "'inkdigits.training.networks.reader_networks' builds it"
        )


def _write_working_picture(
    writer: GraphWriter, whole: Value, size: Value, max_pixels: int
) -> Value:
    """Returns the picture, shrunk to about `max_pixels` if it is larger: float32, (1, 1, h, w)."""
    stacked = writer.op("Unsqueeze", whole, [0, 1])
    scale = writer.op("Sqrt", float(max_pixels) / size.reduce("Prod"))
    smaller = writer.op("Max", writer.op("Floor", size * writer.op("Min", scale, 1.0)), 1.0)

    def shrink(branch: GraphWriter) -> list[Value]:
        sizes = branch.concat([1, 1], smaller.to_int())
        return [branch.op("Resize", stacked, None, None, sizes, mode="linear", antialias=1)]

    picture = writer.when(scale < 1.0, shrink, lambda _: [stacked])[0]
    return picture.to_float()


def _suppress(writer: GraphWriter, boxes: Value, settings: ReaderSettings) -> tuple[Value, Value]:
    """Returns the rows that no better box overlaps, best first, and how many were left out.

    At most `kept_boxes` rows are returned, and at most as many again are counted as left out. The
    placeholder row, the first of `boxes`, overlaps nothing and stays.
    """
    scores = boxes.slice(SCORE, SCORE + 1, axis=1)
    chosen = writer.op(
        "NonMaxSuppression",
        writer.op("Unsqueeze", boxes.slice(0, 4, axis=1), [0]),
        scores.reshape(1, 1, -1),
        [2 * settings.kept_boxes],
        settings.max_overlap,
    )
    chosen = chosen.slice(2, 3, axis=1).reshape(-1)
    left_out = writer.op("Max", chosen.shape(0).reduce("Sum") - settings.kept_boxes, 0)
    return boxes.take(chosen.slice(0, settings.kept_boxes, axis=0)), left_out


def _judge(
    writer: GraphWriter,
    judges: Sequence[onnx.ModelProto],
    picture: Value,
    rows: Value,
    settings: ReaderSettings,
) -> Value:
    """Returns the judges' mean log probabilities for each row: float32, shape (n, 17)."""
    zooms = settings.window_zooms
    best = rows.slice(0, settings.all_zooms_boxes, axis=0)
    windows = [
        write_windows(writer, picture, best if index else rows, zoom)
        for index, zoom in enumerate(zooms)
    ]
    judged: dict[int, Value] = {}
    for number, judge in enumerate(judges):
        own = range(number, len(zooms), len(judges))
        logits = writer.inline(
            judge, f"judge_{number}", writer.concat(*(windows[index] for index in own))
        )
        lengths = writer.concat(*(windows[index].shape(0, 1) for index in own))
        shares = writer.op("LogSoftmax", logits, axis=1)
        for index, part in zip(own, writer.ops("Split", len(own), shares, lengths), strict=True):
            judged[index] = part
    if len(zooms) == 1:
        return judged[0]
    n_best, n = best.shape(0, 1), rows.shape(0, 1)
    judged_once = writer.op("Slice", judged[0], n_best, n, [0])
    judged[0] = writer.op("Slice", judged[0], [0], n_best, [0])
    return writer.concat(writer.op("Mean", *judged.values()), judged_once)


def _combine(
    writer: GraphWriter, logits: Value | None, found: Value, settings: ReaderSettings
) -> Value:
    """Returns the probabilities of 16 classes and of no mark: float32, shape (n, 17).

    They are proportional to (p_judge x (p_detector + floor)^w)^(1 / temperature), that of no mark
    also to `none_odds`. The detector's probability of no mark is 1 minus that of its best class.

    Args:
        writer: The main graph.
        logits: Logits of the judge: float32, shape (n, 17); None: without a judge.
        found: Probabilities of the detector: float32, shape (n, 16). They do not sum to 1.
        settings: Weight, floor, temperature and odds.
    """
    none = 1.0 - found.reduce("Max", 1, keep=True)
    seen = writer.op("Log", writer.concat(found, none, axis=1) + settings.detector_floor)
    product = seen * settings.detector_weight
    if logits is not None:
        product = product + writer.op("LogSoftmax", logits, axis=1)
    prior = np.zeros(NO_MARK + 1, np.float32)
    prior[NO_MARK] = np.log(settings.none_odds)
    return writer.op("Softmax", product / settings.temperature + prior, axis=1)


def _drop_improbable(
    writer: GraphWriter, rows: Value, probabilities: Value, settings: ReaderSettings
) -> tuple[Value, Value]:
    """Drops rows whose best class is improbable; the placeholder row stays."""
    scores = probabilities.slice(0, NO_MARK, axis=1).reduce("Max", 1)
    is_kept = (scores >= settings.least_score) | ~_is_found(rows)
    return rows.compress(is_kept), probabilities.compress(is_kept)


def _is_found(rows: Value) -> Value:
    """Returns False for the placeholder row: bool, shape (n,)."""
    return rows.slice(SCORE, SCORE + 1, axis=1).reshape(-1) > 0.0


def _correct(
    writer: GraphWriter, context: onnx.ModelProto, rows: Value, probabilities: Value
) -> Value:
    """Returns the probabilities given the boxes around: float32, shape (n, 17)."""
    corners = rows.slice(0, 2, axis=1)
    # The placeholder row gets a width of 0.
    sizes = (rows.slice(2, 4, axis=1) - corners) * _is_found(rows).to_float().reshape(-1, 1)
    boxes = writer.concat(corners.take([1, 0], axis=1), sizes.take([1, 0], axis=1), axis=1)
    logits = writer.op("Log", probabilities + LEAST_PROBABILITY)
    corrected = writer.inline(context, "context", writer.concat(boxes, logits, axis=1))
    sure = writer.op("Log", writer.op("Max", probabilities, float(np.finfo(np.float32).tiny)))
    return writer.op("Softmax", sure + corrected - logits, axis=1)


def _judge_picture(
    writer: GraphWriter,
    judge: onnx.ModelProto,
    picture: Value,
    rows: Value,
    probabilities: Value,
    settings: ReaderSettings,
) -> tuple[Value, Value]:
    """Returns the mark that fills the picture, if there is one: its row, and its probabilities.

    Its box is that of the detected mark of the same class, whose probabilities are multiplied with
    those of the picture judge, or else the whole picture.
    """
    windows = write_picture_windows(writer, picture, settings.picture_zooms)
    logits = writer.op("LogSoftmax", writer.inline(judge, "picture_judge", windows), axis=1)
    logits = logits.reduce("Mean", 0, keep=True)
    shares = writer.op("Softmax", logits / settings.picture_temperature, axis=1)
    best = writer.op("ArgMax", shares.slice(0, NO_MARK, axis=1), axis=1, keepdims=0)

    size = picture.shape(2, 4).to_float().reshape(1, 2)
    longest = size.reduce("Max", 1, keep=True)
    whole = writer.concat(size * 0.0, size, longest * 0.0 + 1.0, axis=1)
    whole = writer.concat(whole, shares.slice(0, N_CLASSES, axis=1), axis=1)
    corners = rows.slice(0, 2, axis=1)
    sides = (rows.slice(2, 4, axis=1) - corners).reduce("Max", 1, keep=True)
    is_large = (sides >= longest * LEAST_SHARE).to_float().reshape(-1)
    likely = probabilities.take(best, axis=1).reshape(-1) * is_large * _is_found(rows).to_float()
    # The whole picture comes last, and is taken if no detected mark is as likely.
    likely = writer.concat(likely, [np.float32(LEAST_LIKELY)])
    place = writer.op("ArgMax", likely, axis=0)
    unknown = np.ones((1, NO_MARK + 1), np.float32)
    seen = writer.concat(probabilities, unknown).take(place)
    product = writer.op("Log", shares + LEAST_FACTOR) + writer.op("Log", seen + LEAST_FACTOR)
    return writer.concat(rows, whole).take(place), writer.op("Softmax", product, axis=1)


def _select(
    writer: GraphWriter,
    rows: Value,
    probabilities: Value,
    fills: Value,
    settings: ReaderSettings,
) -> dict[str, Value]:
    """Returns the final boxes, best first.

    A box is dropped if its best class is improbable, or if a better box is at nearly the same
    place, lies mostly within it, or contains most of it. Boxes of `free_classes` with a sure centre
    from the detector are kept there: a point in the bow of a 2, a dash through a 7. A mark that
    fills the picture, where `fills` is True, has the place of all others.

    Returns:
        "boxes" (top, left, bottom, right), "classes", "scores" and "probabilities".
    """
    marks = probabilities.slice(0, NO_MARK, axis=1)
    classes = writer.op("ArgMax", marks, axis=1, keepdims=0)
    scores = marks.reduce("Max", 1)
    is_found = _is_found(rows)
    is_mark = (scores >= settings.least_score) & is_found

    boxes = rows.slice(0, 4, axis=1)
    first, last = boxes.slice(0, 2, axis=1), boxes.slice(2, 4, axis=1)
    areas = (last - first).reduce("Prod", 1, keep=True)
    inner = writer.op("Max", *(writer.op("Unsqueeze", first, [axis]) for axis in (0, 1)))
    outer = writer.op("Min", *(writer.op("Unsqueeze", last, [axis]) for axis in (0, 1)))
    common = writer.op("Max", outer - inner, 0.0).reduce("Prod", 2)
    is_better = (scores.reshape(1, -1) > scores.reshape(-1, 1)) & is_mark.reshape(1, -1)
    smaller = writer.op("Min", areas, areas.reshape(1, -1))
    all_areas = areas + areas.reshape(1, -1) - common
    is_same = (
        (common > smaller * settings.max_contained)
        | (common > all_areas * settings.max_judged_overlap)
        | _find_near(writer, first, last, settings)
        | fills.reshape(1, -1)
        | fills.reshape(-1, 1)
    )
    is_free_class = np.isin(np.arange(N_CLASSES), settings.free_classes)
    is_sure = rows.slice(FIRST_CLASS, N_COLUMNS, axis=1).reduce("Max", 1) >= settings.free_score
    is_free = writer.constant(is_free_class).take(classes) & is_sure
    are_alike = writer.op("Equal", is_free.reshape(1, -1), is_free.reshape(-1, 1))
    is_worse = is_same & is_better & are_alike
    is_kept = is_mark
    for _ in range(SUPPRESSION_ROUNDS):
        is_dropped = (is_worse & is_kept.reshape(1, -1)).to_int().reduce("Max", 1)
        is_kept = is_mark & (is_dropped < 1)

    kept = scores.compress(is_kept)
    sorted_scores, order = writer.ops("TopK", 2, kept, kept.shape(0))
    others = {"boxes": boxes, "classes": classes, "probabilities": probabilities}
    chosen = {name: value.compress(is_kept).take(order) for name, value in others.items()}
    return {
        **chosen,
        "scores": sorted_scores,
        "candidate_boxes": boxes.compress(is_found),
        "candidate_probabilities": probabilities.compress(is_found),
        "candidate_fills": fills.compress(is_found),
    }


def _find_near(writer: GraphWriter, first: Value, last: Value, settings: ReaderSettings) -> Value:
    """Returns True where the middles of two boxes are too close for two marks: bool, (n, n)."""
    middles, sides = (first + last) / 2.0, (last - first).reduce("Max", 1, keep=True)
    apart = writer.op("Unsqueeze", middles, [0]) - writer.op("Unsqueeze", middles, [1])
    distances = writer.op("Abs", apart).reduce("Max", 2)
    return distances < writer.op("Min", sides, sides.reshape(1, -1)) * settings.least_distance


def _to_corner_and_size(writer: GraphWriter, boxes: Value, scale: Value) -> Value:
    """Converts top, left, bottom, right in the working picture to x, y, width, height."""
    first = boxes.slice(0, 2, axis=1) * scale
    extent = boxes.slice(2, 4, axis=1) * scale - first
    return writer.concat(first.take([1, 0], axis=1), extent.take([1, 0], axis=1), axis=1)
