"""Pydantic models of requests and responses, and how routes put them into the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import models_json_schema

from inkdigits.results.review_folder import TEXT

Probability = Annotated[float, Field(ge=0, le=1)]
DigitString = Annotated[str, StringConstraints(pattern=r"^[0-9]{0,64}$")]
Pixel = Annotated[int, Field(ge=0, le=255)]
Row = Annotated[list[Pixel], Field(min_length=28, max_length=28)]
Tile = Annotated[list[Row], Field(min_length=28, max_length=28)]


class ErrorDetail(BaseModel):
    """Status and message of an error."""

    status: int
    message: str = Field(description="One sentence")


class Error(BaseModel):
    """An error of any route outside the Open Inference Protocol."""

    error: ErrorDetail


class ProtocolError(BaseModel):
    """An error of the Open Inference Protocol."""

    error: str = Field(description="One sentence")


class Bounds(BaseModel):
    """A bounding box in pixels of the upright picture; the origin is the top left corner."""

    x: int
    y: int
    width: int
    height: int


class DigitRow(BaseModel):
    """One digit of a picture."""

    digit: int | None = Field(description="Null if the digit is too uncertain or was rejected")
    character: str = Field(
        description="The character in the text: ? if it is too uncertain which digit it is, empty "
        "if it was rejected"
    )
    confidence: Probability = Field(
        description="Probability of the most likely digit, among all classes"
    )
    probabilities: list[Probability] = Field(
        description="Probabilities of the digits 0 to 9, given that it is a digit"
    )
    class_probabilities: dict[str, Probability] = Field(
        description="Probabilities of each digit, each other kind of mark, and none"
    )
    box: list[int] = Field(description="Left, top, width, height in pixels of the upright picture")
    bounds: Bounds = Field(description="The same numbers with their names")
    line: int
    reason: str | None = Field(description="Why the digit was not read")
    tile: Tile | None = Field(None, description="Input of the network; with tiles=true")
    heat: list[list[float]] | None = Field(
        None,
        description="Heat map: how much the probability of the digit falls if a part of the tile "
        "is covered; with heat=true",
    )


class MarkRow(BaseModel):
    """A mark that is not a digit."""

    kind: str = Field(description="point, comma, dash, slash, plus or other")
    confidence: Probability
    box: list[int] = Field(description="Left, top, width, height in pixels of the upright picture")
    bounds: Bounds = Field(description="The same numbers with their names")
    line: int


class PictureRow(BaseModel):
    """The reading of a picture or page; only `file`, `page` and `error` if it cannot be read."""

    file: str | None
    page: int | None = Field(None, description="Number of the page of a document, from 1")
    error: str | None = None
    text: str | None = Field(
        None,
        description="Lines are separated by a newline; ? stands for a digit that is too uncertain",
    )
    confidence: Probability | None = None
    digits: list[DigitRow] | None = None
    marks: list[MarkRow] | None = Field(None, description="Marks that are not digits")
    notes: list[str] | None = None
    reason: str | None = Field(None, description="Why no digit was read")
    width: int | None = Field(None, description="Pixels of the upright picture")
    height: int | None = None


class Review(BaseModel):
    """The pictures to review."""

    folder: str
    open: list[str] = Field(description="Ids of the next pictures that nobody has reviewed")
    n_open: int = Field(description="Number of all of them")
    n_pictures: int = Field(description="Number of all pictures, reviewed ones included")


class ReviewDigit(BaseModel):
    """A digit of a picture to review."""

    character: str = Field(description="A digit, ? if it is uncertain, empty if it was rejected")
    confidence: Probability
    box: list[int] = Field(description="Left, top, width, height in pixels of the picture")
    reason: str | None = Field(description="Why the digit was not read")


class ReviewPicture(BaseModel):
    """A picture to review."""

    id: str
    address: str = Field(description="Path or address of the file")
    page: int | None = Field(description="Number of the page of a document, from 1")
    text: str = Field(description="What was read; ? stands for an uncertain digit")
    reason: str | None = Field(description="Why no digit was read")
    width: int
    height: int
    digits: list[ReviewDigit]
    reviewed: str | None = Field(description="What a person has read; null if nobody has")


class ReviewedText(BaseModel):
    """What a person reads in a picture."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: Annotated[str, StringConstraints(max_length=4_000, pattern=f"^{TEXT.pattern}$")] = Field(
        description="Lines of digits, with separators between them; empty if there are none"
    )


class Limits(BaseModel):
    """Limits on requests."""

    max_bytes: int
    max_pixels: int
    max_pictures: int
    max_pages: int


class Status(BaseModel):
    """Version, models and limits of the service."""

    version: str
    model: str = Field(description="Recipe of the network for tiles; its name under /v2")
    reader: str = Field(description="Recipe of the reader, which finds the digits")
    threshold: Probability = Field(description="Minimum confidence of a digit")
    corrections: bool = Field(description="Whether the service stores corrections")
    review: bool = Field(description="Whether the service has pictures to review")
    limits: Limits


class NewCorrection(BaseModel):
    """The correct label of a picture."""

    model_config = ConfigDict(extra="forbid")

    label: DigitString = Field(description="The correct digits; empty if there is no digit")
    read: DigitString = Field(description="The digits that the model read; empty if it read none")
    tile: Tile
    picture: str = Field(description="A PNG file in base64")


class EncodedPictures(BaseModel):
    """One picture or several, as text: a data URI, or the base64 text of a file."""

    model_config = ConfigDict(extra="forbid")

    image: str | None = Field(None, description="data:image/png;base64,… or base64 text")
    images: list[str] | None = Field(None, description="Several, instead of `image`")


class CorrectionId(BaseModel):
    """The id of a stored correction."""

    id: str


class KeptCorrection(BaseModel):
    """A stored correction."""

    id: str
    label: str
    read: str
    saved: str = Field(description="ISO 8601")


class Corrections(BaseModel):
    """All stored corrections."""

    folder: str
    corrections: list[KeptCorrection]


class GalleryItem(BaseModel):
    """A test image of MNIST."""

    index: int = Field(description="Position among the 10,000 test images")
    label: int
    png: str = Field(description="The tile as a PNG file in base64")
    read: int | None = Field(None, description="The digit that the model read; for mistakes")
    confidence: Probability | None = Field(None, description="Of the mistake")


class Gallery(BaseModel):
    """Test images, and the most confident mistakes of a model among all 10,000."""

    serving: str = Field(description="Recipe of the model that reads digits in this service")
    is_own: bool = Field(description="Whether the mistakes are those of this model")
    is_pending: bool = Field(description="Whether those of this model are being computed")
    model: str = Field(description="Recipe of the model whose mistakes these are")
    n_images: int
    n_mistakes: int
    samples: list[GalleryItem]
    mistakes: list[GalleryItem]


class InsideTile(BaseModel):
    """A tile to look inside the network with."""

    model_config = ConfigDict(extra="forbid")

    tile: Tile


class LayerRow(BaseModel):
    """What a layer of the network computed."""

    name: str = Field(description="Kind and number, such as Convolution 2")
    kind: str = Field(
        description="convolution, pooling, normalisation, activation, sum or dense",
    )
    activation: str | None = Field(description="As ONNX names it, such as Relu")
    window: list[int] | None = Field(description="Height and width of a convolution or pooling")
    strides: list[int] | None
    pooled: str | None = Field(description="What a pooling keeps: largest or mean")
    before: int | None = Field(description="Index of the layer before; null for the tile")
    shape: list[int] = Field(description="Number, height and width of the maps")
    low: float = Field(description="Value of the byte 0: the lowest of all maps, or 0")
    high: float = Field(description="Value of the byte 255: the highest of all maps, or 0")
    maps: str = Field(description="The maps, one byte for each value, in base64")
    strongest: int | None = Field(
        description="Map that answered most: that differs most from its answer to an empty tile"
    )
    peaks: list[list[int]] = Field(description="Row and column of that difference in each map")
    answers: list[float] = Field(description="The value there")
    changes: list[float] = Field(description="The difference there, 0 or more")
    patches: list[list[int]] | None = Field(
        description="Left, top, width and height of the pixels that the value there depends on; "
        "null for the whole tile"
    )


class Inside(BaseModel):
    """What happens inside the network for tiles."""

    model: str
    tile: Tile
    labels: list[str] = Field(description="Of each probability: 0 to 9, and none if it has that")
    probabilities: list[Probability]
    layers: list[LayerRow]


class FilterRow(BaseModel):
    """The weights of one map."""

    shape: list[int] = Field(description="Number, height and width of the kernels")
    high: float = Field(description="Largest absolute weight: value of the byte 255")
    kernels: str = Field(
        description="One byte for each weight, in base64; 128 is 0, 1 is the negative of `high`"
    )


class InferInput(BaseModel):
    """A tensor of tiles."""

    name: str = Field(pattern="^tiles$")
    datatype: str = Field(pattern="^UINT8$")
    shape: list[int] = Field(description="[n, 28, 28]", min_length=3, max_length=3)
    data: list[Any] | None = Field(None, description="Flat or nested integers from 0 to 255")
    parameters: dict[str, Any] | None = None


class InferOutput(BaseModel):
    """A requested output tensor."""

    name: str = Field(pattern="^probabilities$")
    parameters: dict[str, Any] | None = None


class Inference(BaseModel):
    """A request of the Open Inference Protocol."""

    id: str | None = None
    inputs: list[InferInput] = Field(min_length=1, max_length=1)
    outputs: list[InferOutput] | None = None
    parameters: dict[str, Any] | None = None


class InferAnswer(BaseModel):
    """A response of the Open Inference Protocol."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[dict[str, Any]]


# Routes receive these bodies with limits of their own, so FastAPI does not know them as parameters.
_references, _definitions = models_json_schema(
    [
        (NewCorrection, "validation"),
        (ReviewedText, "validation"),
        (Inference, "validation"),
        (EncodedPictures, "validation"),
        (InsideTile, "validation"),
    ],
    ref_template="#/components/schemas/{model}",
)
BODY_COMPONENTS: Final[dict[str, Any]] = _definitions["$defs"]
"""JSON schemas of the request bodies, for `components` of the OpenAPI document."""


def describe_body(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the `openapi_extra` of a route that parses a JSON body of this model itself."""
    content = {"application/json": {"schema": refer_to_body(model)}}
    return {"requestBody": {"required": True, "content": content}}


def refer_to_body(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the reference to the schema of a request body among `BODY_COMPONENTS`."""
    return _references[model, "validation"]


def describe_errors(
    *statuses: int, model: type[BaseModel] = Error
) -> dict[int | str, dict[str, Any]]:
    """Returns the `responses` of a route that answers with these error statuses."""
    return {status: {"model": model} for status in statuses}
