"""The same model served by LitServe, which batches tiles: a peer in `load.py`.

It has one worker for each of two cores. A batch has up to 64 tiles that arrived within 2 ms.
"""

import sys
from typing import Annotated, Any

import litserve
import numpy as np
from fastapi import Body
from numpy.typing import NDArray

from inkdigits.recognition import Recognizer


class Tiles(litserve.LitAPI):
    """Classifies tiles."""

    def setup(self, device: str) -> None:
        """Loads the model, once for each worker."""
        self.recognizer = Recognizer.load()

    def decode_request(self, request: dict[str, Any]) -> NDArray[np.uint8]:
        """Decodes one tile."""
        return np.array(request["tile"], np.uint8).reshape(28, 28)

    def batch(self, inputs: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Stacks several tiles."""
        return np.stack(inputs)

    def predict(self, x: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns the ten probabilities of each tile."""
        return self.recognizer.classify(x)

    def unbatch(self, output: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Splits the probabilities by tile."""
        return list(output)

    def encode_response(self, output: NDArray[np.float32]) -> dict[str, Any]:
        """Returns the answer for one tile."""
        return {"text": str(output.argmax()), "probabilities": output.tolist()}


class Photographs(litserve.LitAPI):
    """Reads pictures."""

    def setup(self, device: str) -> None:
        """Loads the model, once for each worker."""
        self.recognizer = Recognizer.load()

    def decode_request(self, request: Annotated[bytes, Body(media_type="image/jpeg")]) -> bytes:
        """Returns the file, which is the body of the request."""
        return request

    def predict(self, x: bytes) -> dict[str, Any]:
        """Reads the picture."""
        return self.recognizer.read(x).to_json()


if __name__ == "__main__":
    tiles = Tiles(max_batch_size=64, batch_timeout=0.002, api_path="/tile")
    server = litserve.LitServer(
        [tiles, Photographs(api_path="/photograph")], accelerator="cpu", workers_per_device=2
    )
    server.run(port=int(sys.argv[1]), log_level="error", generate_client_file=False)
