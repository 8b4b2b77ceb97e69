"""/v1/review: the pictures of a review folder, and what people read in them."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final, TypeVar

import orjson
from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from inkdigits.errors import DataFormatError, RequestError
from inkdigits.results.review_folder import ReviewFolder
from inkdigits.web import schemas
from inkdigits.web.bodies import check_counts
from inkdigits.web.responses import describe_invalid, json_response
from inkdigits.web.service import Service, get_service

router = APIRouter()
Result = TypeVar("Result")
MAX_LISTED: Final = 500
"""Largest number of pictures in one answer; the page asks for more when it has shown these."""
_MAX_BYTES: Final = 20_000
_MAX_COUNTS: Final = {b"[": 0, b"{": 1, b'"': 4, b",": 256}

_logger = logging.getLogger("inkdigits.web")


def _get_folder(service: Service) -> ReviewFolder:
    if service.review is None:
        raise RequestError(
            403,
            "This service has no pictures to review: start it with 'inkdigits serve --review DIR'",
        )
    return service.review


async def _run(request: Request, work: Callable[..., Result], *arguments: Any) -> Result:
    """Runs a method of the folder in a thread, and explains what is missing or damaged."""
    task = functools.partial(work, *arguments)
    try:
        (result,) = await get_service(request).run(request, task, on_files=True)
    except KeyError:
        raise RequestError(404, "No picture to review has this id") from None
    except DataFormatError as error:
        _logger.error("%s", error)
        raise RequestError(
            503, "The review folder is damaged: see the log of the service"
        ) from error
    return result


@router.get(
    "/v1/review",
    response_model=schemas.Review,
    responses=schemas.describe_errors(400, 401, 403, 429, 503),
)
async def list_review(request: Request) -> Response:
    """Returns the ids of the next pictures to review, by address and page."""
    folder = _get_folder(get_service(request))
    names, n_open, n_pictures = await _run(request, folder.list_open, MAX_LISTED)
    row = {"folder": str(folder.folder), "open": names, "n_open": n_open, "n_pictures": n_pictures}
    return json_response(row)


@router.get(
    "/v1/review/{id}",
    response_model=schemas.ReviewPicture,
    responses=schemas.describe_errors(400, 401, 403, 404, 422, 429, 503),
)
async def get_review_picture(request: Request, id: str) -> Response:
    """Returns what was read in a picture, and what a person has read in it."""
    folder = _get_folder(get_service(request))
    item = await _run(request, folder.load_item, id)
    reviewed = await _run(request, folder.find_text, id)
    return json_response({**asdict(item), "digits": list(item.digits), "reviewed": reviewed})


@router.get(
    "/v1/review/{id}/picture",
    responses={
        **schemas.describe_errors(400, 401, 403, 404, 422, 429, 503),
        200: {"content": {"image/png": {}}},
    },
    response_class=Response,
)
async def get_review_image(request: Request, id: str) -> Response:
    """Returns a picture as a PNG file."""
    folder = _get_folder(get_service(request))
    content = await _run(request, folder.read_picture, id)
    return Response(content, media_type="image/png")


@router.put(
    "/v1/review/{id}",
    status_code=204,
    responses=schemas.describe_errors(400, 401, 403, 404, 408, 413, 415, 422, 429, 503),
    openapi_extra=schemas.describe_body(schemas.ReviewedText),
)
async def save_review(request: Request, id: str) -> Response:
    """Saves what a person reads in a picture, and replaces what was saved before."""
    service = get_service(request)
    folder = _get_folder(service)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if content_type != "application/json":
        raise RequestError(
            415, f"Unsupported Content-Type {content_type[:60]!r}: expected application/json"
        )
    async with service.bodies.receive(request, _MAX_BYTES) as body:
        with service.admit(request):
            text = _parse_text(body)
            await _run(request, folder.save, id, text)
    return Response(status_code=204)


@router.delete(
    "/v1/review/{id}",
    status_code=204,
    responses=schemas.describe_errors(400, 401, 403, 404, 422, 429, 503),
)
async def remove_review(request: Request, id: str) -> Response:
    """Removes what a person has read in a picture, which is then open again."""
    folder = _get_folder(get_service(request))
    if not await _run(request, folder.remove, id):
        raise RequestError(404, "Nobody has reviewed a picture of this id")
    return Response(status_code=204)


def _parse_text(body: bytes) -> str:
    """Returns the text in the body of a request.

    Raises:
        RequestError: Too many values (400), or not a text of digits (422).
    """
    check_counts(body, _MAX_COUNTS)
    try:
        values = orjson.loads(body)
    except ValueError:
        raise RequestError(422, "The body is not valid JSON") from None
    if not isinstance(values, dict) or set(values) != {"text"}:
        raise RequestError(422, "The body is not a JSON object with the key text")
    try:
        return str(schemas.ReviewedText.model_validate(values).text)
    except ValidationError as error:
        raise RequestError(422, describe_invalid(error)) from None
