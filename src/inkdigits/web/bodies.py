"""Request bodies: limited in size and time while they arrive, and never written to disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
from fastapi import Request
from pydantic import ValidationError
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from inkdigits.errors import PictureError, PictureFormatError, RequestError
from inkdigits.pictures.picture_sources import decode_text
from inkdigits.web.responses import describe_invalid
from inkdigits.web.schemas import EncodedPictures
from inkdigits.web.settings import Settings

PICTURES_FIELD = "pictures"
JSON_TYPE = "application/json"
PDF_TYPE = "application/pdf"
_SUPPORTED = (
    "image/*, application/pdf, application/octet-stream, multipart/form-data or application/json"
)
_MAX_DIGITS = 15
_MAX_PART_HEADERS = 8
"""Headers of one form field; browsers send two."""


@dataclass(frozen=True)
class Upload:
    """An uploaded picture.

    Attributes:
        name: Its file name, without folders; None if the client sent none.
        content: The bytes of the file.
        error: Why the bytes cannot be had, such as damaged base64 text; None if they can.
    """

    name: str | None
    content: bytes
    error: PictureError | None = None


def parse_length(name: str, value: str | None) -> int | None:
    """Parses a header that contains a length in bytes.

    Returns:
        The length; None if the header is missing.

    Raises:
        RequestError: Not an integer of 0 or more, or an absurdly large one: status 400.
    """
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS):
        raise RequestError(400, f"Invalid {name} {value[:20]!r}: expected a number of bytes")
    return int(value)


def check_counts(body: bytes, limits: Mapping[bytes, int]) -> None:
    """Checks how often some characters occur in JSON, which is cheap, before it is parsed.

    Args:
        body: The JSON.
        limits: The largest count of each character.

    Raises:
        RequestError: A character occurs more often: status 400.
    """
    for character, limit in limits.items():
        if (n := body.count(character)) > limit:
            raise RequestError(
                400, f"The JSON contains {n:,} {character.decode()!r}: expected at most {limit:,}"
            )


class BodyReader:
    """Receives request bodies within the limits, per request and in total.

    Attributes:
        held_bytes: Bytes of all bodies that are in memory now.
    """

    def __init__(self, settings: Settings) -> None:
        """Creates a reader with these limits."""
        self._settings = settings
        self.held_bytes = 0

    @asynccontextmanager
    async def receive(self, request: Request, max_bytes: int | None = None) -> AsyncIterator[bytes]:
        """Receives a request body, which counts towards `held_bytes` until the block ends.

        Args:
            request: The request.
            max_bytes: A limit below that of the settings, for routes that need less than a picture.

        Raises:
            RequestError: Too large (413), too slow (408), compressed (415), too many bytes of all
                requests together (503), or an invalid Content-Length (400).
            ClientDisconnect: The client disconnected.
        """
        announced = parse_length("Content-Length", request.headers.get("content-length"))
        encoding = request.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise RequestError(
                415, f"Unsupported Content-Encoding {encoding[:60]!r}: send the body uncompressed"
            )
        max_bytes = min(max_bytes or self._settings.max_bytes, self._settings.max_bytes)
        if announced is not None and announced > max_bytes:
            raise _too_large(max_bytes)
        held = bytearray()
        try:
            try:
                async with asyncio.timeout(self._settings.body_timeout_s):
                    async for part in request.stream():
                        held += part
                        self.held_bytes += len(part)
                        if len(held) > max_bytes:
                            raise _too_large(max_bytes)
                        if self.held_bytes > self._settings.max_held_bytes:
                            raise RequestError(
                                503,
                                "Too many bytes are being uploaded at once: try again soon",
                                {"Retry-After": "2"},
                            )
            except TimeoutError:
                raise RequestError(
                    408, f"The body did not arrive within {self._settings.body_timeout_s:g} s"
                ) from None
            yield bytes(held)
        finally:
            self.held_bytes -= len(held)


def _too_large(max_bytes: int) -> RequestError:
    return RequestError(413, f"The body is too large: expected at most {max_bytes:,} bytes")


def list_uploads(body: bytes, content_type: str | None, max_pictures: int) -> list[Upload]:
    """Returns the pictures of a body: the body itself, those of a form, or those of JSON.

    Args:
        body: The whole body.
        content_type: The value of the Content-Type header; None if it is missing.
        max_pictures: Largest number of form fields, or of pictures in JSON.

    Raises:
        RequestError: An unsupported type (415); an empty body, a form that is damaged or has no
            pictures, or invalid JSON (400); JSON of other names or types (422); too many pictures
            (413).
    """
    if not body:
        raise RequestError(400, "The body is empty: expected a picture")
    kind = (content_type or "application/octet-stream").partition(";")[0].strip().lower()
    if kind.startswith("image/") or kind in ("application/octet-stream", PDF_TYPE):
        return [Upload(None, body)]
    if kind == JSON_TYPE:
        return _parse_json(body, max_pictures)
    if kind != "multipart/form-data":
        raise RequestError(415, f"Unsupported Content-Type {kind[:60]!r}: expected {_SUPPORTED}")
    uploads = _split_form(body, content_type or "", max_pictures)
    if not uploads:
        raise RequestError(400, f"The form has no field {PICTURES_FIELD!r}: expected a picture")
    return uploads


def _parse_json(body: bytes, max_pictures: int) -> list[Upload]:
    """Returns the pictures of JSON: data URIs, or the base64 text of files."""
    check_counts(body, {b"{": 1, b"[": 1})
    if body.count(b'"') > 2 * (max_pictures + 1):
        raise RequestError(
            413, f"The JSON has too many texts: expected at most {max_pictures} pictures"
        )
    try:
        request = EncodedPictures.model_validate(orjson.loads(body))
    except ValidationError as error:
        raise RequestError(422, describe_invalid(error)) from None
    except ValueError:
        raise RequestError(400, "The request is not valid JSON") from None
    texts = [request.image] if request.image is not None else request.images
    if not texts or (request.image is not None and request.images is not None):
        raise RequestError(422, "Expected one of image and images, with at least one picture")
    return [_decode_upload(text) for text in texts]


def _decode_upload(text: str) -> Upload:
    # Never a path or an address: those belong to the machine of the service.
    given = text.encode("ascii", "replace")
    try:
        content = decode_text("picture", given)
        if content is given:
            raise PictureFormatError(
                "picture: is neither a data URI nor the base64 text of a picture"
            )
    except PictureError as error:
        return Upload(None, b"", error)
    return Upload(None, content)


def _split_form(body: bytes, content_type: str, max_pictures: int) -> list[Upload]:
    """Returns the fields named `pictures` of a form (RFC 7578)."""
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    form = _Form(max_pictures)
    if boundary:
        try:
            parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": form.begin_part,
                    "on_part_data": form.add_data,
                    "on_part_end": form.end_part,
                    "on_header_field": form.add_name,
                    "on_header_value": form.add_value,
                    "on_header_end": form.end_header,
                    "on_end": form.end,
                },
            )
            parser.write(body)
            parser.finalize()
        except MultipartParseError:
            form.is_complete = False
    if not form.is_complete:
        raise RequestError(400, "The form is damaged: expected complete multipart/form-data")
    return form.uploads


class _Form:
    """Collects the callbacks of the form parser."""

    def __init__(self, max_parts: int) -> None:
        self.uploads: list[Upload] = []
        self.is_complete = False
        self._max_parts = max_parts
        self._n_parts = -1
        self.begin_part()

    def begin_part(self) -> None:
        self._n_parts += 1
        if self._n_parts > self._max_parts:
            raise RequestError(
                413, f"The form has too many fields: expected at most {self._max_parts} pictures"
            )
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._parts: list[bytes] = []

    def add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def end_header(self) -> None:
        if len(self._headers) >= _MAX_PART_HEADERS:
            raise RequestError(
                400, f"A form field has too many headers: expected at most {_MAX_PART_HEADERS}"
            )
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def add_data(self, data: bytes, start: int, end: int) -> None:
        self._parts.append(data[start:end])

    def end_part(self) -> None:
        options = parse_options_header(self._headers.get(b"content-disposition"))[1]
        if options.get(b"name") == PICTURES_FIELD.encode():
            name = options.get(b"filename", b"").decode("utf-8", "replace")
            name = name.replace("\\", "/").rpartition("/")[2]
            self.uploads.append(Upload(name or None, b"".join(self._parts)))

    def end(self) -> None:
        self.is_complete = True
