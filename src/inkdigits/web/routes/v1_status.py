"""GET /v1/status: version, models and limits."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from inkdigits import __version__
from inkdigits.web import schemas
from inkdigits.web.responses import json_response
from inkdigits.web.service import get_service

router = APIRouter()


@router.get(
    "/v1/status", response_model=schemas.Status, responses=schemas.describe_errors(400, 503)
)
async def get_status(request: Request) -> Response:
    """Returns version, models and limits of the service."""
    service = get_service(request)
    limits = service.settings
    return json_response(
        {
            "version": __version__,
            "model": service.model_name,
            "reader": str(service.recognizer.reader.card.recipe.get("name", "reader")),
            "threshold": service.recognizer.threshold,
            "corrections": service.corrections is not None,
            "review": service.review is not None,
            "limits": {
                "max_bytes": limits.max_bytes,
                "max_pixels": limits.max_pixels,
                "max_pictures": limits.max_pictures,
                "max_pages": limits.max_pages,
            },
        }
    )
