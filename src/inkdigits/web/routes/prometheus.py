"""GET /metrics: counters and histograms for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from inkdigits.web.counters import CONTENT_TYPE
from inkdigits.web.schemas import describe_errors
from inkdigits.web.service import get_service

router = APIRouter()


@router.get("/metrics", response_class=PlainTextResponse, responses=describe_errors(401, 429))
async def get_metrics(request: Request) -> Response:
    """Returns the metrics of the service in the Prometheus text format."""
    return Response(get_service(request).metrics.to_text(), headers={"Content-Type": CONTENT_TYPE})
