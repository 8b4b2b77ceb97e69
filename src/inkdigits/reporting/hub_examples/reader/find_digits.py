"""Finds the digits and signs of a picture, with `python examples/find_digits.py PICTURE`.

Needs onnxruntime and pillow.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

folder = Path(__file__).resolve().parents[1]
card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
session = onnxruntime.InferenceSession(folder / "model.onnx")

picture = np.asarray(Image.open(sys.argv[1]).convert("L"))  # uint8, (height, width), 0 is black
boxes, classes, scores = session.run(["boxes", "classes", "scores"], {"picture": picture})

for index in np.argsort(boxes[:, 0]):  # from left to right
    if scores[index] >= card["threshold"]:
        left, top, width, height = (round(float(value)) for value in boxes[index])
        name = card["classes"][classes[index]]
        print(f"{name} {scores[index]:.2f} at {left},{top} of {width} x {height} pixels")
