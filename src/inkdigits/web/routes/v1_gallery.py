"""GET /v1/gallery: MNIST test digits and the most confident mistakes of a model."""

from __future__ import annotations

import functools

from fastapi import APIRouter, Request
from starlette.responses import Response

from inkdigits.web import schemas
from inkdigits.web.responses import json_response
from inkdigits.web.service import get_service

router = APIRouter()


@router.get(
    "/v1/gallery",
    response_model=schemas.Gallery,
    responses=schemas.describe_errors(400, 401, 429, 503),
)
async def get_gallery(request: Request) -> Response:
    """Returns MNIST test digits and mistakes of the model, or of the default model."""
    service = get_service(request)
    describe = functools.partial(service.gallery.describe, service.recognizer)
    (gallery,) = await service.run(request, describe, on_files=True)
    return json_response(gallery)
