"""A simple FastAPI service of the same model, without batches: a peer in `load.py`."""

import sys
from typing import Annotated, Any

import numpy as np
import uvicorn
from fastapi import Body, FastAPI

from inkdigits.recognition import Recognizer

app = FastAPI()
recognizer = Recognizer.load()


@app.post("/tile")
def classify(content: dict[str, list[int]]) -> dict[str, Any]:
    """Classifies one tile; FastAPI runs this in a thread."""
    tile = np.array(content["tile"], np.uint8).reshape(1, 28, 28)
    (probabilities,) = recognizer.classify(tile)
    return {"text": str(probabilities.argmax()), "probabilities": probabilities.tolist()}


@app.post("/photograph")
def read(picture: Annotated[bytes, Body(media_type="image/jpeg")]) -> dict[str, Any]:
    """Reads one picture, which is the body of the request."""
    return recognizer.read(picture).to_json()


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
