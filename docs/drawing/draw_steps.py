"""Draws the steps from a picture to its reading, one row for each sample picture.

python docs/drawing/draw_steps.py
python docs/drawing/draw_steps.py samples/7-canvas.png --output steps.png
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
from model_stamp import save_picture
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image, ImageDraw, ImageFont, ImageOps

from inkdigits.pictures.decoding import decode_picture
from inkdigits.recognition import DEFAULT_MODEL, Recognizer
from inkdigits.recognition.detection import Detections
from inkdigits.recognition.windows import WINDOW_SIDE, crop_windows, locate_windows
from inkdigits.results.alphabet import CLASS_NAMES
from inkdigits.results.drawing import draw_boxes
from inkdigits.training.model_files.reader_levels import FIRST_CLASS, SCORE

SAMPLES = Path(__file__).parents[2] / "samples"
PICTURES = ("5-photo-in-shadow.jpg", "4-thick-marker.png", "1984-on-ruled-paper.jpg")
"""The sample pictures of the figure in the docs."""
CELL = (430, 300)
"""Width and height of a cell in pixels. A cell shows one step of one picture."""
SHOWN = (410, 250)
"""Maximum width and height in pixels of the picture in a cell."""
TITLES = (
    "1  decoded, upright, grey",
    "2  found, a colour for each scale",
    "3  the best, as the judge sees them",
    "4  reading",
)
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours of the scales from coarse to fine, the second pass last; Okabe and Ito (2008)."""

MIN_SCORE = 0.3
"""Boxes with a lower score are not drawn, because there are a dozen of them around each mark."""


@dataclass(frozen=True)
class Candidates:
    """The boxes of the detector at all scales, before non-maximum suppression.

    Attributes:
        boxes: float32, shape (n, 4): top, left, bottom, right in pixels of the picture. The samples
            are small enough that the reader does not shrink them.
        scores: float32, shape (n,): confidence scores.
        classes: int64, shape (n,): class with the highest detector score.
        scales: int64, shape (n,): scale of each box, 0 for the coarsest.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    scales: NDArray[np.int64]


def open_scales(model: Path) -> onnxruntime.InferenceSession:
    """Opens a session of the reader with additional outputs: the boxes of all scales."""
    reader = onnx.load(model)
    graph = reader.graph
    (loop,) = (node for node in graph.node if node.op_type == "Loop")
    (body,) = (attribute.g for attribute in loop.attribute if attribute.name == "body")
    # The loop carries all boxes so far. Their number after each scale tells the scale of a box.
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
    """Returns the detections of the reader, and the candidates from which it chose them."""
    names = [output.name for output in session.get_outputs()]
    found: dict[str, Any] = dict(zip(names, session.run(None, {"picture": pixels}), strict=True))
    detections = Detections(*(found[n] for n in ("boxes", "classes", "scores", "probabilities")))
    rows = found[names[-2]]
    ends = found["shapes"][:, 0]
    scales = np.searchsorted(ends, np.arange(len(rows)), side="right")
    classes = rows[:, FIRST_CLASS:].argmax(axis=1)
    return detections, Candidates(rows[:, :SCORE], rows[:, SCORE], classes, scales)


def draw_candidates(pixels: NDArray[np.uint8], candidates: Candidates) -> Image.Image:
    """Draws the candidates of each scale on the picture, scaled to a cell."""
    picture = ImageOps.contain(Image.fromarray(pixels).convert("RGB"), SHOWN)
    scale = picture.width / pixels.shape[1]
    draw = ImageDraw.Draw(picture)
    for index in np.argsort(candidates.scores):
        if candidates.scores[index] >= MIN_SCORE:
            top, left, bottom, right = (candidates.boxes[index] * scale).tolist()
            colour = COLOURS[int(candidates.scales[index])]
            draw.rectangle((left, top, right, bottom), outline=colour, width=3)
    return picture


def draw_windows(
    pixels: NDArray[np.uint8], detections: Detections, candidates: Candidates
) -> Image.Image:
    """Draws the windows of the detections from left to right, with the class from the judge."""
    boxes = detections.boxes
    corners = np.concatenate([boxes[:, 1::-1], boxes[:, 1::-1] + boxes[:, :1:-1]], axis=1)
    distances = np.abs(corners[:, np.newaxis] - candidates.boxes).max(axis=2)
    # The first row is not a box; the graph has it so that the array is never empty.
    distances[:, candidates.scores < 0] = np.inf
    guessed = candidates.classes[distances.argmin(axis=1)]
    order = boxes[:, 0].argsort()
    windows = crop_windows(pixels, locate_windows(boxes, guessed))[order]
    side, gap = 2 * WINDOW_SIDE, 6
    n_columns = max(min(len(windows), 4), 1)
    n_rows = max(-(-len(windows) // n_columns), 1)
    sheet = Image.new("RGB", (n_columns * (side + gap), n_rows * (side + 24)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for number, (window, index) in enumerate(zip(windows, order.tolist(), strict=True)):
        # Windows are standardised; most pixels are within three standard deviations.
        grey = np.clip(128 + 42 * window, 0, 255).astype(np.uint8)
        grey = cv2.resize(grey, (side, side), interpolation=cv2.INTER_NEAREST)
        x, y = number % n_columns * (side + gap), number // n_columns * (side + 24)
        sheet.paste(Image.fromarray(grey), (x, y))
        name = CLASS_NAMES[detections.classes[index]]
        score = min(float(detections.scores[index]), 0.99)  # no score is certain
        draw.text((x, y + side + 1), f"{name} {score:.0%}", "black", font)
    return sheet


def draw_steps(paths: list[Path], model: Path) -> Image.Image:
    """Draws a row of four steps for each picture."""
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
        # `shown` is the picture of the last step; the text is below it.
        draw.text((column * CELL[0] + 10, row * CELL[1] + 50 + shown.height), text, "black", font)
    return sheet


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "pictures", nargs="*", type=Path, default=[SAMPLES / name for name in PICTURES]
    )
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="model of a reader")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parents[1] / "images" / "steps.png"
    )
    options = parser.parse_args()
    save_picture(draw_steps(options.pictures, options.model), options.output)
    print(options.output)
