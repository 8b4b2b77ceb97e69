"""/v1/corrections: saves, lists and deletes corrections of readings."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from typing import Final

import numpy as np
import orjson
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from pydantic import ValidationError
from starlette.responses import Response

from inkdigits.errors import RequestError
from inkdigits.web import schemas
from inkdigits.web.bodies import check_counts
from inkdigits.web.corrections import CorrectionStore
from inkdigits.web.responses import describe_invalid, json_response
from inkdigits.web.service import Service, get_service

router = APIRouter()
MAX_BYTES: Final = 8_000_000
"""Largest body of a correction: the page sends the crop of one mark, in base64."""
_MAX_COUNTS: Final = {b"[": 64, b"{": 8, b'"': 64, b",": 1024}
"""Largest count of each character: a correction is one object with a tile of 28 lists of 28."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_ID: Final = re.compile("[0-9a-f]{32}")


def _get_store(service: Service) -> CorrectionStore:
    if service.corrections is None:
        raise RequestError(
            403,
            "This service stores no corrections: start it with "
            "'inkdigits serve --keep-corrections DIR'",
        )
    return service.corrections


@router.get(
    "/v1/corrections",
    response_model=schemas.Corrections,
    responses=schemas.describe_errors(401, 403, 429, 503),
)
async def list_corrections(request: Request) -> Response:
    """Returns all stored corrections."""
    service = get_service(request)
    store = _get_store(service)
    (corrections,) = await service.run(request, store.list_all, on_files=True)
    return json_response({"folder": str(store.folder), "corrections": corrections})


@router.post(
    "/v1/corrections",
    status_code=201,
    response_model=schemas.CorrectionId,
    responses=schemas.describe_errors(400, 401, 403, 408, 413, 415, 422, 429, 503),
    openapi_extra=schemas.describe_body(schemas.NewCorrection),
)
async def keep_correction(request: Request) -> Response:
    """Saves the correct label of a picture."""
    service = get_service(request)
    store = _get_store(service)
    # A browser cannot send this type from a form of another site without a preflight request.
    content_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if content_type != "application/json":
        raise RequestError(
            415, f"Unsupported Content-Type {content_type[:60]!r}: expected application/json"
        )
    async with service.bodies.receive(request, MAX_BYTES) as body:
        with service.admit(request):
            save = functools.partial(_save_correction, store, service, body)
            (name,) = await service.run(request, save, on_files=True)
            return json_response({"id": name}, 201)


def _save_correction(store: CorrectionStore, service: Service, body: bytes) -> str:
    correction = _parse_correction(body)
    try:
        picture = base64.b64decode(correction.picture, validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(422, "picture: expected a PNG file in base64") from None
    if not picture.startswith(_PNG):
        raise RequestError(422, "picture: expected a PNG file in base64")
    tile = np.array(correction.tile, np.uint8)
    _check_leakage(service.decode(picture).pixels, tile)
    return store.save(picture=picture, tile=tile, label=correction.label, read=correction.read)


def _check_leakage(*images: NDArray[np.uint8]) -> None:
    """Raises RequestError, status 422, if an image is one of MNIST's test images."""
    # Imported here, because the clients for downloads in this package would delay the start.
    from inkdigits.data.leakage import is_test_image

    if any(map(is_test_image, images)):
        raise RequestError(
            422,
            "This is a test image of MNIST: models are measured on it, so no correction of it is "
            "stored to train on",
        )


def _parse_correction(body: bytes) -> schemas.NewCorrection:
    """Parses the body of a correction.

    Raises:
        RequestError: Too many values (400), or not a correction (422).
    """
    check_counts(body, _MAX_COUNTS)
    try:
        values = orjson.loads(body)
    except ValueError:
        raise RequestError(422, "The body is not valid JSON") from None
    known = schemas.NewCorrection.model_fields
    if not isinstance(values, dict):
        raise RequestError(422, "The body is not a JSON object")
    # Pydantic would build an error for each unknown field, and there may be very many.
    if unknown := next((name for name in values if name not in known), None):
        raise RequestError(422, f"{unknown[:60]}: expected only {', '.join(known)}")
    try:
        return schemas.NewCorrection.model_validate(values)
    except ValidationError as error:
        raise RequestError(422, describe_invalid(error)) from None


@router.delete(
    "/v1/corrections",
    status_code=204,
    responses=schemas.describe_errors(401, 403, 429, 503),
)
async def delete_corrections(request: Request) -> Response:
    """Deletes all corrections."""
    service = get_service(request)
    await service.run(request, _get_store(service).delete_all, on_files=True)
    return Response(status_code=204)


@router.delete(
    "/v1/corrections/{id}",
    status_code=204,
    responses=schemas.describe_errors(401, 403, 404, 422, 429, 503),
)
async def delete_correction(request: Request, id: str) -> Response:
    """Deletes one correction."""
    service = get_service(request)
    store = _get_store(service)
    is_deleted = False
    if _ID.fullmatch(id):
        delete = functools.partial(store.delete, id)
        (is_deleted,) = await service.run(request, delete, on_files=True)
    if not is_deleted:
        raise RequestError(404, "No correction has this id")
    return Response(status_code=204)
