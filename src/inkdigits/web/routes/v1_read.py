"""POST /v1/read: reads the digits of pictures."""

from __future__ import annotations

import functools
import inspect
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BeforeValidator
from starlette.responses import Response

from inkdigits.pictures.documents import MAX_PAGES
from inkdigits.recognition.reading_options import FORMER_DIGITS, Digits
from inkdigits.suggestions import describe_unknown
from inkdigits.web import schemas
from inkdigits.web.bodies import JSON_TYPE, PDF_TYPE, PICTURES_FIELD, list_uploads
from inkdigits.web.responses import json_response
from inkdigits.web.service import ReadOptions, get_service

router = APIRouter()
_SHOWN_CHARACTERS = 40  # of an unknown parameter
_PICTURE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}


def _replace_former(digits: str) -> str:
    return FORMER_DIGITS.get(digits, digits)


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
                PDF_TYPE: {"schema": _PICTURE},
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
        Digits,
        BeforeValidator(_replace_former),
        Query(description="one: each picture contains exactly one digit, in its centre"),
    ] = "all",
    separators: Annotated[
        bool, Query(description="Also read points, commas, dashes, slashes and plus signs")
    ] = False,
    shifts: Annotated[
        bool,
        Query(
            description="Classify each digit at nine positions, one pixel apart, and take the mean:"
            " more accurate, nine times the work"
        ),
    ] = False,
    threshold: Annotated[
        float | None,
        Query(ge=0, le=1, description="Minimum confidence of a digit; default: the model's own"),
    ] = None,
    tiles: Annotated[bool, Query(description="Include the tile of each digit")] = False,
    heat: Annotated[bool, Query(description="Include the heat map of each digit")] = False,
    page: Annotated[
        int | None,
        Query(ge=1, le=MAX_PAGES, description="Read only this page of a PDF or TIFF file"),
    ] = None,
) -> Response:
    """Reads one picture, sent as the body, or several, sent as fields of a form or in JSON.

    The answer is a list with one object for each picture. A PDF file, or a TIFF file of several
    pages, has one object for each page, with its number as `page`.
    """
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
            options = ReadOptions(digits, separators, shifts, threshold, tiles, heat, page)
            rows = await service.read(request, uploads, options)
            return json_response(rows, headers=_describe_mistakes(request))


def _describe_mistakes(request: Request) -> dict[str, str] | None:
    """Returns a header about a deprecated value or an unknown parameter; None if all are known.

    Unknown parameters are not an error, because proxies and clients add parameters of their own.
    """
    given = request.query_params
    known = [name for name in inspect.signature(read_pictures).parameters if name != "request"]
    texts = [
        f"digits={former} is deprecated: use digits={successor}"
        for former, successor in FORMER_DIGITS.items()
        if given.get("digits") == former
    ]
    texts += [
        describe_unknown("parameter", name[:_SHOWN_CHARACTERS], known)
        for name in given
        if name not in known
    ]
    if not texts:
        return None
    # The text of the header as Kubernetes sends it: 299 is any persistent warning (RFC 7234).
    text = texts[0].replace('"', "'").replace("\\", "/")
    return {"Warning": f'299 - "{text.encode("ascii", "replace").decode()}"'}
