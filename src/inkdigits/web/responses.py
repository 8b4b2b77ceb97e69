"""JSON responses, and the one shape that all errors have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from inkdigits.errors import (
    InkdigitsError,
    OutputError,
    PictureError,
    PictureTooLargeError,
    RequestError,
)

PROTOCOL = "/v2"
_MESSAGES = {
    404: "Not found: the page is at / and the API documentation at /docs",
    405: "This address does not support the request's method",
}
_MAX_CHARACTERS = 300


def json_response(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Builds a JSON response. The content may contain NumPy arrays."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, "application/json")


def error_response(error: Exception, path: str = "") -> Response:
    """Builds the response for a request that failed.

    An unexpected exception is reported as an internal error, without its text: paths, tracebacks
    and the names of libraries stay in the log.

    Args:
        error: The exception.
        path: The path of the request. Under /v2 the error is a plain string, as the Open Inference
            Protocol requires; its clients fail on anything else.
    """
    status, message, headers = _describe(error)
    is_protocol = path == PROTOCOL or path.startswith(f"{PROTOCOL}/")
    content = message if is_protocol else {"status": status, "message": message}
    return json_response({"error": content}, status, headers)


async def handle_error(request: Request, error: Exception) -> Response:
    """Calls `error_response`, with the signature of Starlette's exception handlers."""
    return error_response(error, request.url.path)


def describe_picture_error(error: PictureError) -> tuple[int, str]:
    """Returns the status and the message for a picture that cannot be read."""
    # The text in brackets comes from the decoding library and does not help a client.
    message = re.sub(r"(damaged \w+ file|cannot be read) \(.*\)", r"\1", str(error))
    if isinstance(error, PictureTooLargeError):
        return 413, message
    return (422 if "damaged" in message else 415), message


def describe_invalid(error: ValidationError | RequestValidationError) -> str:
    """Returns the first validation error as one sentence."""
    first: Any = error.errors()[0]
    places = [str(place) for place in first["loc"] if place not in ("query", "path", "body")]
    where = ".".join(places) or "the body"
    return f"{where}: {first['msg']}"[:_MAX_CHARACTERS]


def _describe(error: Exception) -> tuple[int, str, Mapping[str, str]]:
    match error:
        case RequestError():
            return error.status, str(error), error.headers
        case PictureError():
            return *describe_picture_error(error), {}
        case RequestValidationError():
            return 422, describe_invalid(error), {}
        case HTTPException():
            status = error.status_code
            message = _MESSAGES.get(status) or HTTPStatus(status).phrase
            return status, message, error.headers or {}
        case OutputError():
            reason = error.reason or "see the log of the service"
            return 503, f"Corrections cannot be saved, listed or deleted: {reason}", {}
        case InkdigitsError():
            return 500, "The model cannot be used: see the log of the service", {}
        case _:
            return 500, "Internal error: see the log of the service", {}
