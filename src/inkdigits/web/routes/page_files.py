"""/, /review, /page and /docs: the files of the page and of the API documentation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PAGE: Final = Path(__file__).parents[1] / "page"
PRESENTATION: Final = Path(__file__).parents[2] / "presentation"
COLOURS: Final = "colours.css"
"""The style sheet that the page shares with reports."""
_CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_SWAGGER_UI: Final = ("swagger-ui.css", "swagger-ui-bundle.js")

router = APIRouter(include_in_schema=False)


class PageFiles(StaticFiles):
    """Static files that browsers revalidate before each use."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Returns the response for a file.

        Args:
            path: Path of the file, relative to the folder.
            scope: ASGI scope of the request.

        Raises:
            HTTPException: No such file in the folder: status 404.
        """
        if Path(path).suffix not in _CONTENT_TYPES:
            raise HTTPException(404)
        # Starlette would answer an invalid Range header in plain text, unlike all other errors.
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"range"]
        return await super().get_response(path, scope)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Builds the response for a file that exists, or 304 if the browser has this version."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        if response.status_code == status_code:
            # Starlette's guess depends on the registry or MIME files of the system.
            response.headers["Content-Type"] = _CONTENT_TYPES[Path(full_path).suffix]
            del response.headers["Accept-Ranges"]
        return response


_page = PageFiles(directory=PAGE)
_presentation = PageFiles(directory=PRESENTATION)
_swagger_ui = PageFiles(packages=[("fastapi_offline", "static")])  # so that nothing is from a CDN


@router.api_route("/", methods=["GET", "HEAD"])
async def get_page(request: Request) -> Response:
    """Returns the page."""
    return await _page.get_response("index.html", request.scope)


@router.api_route("/review", methods=["GET", "HEAD"])
async def get_review_page(request: Request) -> Response:
    """Returns the page on which pictures are reviewed."""
    return await _page.get_response("review.html", request.scope)


@router.api_route("/page/{name}", methods=["GET", "HEAD"])
async def get_page_file(request: Request, name: str) -> Response:
    """Returns a script, style sheet or other file of the page."""
    if name == COLOURS:
        return await _presentation.get_response(name, request.scope)
    return await _page.get_response(name, request.scope)


@router.api_route("/docs", methods=["GET", "HEAD"])
async def get_documentation(request: Request) -> Response:
    """Returns the API documentation, which Swagger UI renders from /openapi.json."""
    return await _page.get_response("docs.html", request.scope)


@router.api_route("/docs/{name}", methods=["GET", "HEAD"])
async def get_documentation_file(request: Request, name: str) -> Response:
    """Returns a file of Swagger UI."""
    if name not in _SWAGGER_UI:
        raise HTTPException(404)
    return await _swagger_ui.get_response(name, request.scope)
