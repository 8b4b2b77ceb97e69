"""Assembles the ASGI application: the service, the routes and the middleware."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from inkdigits import __version__
from inkdigits.errors import PictureError, RequestError
from inkdigits.recognition import Recognizer
from inkdigits.web.gate import Gate
from inkdigits.web.responses import handle_error
from inkdigits.web.routes import (
    page_files,
    prometheus,
    v1_corrections,
    v1_gallery,
    v1_inside,
    v1_read,
    v1_review,
    v1_status,
    v2_inference,
)
from inkdigits.web.schemas import BODY_COMPONENTS
from inkdigits.web.service import Service
from inkdigits.web.settings import Settings

_ROUTES = (
    *(page_files, v1_status, v1_read, v1_corrections, v1_review, v1_gallery, v1_inside),
    *(v2_inference, prometheus),
)


def build_app(recognizer: Recognizer | Callable[[], Recognizer], settings: Settings) -> FastAPI:
    """Implements `inkdigits.web.build_app`."""
    service = Service(settings)

    @asynccontextmanager
    async def run_service(app: FastAPI) -> AsyncIterator[None]:
        if isinstance(recognizer, Recognizer):
            await service.load(lambda: recognizer)
            if service.failure is not None:
                raise service.failure
            loading = None
        else:
            # In the meantime the service is live but not ready.
            loading = asyncio.create_task(service.load(recognizer))
        yield
        if loading is not None:
            await loading
        await service.close()

    app = _Application(
        title="inkdigits",
        version=__version__,
        description="Reads handwritten digits in pictures.",
        docs_url=None,
        redoc_url=None,
        lifespan=run_service,
        redirect_slashes=False,
    )
    app.state.service = service
    for routes in _ROUTES:
        app.include_router(routes.router)
    app.add_middleware(Gate, settings=settings, metrics=service.metrics)
    for kind in (RequestError, PictureError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle_error)
    return app


class _Application(FastAPI):
    """Adds the bodies that routes parse themselves to the OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document["components"]["schemas"].update(BODY_COMPONENTS)
        return document
