"""A service as one writes it with FastAPI, without batches: what `load.py` compares ours with."""

import sys
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, UploadFile

from inkdigits.recognition import Recognizer

app = FastAPI()
recognizer = Recognizer.load()


@app.post("/tile")
def classify(content: dict[str, list[int]]) -> dict[str, Any]:
    """Judges one tile; FastAPI runs it in a thread."""
    tile = np.array(content["tile"], np.uint8).reshape(1, 28, 28)
    (probabilities,) = recognizer.classify(tile)
    return {"text": str(probabilities.argmax()), "probabilities": probabilities.tolist()}


@app.post("/photograph")
def read(file: UploadFile) -> dict[str, Any]:
    """Reads one picture."""
    return recognizer.read(file.file.read()).to_json()


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
