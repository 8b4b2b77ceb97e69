"""What the networks of the reader are asked for each drawn page, and how wrong they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.recognition.alphabet import DIGITS, N_CLASSES, NO_MARK
from inkdigits.recognition.detection import Detections
from inkdigits.recognition.windows import crop_windows
from inkdigits.synthesis.pages import PAGE_SIDE, DrawnPage
from inkdigits.training.frameworks import load_keras
from inkdigits.training.reader_networks import N_HEATMAPS, STRIDE

READABLE_PX: Final = (12, 128)
"""Longer side of the digits that the detector finds at one scale; the pyramid of the reader halves
the scale between levels, so that each digit has two levels at which it lies well within."""
TINY_PX: Final = 3
"""Smaller digits are not even told to be too small to read: they are specks."""
_BEYOND: Final = 1.35
"""Marks of more than so many times the largest size are none of this level: only strokes of them
are seen. Between, the next level finds them, and nobody is asked here."""
_MOST_ENLARGED: Final = 4
"""As the reader's graph shows tiles of 28 x 28 pixels."""
_SPREAD: Final = 0.09
_LEAST_SPREAD: Final = 0.7
"""Standard deviation of the bump around a centre: a share of the longer side, and at least so many
cells; as in CenterNet, where a box so far off still overlaps the true one by 0.7."""

# Channels of the targets.
WEIGHT: Final = N_HEATMAPS
BOX: Final = slice(N_HEATMAPS + 1, N_HEATMAPS + 5)
CENTRE: Final = N_HEATMAPS + 5
N_TARGETS: Final = N_HEATMAPS + 6

_LEAST_PX: Final = 8
"""Smaller digits, and marks beside them, give no window: they cannot be told apart. The detector
finds down to 12 pixels, and errs in size."""
_WELL_TAKEN: Final = 0.7
"""Share of windows that are cut for the right class: detectors take points for digits, too."""
_SAME: Final = 0.5
_OTHER: Final = 0.3
"""A found box that overlaps a true one by at least the first share (intersection over union) is its
box, as in Pascal VOC (Everingham et al., 2010); by less than the second it is not. Between, it is
not either where another found box is, as one mark must not be read twice."""
_JITTER: Final = (0.05, 0.1)
"""Standard deviations of shift, in longer sides, and of the logarithm of size, by which windows
miss the truth. Assumed, not measured; the finder's own boxes are beside them."""


def frame_page(page: DrawnPage, random: np.random.Generator) -> DrawnPage:
    """A cropped page, enlarged or not, somewhere on a square of `PAGE_SIDE`, its edges repeated.

    The reader's graph enlarges small pictures, and repeats the edges of all.
    """
    if page.picture.shape == (PAGE_SIDE, PAGE_SIDE):
        return page
    page = _enlarge(page, random)
    height, width = page.picture.shape
    top = int(random.integers(PAGE_SIDE - height + 1))
    left = int(random.integers(PAGE_SIDE - width + 1))
    bottom, right = PAGE_SIDE - height - top, PAGE_SIDE - width - left
    picture = np.pad(page.picture, ((top, bottom), (left, right)), mode="edge")
    offset = np.array([left, top, 0, 0], np.float32)
    return replace(page, picture=picture, boxes=page.boxes + offset)


def _enlarge(page: DrawnPage, random: np.random.Generator) -> DrawnPage:
    """A page with larger pixels, as far as it fits and its marks stay within what is found."""
    height, width = page.picture.shape
    tallest = float(page.boxes[:, 2:].max(initial=READABLE_PX[0]))
    most = min(PAGE_SIDE / max(height, width), READABLE_PX[1] / tallest, _MOST_ENLARGED)
    if most <= 1 or random.random() < 0.5:
        return page
    factor = float(np.exp(random.uniform(0, np.log(most))))
    size = (int(width * factor), int(height * factor))
    scale = np.array([size[0] / width, size[1] / height] * 2, np.float32)
    picture = cv2.resize(page.picture, size, interpolation=cv2.INTER_LINEAR)
    return replace(
        page,
        picture=picture.astype(np.uint8, copy=False),
        boxes=page.boxes * scale,
        heights=page.heights * scale[1],
    )


def build_targets(page: DrawnPage) -> NDArray[np.float16]:
    """What the detector should answer for a square page.

    Returns:
        float16, shape (side / 4, side / 4, 23): for each class, and for writing too small to
        read, 1 at a centre, falling to 0 around it; the weight of cells that show no mark, 0 where
        nobody can say; offset and logarithms of the size of the box; 1 at the centre of each mark.
    """
    side = page.picture.shape[0] // STRIDE
    targets = np.zeros((side, side, N_TARGETS), np.float32)
    targets[..., WEIGHT] = 1
    least, most = READABLE_PX
    for box, label, height_px, sure in zip(
        page.boxes.tolist(),
        page.labels.tolist(),
        page.heights.tolist(),
        page.sure.tolist(),
        strict=True,
    ):
        x, y, width, height = box
        longer = max(width, height) if label < len(DIGITS) else max(width, height, height_px)
        centre = ((x + width / 2) / STRIDE, (y + height / 2) / STRIDE)
        spread = max(_SPREAD * max(width, height) / STRIDE, _LEAST_SPREAD)
        if longer < least or longer > most or not sure:
            if longer <= _BEYOND * most:
                reach = max(width, height) / STRIDE / 3
                _bump(targets[..., WEIGHT], centre, max(reach, 1.0), erase=True)
            if sure and TINY_PX <= longer < least and label < len(DIGITS):
                _bump(targets[..., N_CLASSES], centre, 1.0)
            continue
        _bump(targets[..., label], centre, spread)
        column, row = int(centre[0]), int(centre[1])
        if 0 <= column < side and 0 <= row < side:
            targets[row, column, label] = 1
            targets[row, column, CENTRE] = 1
            targets[row, column, BOX] = (
                centre[0] - column - 0.5,
                centre[1] - row - 0.5,
                np.log(max(width, 1)),
                np.log(max(height, 1)),
            )
    return targets.astype(np.float16)


def _bump(
    channel: NDArray[np.float32], centre: tuple[float, float], spread: float, *, erase: bool = False
) -> None:
    """Raises a channel to a Gaussian around a cell; or sets it to 0 within the spread."""
    side = channel.shape[0]
    column, row = int(centre[0]), int(centre[1])
    reach = int(np.ceil(3 * spread)) if not erase else int(np.ceil(spread))
    top, bottom = max(row - reach, 0), min(row + reach + 1, side)
    left, right = max(column - reach, 0), min(column + reach + 1, side)
    if top >= bottom or left >= right:
        return
    rows, columns = np.mgrid[top:bottom, left:right]
    distance = (columns - column) ** 2 + (rows - row) ** 2
    window = channel[top:bottom, left:right]
    if erase:
        window[distance <= spread**2] = 0
    else:
        bump = np.exp(-distance / (2 * spread**2)).astype(np.float32)
        np.maximum(window, bump, out=window)


def compute_detector_loss(targets: Any, outputs: Any) -> Any:
    """How wrong the detector is.

    The focal loss of centres (Lin et al., 2017; Zhou et al., 2019), and the absolute error of boxes
    at the true centres, both divided by the number of marks.

    Args:
        targets: As `build_targets` gives them, shape (n, side / 4, side / 4, 23).
        outputs: Of the detector.
    """
    ops = load_keras().ops
    targets = ops.cast(targets, "float32")
    logits = outputs[..., :N_HEATMAPS]
    bumps = targets[..., :N_HEATMAPS]
    is_centre = ops.cast(bumps >= 0.999, "float32")
    shares = ops.sigmoid(logits)
    # log σ(z) = -softplus(-z), log(1 - σ(z)) = -softplus(z): finite for every logit.
    found = ops.square(1 - shares) * ops.softplus(-logits) * is_centre
    invented = (
        ops.power(1 - bumps, 4.0)
        * ops.square(shares)
        * ops.softplus(logits)
        * (1 - is_centre)
        * targets[..., WEIGHT : WEIGHT + 1]
    )
    centres = targets[..., CENTRE : CENTRE + 1]
    distance = ops.abs(outputs[..., N_HEATMAPS:] - targets[..., BOX]) * centres
    n_marks = ops.maximum(ops.sum(centres), 1.0)
    return (ops.sum(found) + ops.sum(invented) + 0.5 * ops.sum(distance)) / n_marks


def cut_windows(
    page: DrawnPage,
    random: np.random.Generator,
    found: Detections | None = None,
    n_none: float = 0.35,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Windows of a page as the judge sees them, a little off as detected boxes are.

    Args:
        page: Of which each sure mark gives a window.
        random: Moves the windows, and chooses those that hold no mark.
        found: What a detector found on the page, whose boxes give windows too, those that are
            wrong among them.
        n_none: Windows without one mark, for each that has one: parts of marks, several at once,
            and what lies anywhere; a page without marks gives two.

    Returns:
        float32, shape (n, 48, 48), standardised; int64, shape (n,), classes, 16 for none.
    """
    boxes, labels = [], []
    for box, label, height_px, sure in zip(
        page.boxes, page.labels.tolist(), page.heights.tolist(), page.sure.tolist(), strict=True
    ):
        longer = max(box[2], box[3])
        if not sure or height_px < _LEAST_PX or (label < len(DIGITS) and longer < _LEAST_PX):
            continue
        boxes.append(_move(box, random))
        labels.append(label)
    for _ in range(random.poisson(n_none * len(boxes)) if len(page.boxes) else 2):
        wrong = _misplace(page, random)
        if wrong is not None:
            boxes.append(wrong)
            labels.append(NO_MARK)
    classes = np.array(labels, np.int64)
    # A wrong window was cut for whatever the detector took it for.
    guessed = np.where(classes == NO_MARK, random.integers(0, N_CLASSES, len(classes)), classes)
    guessed = np.where(random.random(len(classes)) < _WELL_TAKEN, guessed, random.integers(0, 10))
    places = np.array(boxes, np.float32).reshape(-1, 4)
    if found is not None:
        truth, asked = label_found(page, found)
        places = np.concatenate([places, found.boxes[asked]])
        guessed = np.concatenate([guessed, found.classes[asked]])
        classes = np.concatenate([classes, truth[asked]])
    return crop_windows(page.picture, places, guessed), classes


def label_found(page: DrawnPage, found: Detections) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """What the boxes that a detector found on a page hold.

    Returns:
        int64, shape (n,), the true class of each box, 16 for none; and bool, shape (n,), False
        where nobody can say, as the box is a little off, or lies on a mark that is not sure.
    """
    classes = np.full(len(found), NO_MARK, np.int64)
    asked = np.ones(len(found), np.bool_)
    if not len(page.boxes) or not len(found):
        return classes, asked
    overlaps = compute_overlaps(found.boxes, page.boxes)
    best = overlaps.argmax(axis=1)
    most = overlaps[np.arange(len(found)), best]
    legible = page.sure & (page.heights >= _LEAST_PX)
    hit = most >= _SAME
    is_found = np.zeros(len(page.boxes), np.bool_)
    is_found[best[hit]] = True
    classes[hit] = page.labels[best[hit]]
    asked &= (hit & legible[best]) | (most < _OTHER) | (~hit & is_found[best])
    asked &= ~(overlaps[:, ~legible] > 0).any(axis=1) | hit
    return classes, asked


def compute_overlaps(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of boxes (x, y, width, height), float32 of shape (n, m)."""
    first = np.maximum(one[:, np.newaxis, :2], other[np.newaxis, :, :2])
    last = np.minimum(
        (one[:, :2] + one[:, 2:])[:, np.newaxis], (other[:, :2] + other[:, 2:])[np.newaxis]
    )
    common = np.maximum(last - first, 0).prod(axis=2)
    areas = one[:, 2:].prod(axis=1)[:, np.newaxis] + other[:, 2:].prod(axis=1)[np.newaxis]
    overlaps: NDArray[np.float32] = (common / np.maximum(areas - common, 1e-6)).astype(np.float32)
    return overlaps


def _move(box: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    shift, zoom = _JITTER
    longer = max(float(box[2]), float(box[3]))
    size = box[2:] * np.exp(random.normal(0, zoom, 2))
    middle = box[:2] + box[2:] / 2 + random.normal(0, shift, 2) * longer
    moved: NDArray[np.float32] = np.concatenate([middle - size / 2, size]).astype(np.float32)
    return moved


def _misplace(page: DrawnPage, random: np.random.Generator) -> NDArray[np.float32] | None:
    """A box that holds no single mark, or None where chance did not find one."""
    digits = np.flatnonzero(page.labels < len(DIGITS))
    kind = random.random()
    if digits.size and kind < 0.7:
        x, y, width, height = page.boxes[digits[random.integers(len(digits))]].tolist()
        longer = max(width, height)
        if kind < 0.3:  # a part: a loop, a stroke's end
            size = longer * random.uniform(0.25, 0.55)
            middle = (x + random.uniform(0, 1) * width, y + random.choice([0.2, 0.8]) * height)
        elif kind < 0.5:  # between two
            size = longer * random.uniform(0.5, 1.1)
            middle = (x + width * random.choice([-0.1, 1.1]), y + random.uniform(0.3, 0.7) * height)
        else:  # several at once
            size = longer * random.uniform(1.8, 3)
            middle = (x + width / 2 + random.uniform(-0.5, 0.5) * size, y + height / 2)
        box = np.array([middle[0] - size / 2, middle[1] - size / 2, size, size], np.float32)
    else:
        size = float(np.exp(random.uniform(np.log(10), np.log(120))))
        height, width = page.picture.shape
        corner = random.uniform(-size / 2, (width - size / 2, height - size / 2))
        box = np.array([*corner, size, size], np.float32)
        box[2] *= random.uniform(0.3, 1)
    return None if _holds_mark(box, page.boxes) else box


def _holds_mark(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> bool:
    """Whether a mark of like size lies about where the box is, so that it would be its box."""
    if not len(boxes):
        return False
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    offsets = np.abs(middles - (box[:2] + box[2:] / 2)).max(axis=1)
    longer, sizes = float(max(box[2:])), boxes[:, 2:].max(axis=1)
    alike = (sizes > 0.6 * longer) & (sizes < 1.6 * longer)
    return bool((alike & (offsets < 0.35 * np.maximum(sizes, longer))).any())
