"""The application: every route of the service."""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import orjson
from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from inkdigits import __version__
from inkdigits.errors import PictureError, RequestError
from inkdigits.recognition import Recognizer
from inkdigits.web import schemas
from inkdigits.web.answers import answer, describe_invalid, handle_error
from inkdigits.web.bodies import PICTURES_FIELD, check_counts, list_uploads
from inkdigits.web.corrections import CorrectionStore
from inkdigits.web.documentation import load_documentation
from inkdigits.web.gate import Gate
from inkdigits.web.inference import (
    HEADER_LENGTH,
    describe_model,
    encode_infer_response,
    parse_infer_request,
)
from inkdigits.web.metrics import CONTENT_TYPE
from inkdigits.web.service import Service, Wanted
from inkdigits.web.settings import Settings

PAGE: Final = Path(__file__).with_name("page")
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
MAX_CORRECTION_BYTES: Final = 8_000_000
"""Of a correction: the page sends the crop of one mark, in base64."""
_MOST_IN_CORRECTION: Final = {b"[": 64, b"{": 8, b'"': 64, b",": 1024}
"""Of each character: a correction is one object, whose tile has 784 numbers in 28 lists."""
_MOST_TILE_BYTES: Final = 784 * 4
"""Of a tile in JSON: three digits and a comma for each pixel."""
_MOST_ENVELOPE_BYTES: Final = 65_536
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_ID: Final = re.compile("[0-9a-f]{32}")


def build_app(recognizer: Recognizer | Callable[[], Recognizer], settings: Settings) -> FastAPI:
    """As `inkdigits.web.build_app`."""
    service = Service(settings)

    @asynccontextmanager
    async def run_service(app: FastAPI) -> AsyncIterator[None]:
        if isinstance(recognizer, Recognizer):
            await service.load(lambda: recognizer)
            if service.failure is not None:
                raise service.failure
            loading = None
        else:
            # Meanwhile the service answers that it lives and is not ready.
            loading = asyncio.create_task(service.load(recognizer))
        yield
        if loading is not None:
            await loading
        await service.close()

    app = FastAPI(
        title="inkdigits",
        version=__version__,
        description="Reads the handwritten digits in pictures.",
        docs_url=None,
        redoc_url=None,
        lifespan=run_service,
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(_build_page())
    app.include_router(router)
    app.add_middleware(Gate, settings=settings, metrics=service.metrics)
    for kind in (RequestError, PictureError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle_error)
    return app


def _refusals(
    *statuses: int, model: type[BaseModel] = schemas.Error
) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": model} for status in statuses}


def _json_body(model: type[BaseModel]) -> dict[str, Any]:
    """The part of the API's description that tells of a body which a route reads itself."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = schema.pop("$defs", {})
    content = {"application/json": {"schema": _inline(schema, definitions)}}
    return {"requestBody": {"required": True, "content": content}}


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema in which what it refers to stands in place."""
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name in definitions:
            return _inline(definitions[name], definitions)
        return {key: _inline(value, definitions) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inline(value, definitions) for value in schema]
    return schema


def _get_service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _get_model_name(service: Service) -> str:
    return str(service.recognizer.card.recipe.get("name", "model"))


router = APIRouter()


@router.get("/v1/status", response_model=schemas.Status, responses=_refusals(400, 503))
async def get_status(request: Request) -> Response:
    """What the service is, and what it takes."""
    service = _get_service(request)
    limits = service.settings
    return answer(
        {
            "version": __version__,
            "model": _get_model_name(service),
            "reader": str(service.recognizer.reader.card.recipe.get("name", "reader")),
            "threshold": service.recognizer.threshold,
            "corrections": service.corrections is not None,
            "limits": {
                "max_bytes": limits.max_bytes,
                "max_pixels": limits.max_pixels,
                "max_pictures": limits.max_pictures,
            },
        }
    )


_PICTURE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}


@router.post(
    "/v1/read",
    response_model=list[schemas.PictureRow],
    response_model_exclude_unset=True,
    responses=_refusals(400, 401, 408, 413, 415, 422, 429, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "image/*": {"schema": _PICTURE},
                "application/octet-stream": {"schema": _PICTURE},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": [PICTURES_FIELD],
                        "properties": {PICTURES_FIELD: {"type": "array", "items": _PICTURE}},
                    }
                },
            },
        }
    },
)
async def read_pictures(
    request: Request,
    digits: Annotated[
        Literal["any", "one"],
        Query(description="one: each picture holds exactly one digit, in its middle"),
    ] = "any",
    separators: Annotated[
        bool, Query(description="Read points, commas, dashes, slashes and plus signs too")
    ] = False,
    threshold: Annotated[
        float | None,
        Query(ge=0, le=1, description="Least probability of a digit that is read; the model's own"),
    ] = None,
    tiles: Annotated[bool, Query(description="Give the tile of each digit")] = False,
    heat: Annotated[bool, Query(description="Give what each reading rests on")] = False,
) -> Response:
    """Reads one picture, which is the body, or several, which are the fields of a form."""
    service = _get_service(request)
    content_type = request.headers.get("content-type")
    async with service.bodies.receive(request) as body:
        with service.admit(request):
            if (content_type or "").lower().startswith("multipart/"):
                # Many small fields take a while to be told apart.
                split = functools.partial(
                    list_uploads, body, content_type, service.settings.max_pictures
                )
                (uploads,) = await service.run(request, split)
            else:
                uploads = list_uploads(body, content_type, service.settings.max_pictures)
            wanted = Wanted(digits == "one", separators, threshold, tiles, heat)
            return answer(await service.read(request, uploads, wanted))


def _get_store(service: Service) -> CorrectionStore:
    if service.corrections is None:
        raise RequestError(
            403,
            "No corrections are kept here: start the service with "
            "'inkdigits serve --keep-corrections DIR'",
        )
    return service.corrections


@router.get(
    "/v1/corrections",
    response_model=schemas.Corrections,
    responses=_refusals(401, 403, 429, 503),
)
async def list_corrections(request: Request) -> Response:
    """All corrections that are kept."""
    service = _get_service(request)
    store = _get_store(service)
    (kept,) = await service.run(request, store.list_all, on_files=True)
    return answer({"folder": str(store.folder), "corrections": kept})


@router.post(
    "/v1/corrections",
    status_code=201,
    response_model=schemas.CorrectionId,
    responses=_refusals(400, 401, 403, 408, 413, 415, 422, 429, 503),
    openapi_extra=_json_body(schemas.NewCorrection),
)
async def keep_correction(request: Request) -> Response:
    """Keeps what a picture really shows."""
    service = _get_service(request)
    store = _get_store(service)
    # A form that a page elsewhere makes a browser send cannot have this type.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RequestError(415, "Expected the Content-Type application/json")
    async with service.bodies.receive(request, MAX_CORRECTION_BYTES) as body:
        with service.admit(request):
            save = functools.partial(_save_correction, store, service, body)
            (name,) = await service.run(request, save, on_files=True)
            return answer({"id": name}, 201)


def _save_correction(store: CorrectionStore, service: Service, body: bytes) -> str:
    check_counts(body, _MOST_IN_CORRECTION)
    try:
        values = orjson.loads(body)
    except ValueError:
        raise RequestError(422, "The body is no JSON") from None
    known = schemas.NewCorrection.model_fields
    if not isinstance(values, dict):
        raise RequestError(422, "The body is no JSON object")
    # One by one: pydantic would make an error of each, and there may be a million.
    if unknown := next((name for name in values if name not in known), None):
        raise RequestError(422, f"{unknown[:60]}: expected only {', '.join(known)}")
    try:
        correction = schemas.NewCorrection.model_validate(values)
    except ValidationError as error:
        raise RequestError(422, describe_invalid(error)) from None
    try:
        picture = base64.b64decode(correction.picture, validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(422, "picture: expected a PNG file in base64") from None
    if not picture.startswith(_PNG):
        raise RequestError(422, "picture: expected a PNG file in base64")
    service.decode(picture)
    tile = np.array(correction.tile, np.uint8)
    return store.save(picture=picture, tile=tile, label=correction.label, read=correction.read)


@router.delete("/v1/corrections", status_code=204, responses=_refusals(401, 403, 429, 503))
async def delete_corrections(request: Request) -> Response:
    """Deletes all corrections."""
    service = _get_service(request)
    await service.run(request, _get_store(service).delete_all, on_files=True)
    return Response(status_code=204)


@router.delete(
    "/v1/corrections/{id}", status_code=204, responses=_refusals(401, 403, 404, 422, 429, 503)
)
async def delete_correction(request: Request, id: str) -> Response:
    """Deletes one correction."""
    service = _get_service(request)
    store = _get_store(service)
    is_kept = False
    if _ID.fullmatch(id):
        (is_kept,) = await service.run(request, functools.partial(store.delete, id), on_files=True)
    if not is_kept:
        raise RequestError(404, "There is no such correction")
    return Response(status_code=204)


@router.get(
    "/v2",
    tags=["Open Inference Protocol"],
    responses=_refusals(401, 429, model=schemas.ProtocolError),
)
async def describe_server(request: Request) -> Response:
    """What the server is."""
    extensions = ["binary_tensor_data"]
    return answer({"name": "inkdigits", "version": __version__, "extensions": extensions})


@router.get("/v2/health/live", tags=["Open Inference Protocol"])
async def is_live(request: Request) -> Response:
    """Whether the server answers."""
    return answer({"live": True})


@router.get(
    "/v2/health/ready",
    tags=["Open Inference Protocol"],
    responses=_refusals(503, model=schemas.ProtocolError),
)
async def is_ready(request: Request) -> Response:
    """Whether pictures are read now: not while the model is being loaded or the server stops."""
    service = _get_service(request)
    if not service.is_ready:
        why = "stopping" if service.is_draining else "loading the model"
        raise RequestError(503, f"The service is {why}", {"Retry-After": "1"})
    return answer({"ready": True})


@router.get(
    "/v2/models/{name}/ready",
    tags=["Open Inference Protocol"],
    responses=_refusals(404, 422, 503, model=schemas.ProtocolError),
)
async def is_model_ready(request: Request, name: str) -> Response:
    """Whether the model is ready."""
    _check_model(_get_service(request), name)
    return await is_ready(request)


@router.get(
    "/v2/models/{name}",
    tags=["Open Inference Protocol"],
    responses=_refusals(401, 404, 422, 429, 503, model=schemas.ProtocolError),
)
async def get_model(request: Request, name: str) -> Response:
    """The tensors of the model."""
    _check_model(_get_service(request), name)
    return answer(describe_model(name))


@router.post(
    "/v2/models/{name}/infer",
    tags=["Open Inference Protocol"],
    response_model=schemas.InferAnswer,
    responses=_refusals(400, 401, 404, 408, 413, 415, 422, 429, 503, model=schemas.ProtocolError),
    openapi_extra=_json_body(schemas.Inference),
)
async def infer(request: Request, name: str) -> Response:
    """Probabilities of the ten digits for tiles, each of which holds one."""
    service = _get_service(request)
    max_tiles = service.settings.max_tiles
    max_bytes = max_tiles * _MOST_TILE_BYTES + _MOST_ENVELOPE_BYTES
    async with service.bodies.receive(request, max_bytes) as body:
        with service.admit(request):
            _check_model(service, name)
            # 1,024 tiles written out in JSON take 39 ms (median of nine): too little for a thread.
            wanted = parse_infer_request(body, request.headers.get(HEADER_LENGTH), max_tiles)
            probabilities = await service.classify(wanted.tiles)
            content, headers = encode_infer_response(name, wanted, probabilities)
            return Response(content, headers=headers)


def _check_model(service: Service, name: str) -> None:
    known = _get_model_name(service)
    if name != known:
        raise RequestError(404, f"There is no such model: the only one is {known!r}")


@router.get("/metrics", response_class=PlainTextResponse, responses=_refusals(401, 429))
async def get_metrics(request: Request) -> Response:
    """What the service counts, for Prometheus."""
    return Response(_get_service(request).metrics.to_text(), headers={"Content-Type": CONTENT_TYPE})


def _build_page() -> APIRouter:
    """The routes of the page and of the description of the API, whose files lie in memory."""
    routes = APIRouter(include_in_schema=False)
    files = {path.name: _File(path) for path in PAGE.iterdir() if path.suffix in _TYPES}
    documentation = load_documentation()

    @routes.api_route("/", methods=["GET", "HEAD"])
    async def get_page(request: Request) -> Response:
        return files["index.html"].answer(request)

    @routes.api_route("/page/{name}", methods=["GET", "HEAD"])
    async def get_file(request: Request, name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        return files[name].answer(request)

    @routes.get("/docs")
    async def get_documentation(request: Request) -> Response:
        return documentation[""]

    @routes.get("/docs/{name}")
    async def get_part_of_documentation(request: Request, name: str) -> Response:
        if name not in documentation:
            raise HTTPException(404)
        return documentation[name]

    return routes


class _File:
    """A file of the page."""

    def __init__(self, path: Path) -> None:
        self._content = path.read_bytes()
        self._headers = {
            "Cache-Control": "no-cache",
            "ETag": f'"{hashlib.sha256(self._content).hexdigest()[:32]}"',
            "Content-Type": _TYPES[path.suffix],
        }

    def answer(self, request: Request) -> Response:
        if request.headers.get("if-none-match") == self._headers["ETag"]:
            return Response(status_code=304, headers=self._headers)
        return Response(self._content, headers=self._headers)
