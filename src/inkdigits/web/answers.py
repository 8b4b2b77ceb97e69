"""Answers in JSON, and the shape that errors have."""

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
_SAYINGS = {
    404: "Nothing is here: the page lies at / and the description of the API at /docs",
    405: "This address does not take that method",
}
_MOST_CHARACTERS = 300


def answer(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A response in JSON; arrays may lie in the content as they are."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, "application/json")


def answer_error(error: Exception, path: str = "") -> Response:
    """The answer to a request that ended in an error.

    What is not one of ours says nothing of itself: neither path nor trace nor library.

    Args:
        error: What was raised.
        path: Of the request's address. Under /v2 an error is a mere sentence, as the Open
            Inference Protocol has it, whose clients fail on anything else.
    """
    status, message, headers = _describe(error)
    is_of_protocol = path == PROTOCOL or path.startswith(f"{PROTOCOL}/")
    content = message if is_of_protocol else {"status": status, "message": message}
    return answer({"error": content}, status, headers)


async def handle_error(request: Request, error: Exception) -> Response:
    """`answer_error` as Starlette's handlers of exceptions are called."""
    return answer_error(error, request.url.path)


def describe_picture_error(error: PictureError) -> tuple[int, str]:
    """Status and message for a picture that cannot be read."""
    # In brackets stands what the decoding library says, which is of no use to a client.
    message = re.sub(r"(damaged \w+ file|cannot be read) \(.*\)", r"\1", str(error))
    if isinstance(error, PictureTooLargeError):
        return 413, message
    return (422 if "damaged" in message else 415), message


def describe_invalid(error: ValidationError | RequestValidationError) -> str:
    """The first thing that is wrong with values, in one sentence."""
    first: Any = error.errors()[0]
    places = [str(place) for place in first["loc"] if place not in ("query", "path", "body")]
    where = ".".join(places) or "the body"
    return f"{where}: {first['msg']}"[:_MOST_CHARACTERS]


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
            message = _SAYINGS.get(status) or HTTPStatus(status).phrase
            return status, message, error.headers or {}
        case OutputError():
            reason = error.reason or "see the log of the service"
            return 503, f"The corrections cannot be kept, listed or deleted: {reason}", {}
        case InkdigitsError():
            return 500, "The model cannot be used: see the log of the service", {}
        case _:
            return 500, "Something went wrong here: see the log of the service", {}
