"""/v1/inside: what each layer of the network for tiles computes."""

from __future__ import annotations

import base64
import functools
from typing import Annotated, Any, Final

import numpy as np
import orjson
from fastapi import APIRouter, Path, Request
from numpy.typing import NDArray
from pydantic import ValidationError
from starlette.responses import Response

from inkdigits.errors import RequestError, UsageError
from inkdigits.recognition.calibration import calibrate
from inkdigits.recognition.crops import cut_only_mark
from inkdigits.recognition.inside import Activation
from inkdigits.web import schemas
from inkdigits.web.bodies import JSON_TYPE, check_counts, list_uploads
from inkdigits.web.responses import describe_invalid, json_response
from inkdigits.web.service import Service, get_service

router = APIRouter()
_MAX_COUNTS: Final = {b"[": 29, b"{": 1, b'"': 2, b",": 1024}
"""Largest count of each character: one object with a tile of 28 lists of 28."""
_DECIMALS: Final = 5
_PICTURE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}


@router.post(
    "/v1/inside",
    response_model=schemas.Inside,
    responses=schemas.describe_errors(400, 401, 404, 408, 413, 415, 422, 429, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "image/*": {"schema": _PICTURE},
                JSON_TYPE: {"schema": schemas.refer_to_body(schemas.InsideTile)},
            },
        }
    },
)
async def look_inside(request: Request) -> Response:
    """Runs the network for tiles on one digit, and returns the feature maps of every layer.

    The body is a tile in JSON, or a picture of one digit alone on plain ground, whose ink is framed
    as a tile without a search for digits.
    """
    service = get_service(request)
    content_type = request.headers.get("content-type")
    async with service.bodies.receive(request) as body:
        with service.admit(request):
            (answer,) = await service.run(
                request, functools.partial(_look_inside, service, body, content_type)
            )
            return json_response(answer)


@router.get(
    "/v1/inside/{layer}/{number}",
    response_model=schemas.FilterRow,
    responses=schemas.describe_errors(401, 404, 422, 429, 503),
)
async def get_filter(
    request: Request,
    layer: Annotated[int, Path(ge=0, description="Index of the layer")],
    number: Annotated[int, Path(ge=0, description="Index of its map")],
) -> Response:
    """Returns the filter of one map."""
    service = get_service(request)
    with service.admit(request):
        (answer,) = await service.run(
            request, functools.partial(_get_filter, service, layer, number)
        )
        return json_response(answer)


def _look_inside(service: Service, body: bytes, content_type: str | None) -> dict[str, Any]:
    tile = _get_tile(service, body, content_type)
    outputs, activations = service.inside.compute(tile)
    card = service.recognizer.card
    return {
        "model": service.model_name,
        "tile": tile,
        "labels": [card.name_label(label) for label in card.labels],
        "probabilities": calibrate(outputs[np.newaxis], card.temperature)[0],
        "layers": [_describe(activation) for activation in activations],
    }


def _get_tile(service: Service, body: bytes, content_type: str | None) -> NDArray[np.uint8]:
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == JSON_TYPE:
        check_counts(body, _MAX_COUNTS)
        try:
            return np.array(schemas.InsideTile.model_validate(orjson.loads(body)).tile, np.uint8)
        except ValidationError as error:
            raise RequestError(422, describe_invalid(error)) from None
        except ValueError:
            raise RequestError(400, "The request is not valid JSON") from None
    if kind.startswith("multipart/"):
        raise RequestError(415, "Unsupported Content-Type: expected image/* or application/json")
    (upload,) = list_uploads(body, content_type, 1)
    return cut_only_mark(service.decode(upload.content, upload.name).pixels)


def _describe(activation: Activation) -> dict[str, Any]:
    layer, maps = activation.layer, activation.maps
    low, high = min(float(maps.min()), 0.0), max(float(maps.max()), 0.0)
    rows, columns = activation.peaks.T
    answers = maps[np.arange(len(maps)), rows, columns]
    levels = np.rint((maps - low) * (255 / ((high - low) or 1))).astype(np.uint8)
    return {
        "name": layer.name,
        "kind": layer.kind,
        "activation": layer.activation,
        "window": layer.window,
        "strides": layer.strides,
        "pooled": layer.pooled,
        "before": layer.before,
        "shape": maps.shape,
        "low": low,
        "high": high,
        "maps": _encode(levels),
        "strongest": activation.strongest,
        "peaks": activation.peaks,
        "answers": answers.round(_DECIMALS),
        "changes": activation.changes.round(_DECIMALS),
        "patches": activation.patches,
    }


def _get_filter(service: Service, layer: int, number: int) -> dict[str, Any]:
    try:
        kernels = service.inside.get_filter(layer, number)
    except UsageError as error:
        raise RequestError(404, _capitalise(str(error))) from None
    if kernels is None:
        raise RequestError(404, "This map has no filter that can be shown")
    high = float(np.abs(kernels).max())
    levels = np.rint(kernels * (127 / (high or 1)) + 128).astype(np.uint8)
    return {"shape": kernels.shape, "high": high, "kernels": _encode(levels)}


def _encode(levels: NDArray[np.uint8]) -> str:
    return base64.b64encode(np.ascontiguousarray(levels).tobytes()).decode()


def _capitalise(text: str) -> str:
    return text[0].upper() + text[1:]
