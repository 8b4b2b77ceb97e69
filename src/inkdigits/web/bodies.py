"""The bodies of requests, which are counted and timed while they arrive, and never touch a disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from inkdigits.errors import RequestError
from inkdigits.web.settings import Settings

PICTURES_FIELD = "pictures"
_TAKEN = "image/*, application/octet-stream or multipart/form-data"
_MOST_FIGURES = 15
_MOST_PART_HEADERS = 8
"""Of a field of a form: browsers send two."""


@dataclass(frozen=True)
class Upload:
    """A picture as it came.

    Attributes:
        name: Of its file, without folders; None where none was told.
        content: The file's bytes.
    """

    name: str | None
    content: bytes


def parse_length(name: str, value: str | None) -> int | None:
    """The length that a header tells; None where it is not there.

    Raises:
        RequestError: It is no number, or one beyond all bodies: status 400.
    """
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= _MOST_FIGURES):
        raise RequestError(400, f"{name} is no number of bytes")
    return int(value)


def check_counts(body: bytes, most: Mapping[bytes, int]) -> None:
    """Checks JSON before it is parsed: how often some characters come, which costs next to nothing.

    Args:
        body: The JSON.
        most: Of each character.

    Raises:
        RequestError: One comes more often: status 400.
    """
    for character, limit in most.items():
        if (n := body.count(character)) > limit:
            raise RequestError(
                400, f"The JSON holds {n:,} {character.decode()!r}: expected at most {limit:,}"
            )


class BodyReader:
    """Receives bodies within the limits, of one request and of all together."""

    def __init__(self, settings: Settings) -> None:
        """Takes the limits."""
        self._settings = settings
        self.held_bytes = 0

    @asynccontextmanager
    async def receive(self, request: Request, max_bytes: int | None = None) -> AsyncIterator[bytes]:
        """Receives the body of a request; it counts as held until the block ends.

        Args:
            request: Of which.
            max_bytes: Its length at most, where what is sent there needs less than a picture.

        Raises:
            RequestError: Too large (413), too slow (408), encoded (415), too much at once (503),
                or a Content-Length that is no number (400).
            ClientDisconnect: The client has gone.
        """
        announced = parse_length("Content-Length", request.headers.get("content-length"))
        if request.headers.get("content-encoding", "identity") != "identity":
            raise RequestError(415, "The body is compressed: send it as it is")
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
                                "Too much is being uploaded: try again soon",
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
    return RequestError(413, f"The body is larger than the {max_bytes:,} bytes that are taken here")


def list_uploads(body: bytes, content_type: str | None, max_pictures: int) -> list[Upload]:
    """The pictures in a body: the body itself, or each field `pictures` of a form.

    Args:
        body: All of it.
        content_type: The header's value; None where there was none.
        max_pictures: More are refused.

    Raises:
        RequestError: A type that is not taken (415), a form that is damaged or without pictures
            or an empty body (400), too many pictures (413).
    """
    if not body:
        raise RequestError(400, "The body is empty: expected a picture")
    kind = (content_type or "application/octet-stream").partition(";")[0].strip().lower()
    if kind.startswith("image/") or kind == "application/octet-stream":
        return [Upload(None, body)]
    if kind != "multipart/form-data":
        raise RequestError(415, f"The Content-Type is {kind[:60]!r}: expected {_TAKEN}")
    uploads = _split_form(body, content_type or "", max_pictures)
    if not uploads:
        raise RequestError(400, f"The form holds no field {PICTURES_FIELD!r}: expected a picture")
    return uploads


def _split_form(body: bytes, content_type: str, max_pictures: int) -> list[Upload]:
    """The fields named `pictures` of a form (RFC 7578)."""
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
            form.is_whole = False
    if not form.is_whole:
        raise RequestError(400, "The form is damaged: expected whole multipart/form-data")
    return form.uploads


class _Form:
    """What the parser of a form finds."""

    def __init__(self, max_parts: int) -> None:
        self.uploads: list[Upload] = []
        self.is_whole = False
        self._max_parts = max_parts
        self._n_parts = -1
        self.begin_part()

    def begin_part(self) -> None:
        self._n_parts += 1
        if self._n_parts > self._max_parts:
            raise RequestError(
                413, f"The form holds more than the {self._max_parts} pictures that are taken"
            )
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._parts: list[bytes] = []

    def add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def end_header(self) -> None:
        if len(self._headers) >= _MOST_PART_HEADERS:
            raise RequestError(
                400, f"A part of the form has more than the {_MOST_PART_HEADERS} headers taken"
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
        self.is_whole = True
