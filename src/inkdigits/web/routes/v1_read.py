"""POST /v1/read: reads the digits of pictures."""

from __future__ import annotations

import functools
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from inkdigits.web import schemas
from inkdigits.web.bodies import JSON_TYPE, PICTURES_FIELD, list_uploads
from inkdigits.web.responses import json_response
from inkdigits.web.service import ReadOptions, get_service

router = APIRouter()
_PICTURE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}


@router.post(
    "/v1/read",
    response_model=list[schemas.PictureRow],
    response_model_exclude_unset=True,
    responses=schemas.describe_errors(400, 401, 408, 413, 415, 422, 429, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "image/*": {"schema": _PICTURE},
                "application/octet-stream": {"schema": _PICTURE},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": [PICTURES_FIELD],
                        "properties": {PICTURES_FIELD: {"type": "array", "items": _PICTURE}},
                    }
                },
                JSON_TYPE: {"schema": schemas.refer_to_body(schemas.EncodedPictures)},
            },
        }
    },
)
async def read_pictures(
    request: Request,
    digits: Annotated[
        Literal["any", "one"],
        Query(description="one: each picture contains exactly one digit, in its centre"),
    ] = "any",
    separators: Annotated[
        bool, Query(description="Also read points, commas, dashes, slashes and plus signs")
    ] = False,
    threshold: Annotated[
        float | None,
        Query(ge=0, le=1, description="Minimum confidence of a digit; default: the model's own"),
    ] = None,
    tiles: Annotated[bool, Query(description="Include the tile of each digit")] = False,
    heat: Annotated[bool, Query(description="Include the heat map of each digit")] = False,
) -> Response:
    """Reads one picture, sent as the body, or several, sent as fields of a form or in JSON."""
    service = get_service(request)
    content_type = request.headers.get("content-type")
    async with service.bodies.receive(request) as body:
        with service.admit(request):
            if (content_type or "").lower().strip().startswith(("multipart/", JSON_TYPE)):
                # A form of many small fields, or base64 text, would block the event loop.
                split = functools.partial(
                    list_uploads, body, content_type, service.settings.max_pictures
                )
                (uploads,) = await service.run(request, split)
            else:
                uploads = list_uploads(body, content_type, service.settings.max_pictures)
            options = ReadOptions(digits == "one", separators, threshold, tiles, heat)
            return json_response(await service.read(request, uploads, options))
