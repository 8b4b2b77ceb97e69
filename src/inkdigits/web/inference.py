"""Open Inference Protocol, version 2, over HTTP: tiles in, probabilities out.

Supports the binary tensor extension, in which each tile is 784 bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from inkdigits.errors import RequestError
from inkdigits.recognition.card import TILE_SHAPE
from inkdigits.web.bodies import check_counts, parse_length

INPUT: Final = "tiles"
OUTPUT: Final = "probabilities"
HEADER_LENGTH: Final = "Inference-Header-Content-Length"
_MAX_DIMENSION: Final = 2**31
_MAX_LISTS: Final = 32
"""Lists per tile in JSON: one per row, one for the tile, and a few for the request."""
_MAX_NAMES: Final = 200
"""Objects and quotes in a request; one with every optional field has about forty."""


@dataclass(frozen=True, eq=False)
class InferRequest:
    """A parsed inference request.

    Attributes:
        tiles: uint8, shape (n, 28, 28), 0 background, 255 full ink.
        id: Id that the response repeats; None if the request has none.
        is_binary: Whether to send the probabilities in binary form.
    """

    tiles: NDArray[np.uint8]
    id: str | None = None
    is_binary: bool = False


def describe_model(name: str, n_classes: int = 10) -> dict[str, Any]:
    """Returns the metadata of a model with so many classes."""
    return {
        "name": name,
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, *TILE_SHAPE]}],
        "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, n_classes]}],
    }


def parse_infer_request(body: bytes, header_length: str | None, max_tiles: int) -> InferRequest:
    """Parses a request.

    Args:
        body: JSON, followed by binary tensors if `header_length` is given.
        header_length: Value of the header `Inference-Header-Content-Length`, the length of the JSON
            part in bytes; None if it is missing.
        max_tiles: Largest number of tiles.

    Raises:
        RequestError: The request is invalid (400), or has too many tiles (413).
    """
    n_json = parse_length(HEADER_LENGTH, header_length)
    if n_json is None:
        n_json = len(body)
    elif n_json > len(body):
        raise RequestError(400, f"{HEADER_LENGTH} is larger than the body")
    text = body[:n_json]
    # Each list and string becomes a Python object; a million of them would block the event loop.
    check_counts(text, {b"[": _MAX_LISTS * max_tiles, b"{": _MAX_NAMES, b'"': _MAX_NAMES})
    try:
        request = orjson.loads(text)
    except ValueError:
        raise RequestError(400, "The request is not valid JSON") from None
    if not isinstance(request, dict):
        raise RequestError(400, "The request is not a JSON object")
    name = request.get("id")
    if not (name is None or isinstance(name, str)):
        raise RequestError(400, "id: expected a string")
    inputs = request.get("inputs")
    if not (isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], dict)):
        raise RequestError(400, f"inputs: expected one tensor, {INPUT!r}")
    tiles = _parse_tiles(inputs[0], body[n_json:], max_tiles)
    return InferRequest(tiles, name, _wants_binary(request))


def encode_infer_response(
    model: str, request: InferRequest, probabilities: NDArray[np.float32]
) -> tuple[bytes, dict[str, str]]:
    """Returns the body of a response and its headers.

    Args:
        model: The name of the model.
        request: The request.
        probabilities: float32, shape (n, classes), 0 to 1.
    """
    output: dict[str, Any] = {
        "name": OUTPUT,
        "datatype": "FP32",
        "shape": list(probabilities.shape),
    }
    binary = b""
    if request.is_binary:
        binary = probabilities.astype("<f4", copy=False).tobytes()
        output["parameters"] = {"binary_data_size": len(binary)}
    else:
        output["data"] = probabilities.ravel()
    response: dict[str, Any] = {"model_name": model, "model_version": "1", "outputs": [output]}
    if request.id is not None:
        response["id"] = request.id
    header = orjson.dumps(response, option=orjson.OPT_SERIALIZE_NUMPY)
    if not request.is_binary:
        return header, {"Content-Type": "application/json"}
    return header + binary, {
        "Content-Type": "application/octet-stream",
        HEADER_LENGTH: str(len(header)),
    }


def _parse_tiles(tensor: dict[str, Any], binary: bytes, max_tiles: int) -> NDArray[np.uint8]:
    if tensor.get("name") != INPUT:
        raise RequestError(400, f"inputs: expected the tensor {INPUT!r}")
    if tensor.get("datatype") != "UINT8":
        raise RequestError(400, f"{INPUT}: expected the datatype UINT8")
    shape = tensor.get("shape")
    if not (
        isinstance(shape, list)
        and len(shape) == 3
        and all(type(size) is int and 0 < size < _MAX_DIMENSION for size in shape)
        and tuple(shape[1:]) == TILE_SHAPE
    ):
        raise RequestError(400, f"{INPUT}: expected the shape [n, 28, 28] with n of 1 or more")
    if shape[0] > max_tiles:
        raise RequestError(413, f"{INPUT}: {shape[0]} tiles: expected at most {max_tiles}")
    n_values = math.prod(shape)
    if "data" in tensor:
        return _parse_values(tensor["data"], tuple(shape)).reshape(shape)
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if type(size) is not int or size != n_values or size != len(binary):
        raise RequestError(
            400, f"{INPUT}: expected {n_values} values in data, or as many bytes after the JSON"
        )
    return np.frombuffer(binary, np.uint8).reshape(shape)


def _parse_values(data: object, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Parses values in a flat list, or in lists nested according to the shape.

    Raises:
        RequestError: The data is anything else: status 400.
    """
    n_values = math.prod(shape)
    values: list[Any] = data if isinstance(data, list) else []
    for _ in shape[1:]:
        if not (values and all(isinstance(row, list) for row in values)):
            break
        lengths = set(map(len, values))
        if len(lengths) > 1 or len(values) * lengths.pop() > n_values:
            values = []
        values = list(chain.from_iterable(values))
    try:
        if len(values) == n_values:
            # `bytes` accepts only integers from 0 to 255.
            return np.frombuffer(bytes(values), np.uint8)
    except (TypeError, ValueError):
        pass
    raise RequestError(
        400, f"{INPUT}: expected {n_values} integers from 0 to 255 in data, flat or nested"
    )


def _wants_binary(request: dict[str, Any]) -> bool:
    """Returns whether the request asks, in either of two places, for binary output.

    Raises:
        RequestError: The request asks for an unknown output: status 400.
    """
    parameters = request.get("parameters")
    wanted = isinstance(parameters, dict) and parameters.get("binary_data_output") is True
    outputs = request.get("outputs")
    if outputs is None:
        return wanted
    if not (isinstance(outputs, list) and all(isinstance(output, dict) for output in outputs)):
        raise RequestError(400, "outputs: expected a list of objects")
    for output in outputs:
        if output.get("name") != OUTPUT:
            raise RequestError(400, f"outputs: expected {OUTPUT!r}")
        own = output.get("parameters")
        if isinstance(own, dict) and isinstance(own.get("binary_data"), bool):
            wanted = own["binary_data"]
    return wanted
