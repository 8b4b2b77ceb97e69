"""Draws how a picture becomes a reading, one row for each sample picture.

python docs/draw_steps.py samples/5-photo-in-shadow.jpg samples/1984-on-ruled-paper.jpg
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image, ImageDraw, ImageFont, ImageOps

from inkdigits.recognition import DEFAULT_MODEL, Recognizer
from inkdigits.recognition.alphabet import CLASS_NAMES
from inkdigits.recognition.decoding import decode_picture
from inkdigits.recognition.detection import Detections
from inkdigits.recognition.drawing import draw_boxes
from inkdigits.recognition.windows import WINDOW_SIDE, crop_windows
from inkdigits.training.reader_graph_levels import FIRST_CLASS, SCORE

CELL = (430, 300)
"""Width and height in pixels of one step of one picture, of which the picture has `SHOWN`."""
SHOWN = (410, 250)
TITLES = (
    "1  decoded, upright, grey",
    "2  found, a colour for each scale",
    "3  the best, as the judge sees them",
    "4  reading",
)
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""For scales from coarse to fine, the second look last; Okabe and Ito (2008)."""

LEAST_SCORE = 0.3
"""Boxes of lower score are not drawn: a dozen of them lie around each mark."""


@dataclass(frozen=True)
class Candidates:
    """What the detector found at all scales, before the best are chosen.

    Attributes:
        boxes: float32, shape (n, 4): top, left, bottom, right in pixels of the picture, which no
            sample is large enough to be shrunk before.
        scores: float32, shape (n,), by which they compete.
        classes: int64, shape (n,): what the detector takes them for.
        scales: int64, shape (n,): at which scale each was found, 0 the coarsest.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    scales: NDArray[np.int64]


def open_scales(model: Path) -> onnxruntime.InferenceSession:
    """A session of the reader that also gives what its loop over the scales found."""
    reader = onnx.load(model)
    graph = reader.graph
    (loop,) = (node for node in graph.node if node.op_type == "Loop")
    (body,) = (attribute.g for attribute in loop.attribute if attribute.name == "body")
    # The boxes so far, which the loop carries on, tell by their number which scale is whose.
    body.node.append(helper.make_node("Shape", [body.output[1].name], ["shape_so_far"]))
    body.output.append(helper.make_tensor_value_info("shape_so_far", TensorProto.INT64, [2]))
    loop.output.append("shapes")
    graph.output.append(helper.make_tensor_value_info(loop.output[0], TensorProto.FLOAT, None))
    graph.output.append(helper.make_tensor_value_info("shapes", TensorProto.INT64, None))
    return onnxruntime.InferenceSession(
        reader.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def find_candidates(
    session: onnxruntime.InferenceSession, pixels: NDArray[np.uint8]
) -> tuple[Detections, Candidates]:
    """What the reader makes of a picture, and what it chose from."""
    names = [output.name for output in session.get_outputs()]
    found: dict[str, Any] = dict(zip(names, session.run(None, {"picture": pixels}), strict=True))
    detections = Detections(*(found[n] for n in ("boxes", "classes", "scores", "probabilities")))
    rows = found[names[-2]]
    ends = found["shapes"][:, 0]
    scales = np.searchsorted(ends, np.arange(len(rows)), side="right")
    classes = rows[:, FIRST_CLASS:].argmax(axis=1)
    return detections, Candidates(rows[:, :SCORE], rows[:, SCORE], classes, scales)


def draw_candidates(pixels: NDArray[np.uint8], candidates: Candidates) -> Image.Image:
    """The picture, enlarged to a cell, with what was found at each scale."""
    picture = ImageOps.contain(Image.fromarray(pixels).convert("RGB"), SHOWN)
    scale = picture.width / pixels.shape[1]
    draw = ImageDraw.Draw(picture)
    for index in np.argsort(candidates.scores):
        if candidates.scores[index] >= LEAST_SCORE:
            top, left, bottom, right = (candidates.boxes[index] * scale).tolist()
            colour = COLOURS[int(candidates.scales[index])]
            draw.rectangle((left, top, right, bottom), outline=colour, width=3)
    return picture


def draw_windows(
    pixels: NDArray[np.uint8], detections: Detections, candidates: Candidates
) -> Image.Image:
    """The windows of the boxes that were kept, from the left, with what the judge says."""
    boxes = detections.boxes
    corners = np.concatenate([boxes[:, 1::-1], boxes[:, 1::-1] + boxes[:, :1:-1]], axis=1)
    distances = np.abs(corners[:, np.newaxis] - candidates.boxes).max(axis=2)
    # The first row holds no box, but keeps the graph from having none at all.
    distances[:, candidates.scores < 0] = np.inf
    guessed = candidates.classes[distances.argmin(axis=1)]
    order = boxes[:, 0].argsort()
    windows = crop_windows(pixels, boxes, guessed)[order]
    side, gap = 2 * WINDOW_SIDE, 6
    n_columns = max(min(len(windows), 4), 1)
    n_rows = max(-(-len(windows) // n_columns), 1)
    sheet = Image.new("RGB", (n_columns * (side + gap), n_rows * (side + 24)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for number, (window, index) in enumerate(zip(windows, order.tolist(), strict=True)):
        # Standardised: of most windows all but a few pixels lie within three deviations.
        grey = np.clip(128 + 42 * window, 0, 255).astype(np.uint8)
        grey = cv2.resize(grey, (side, side), interpolation=cv2.INTER_NEAREST)
        x, y = number % n_columns * (side + gap), number // n_columns * (side + 24)
        sheet.paste(Image.fromarray(grey), (x, y))
        name = CLASS_NAMES[detections.classes[index]]
        draw.text((x, y + side + 1), f"{name} {detections.scores[index]:.0%}", "black", font)
    return sheet


def draw_steps(paths: list[Path], model: Path) -> Image.Image:
    """A row of four steps for each picture."""
    recognizer = Recognizer.load(model)
    session = open_scales(model)
    sheet = Image.new("RGB", (len(TITLES) * CELL[0], len(paths) * CELL[1] + 40), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(22)
    for column, title in enumerate(TITLES):
        draw.text((column * CELL[0] + 10, 6), title, "black", font)
    for row, path in enumerate(paths):
        pixels = decode_picture(path).pixels
        reading = recognizer.read(path)
        detections, candidates = find_candidates(session, pixels)
        steps = (
            Image.fromarray(pixels),
            draw_candidates(pixels, candidates),
            draw_windows(pixels, detections, candidates),
            draw_boxes(pixels, reading),
        )
        for column, step in enumerate(steps):
            shown = ImageOps.contain(step.convert("RGB"), SHOWN)
            sheet.paste(shown, (column * CELL[0] + 10, row * CELL[1] + 45))
        text = reading.text.replace("\n", " / ") or f"no digit: {reading.reason}"
        # The last step's picture is the last that was pasted: the text stands below it.
        draw.text((column * CELL[0] + 10, row * CELL[1] + 50 + shown.height), text, "black", font)
    return sheet


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="of a reader")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).with_name("images") / "steps.png"
    )
    options = parser.parse_args()
    draw_steps(options.pictures, options.model).save(options.output, optimize=True)
