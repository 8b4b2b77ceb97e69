"""Classifies a digit, light on black, with `python examples/classify_tile.py PICTURE`.

Needs onnxruntime and pillow.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

folder = Path(__file__).resolve().parents[1]
session = onnxruntime.InferenceSession(folder / "model.onnx")

tile = np.asarray(Image.open(sys.argv[1]).convert("L").resize((28, 28)))  # uint8, 0 is background
(probabilities,) = session.run(None, {session.get_inputs()[0].name: tile[np.newaxis]})

for label in np.argsort(-probabilities[0])[:3]:  # label 10: not a digit
    print(f"{label} {probabilities[0, label]:.2f}")
