"""What requests and answers look like, for the description of the API."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Share = Annotated[float, Field(ge=0, le=1)]
Written = Annotated[str, StringConstraints(pattern=r"^[0-9]{0,64}$")]
Pixel = Annotated[int, Field(ge=0, le=255)]
Row = Annotated[list[Pixel], Field(min_length=28, max_length=28)]
Tile = Annotated[list[Row], Field(min_length=28, max_length=28)]


class ErrorDetail(BaseModel):
    """What went wrong."""

    status: int
    message: str = Field(description="One sentence")


class Error(BaseModel):
    """Every answer that is no success, but for those of the Open Inference Protocol."""

    error: ErrorDetail


class ProtocolError(BaseModel):
    """An answer of the Open Inference Protocol that is no success."""

    error: str = Field(description="One sentence")


class DigitRow(BaseModel):
    """One digit of a picture."""

    digit: int | None = Field(description="Null where it is too uncertain or was refused")
    character: str = Field(
        description="What stands for it in the text: ? where it is too uncertain to say which "
        "digit it is, empty where it was refused"
    )
    confidence: Share = Field(
        description="Probability of the most likely digit, other marks and none being possible"
    )
    probabilities: list[Share] = Field(
        description="Of the digits 0 to 9, given that it is one of them"
    )
    class_probabilities: dict[str, Share] = Field(
        description="Of each digit, of each other kind of mark, and of none"
    )
    box: list[int] = Field(description="Left, top, width, height in pixels of the upright picture")
    line: int
    reason: str | None = Field(description="Why it was not read")
    tile: Tile | None = Field(None, description="What the network saw; with tiles=true")
    heat: list[list[float]] | None = Field(
        None,
        description="How much the probability of the digit falls where a place is covered; "
        "with heat=true",
    )


class MarkRow(BaseModel):
    """A mark that is no digit."""

    kind: str = Field(description="point, comma, dash, slash, plus or other")
    confidence: Share
    box: list[int] = Field(description="Left, top, width, height in pixels of the upright picture")
    line: int


class PictureRow(BaseModel):
    """One picture; of one among several that cannot be read only `file` and `error`."""

    file: str | None
    error: str | None = None
    text: str | None = Field(
        None,
        description="Lines are separated by a newline; ? stands for a digit that is too uncertain",
    )
    confidence: Share | None = None
    digits: list[DigitRow] | None = None
    marks: list[MarkRow] | None = Field(None, description="Marks that are no digits")
    notes: list[str] | None = None
    reason: str | None = Field(None, description="Why nothing was read")
    width: int | None = Field(None, description="Of the upright picture in pixels")
    height: int | None = None


class Limits(BaseModel):
    """What is taken."""

    max_bytes: int
    max_pixels: int
    max_pictures: int


class Status(BaseModel):
    """What the service is."""

    version: str
    model: str = Field(description="Name of the recipe of the network for tiles, as under /v2")
    reader: str = Field(description="Name of the recipe of the reader, which finds the digits")
    threshold: Share = Field(description="Least probability of a digit that is read")
    corrections: bool = Field(description="Whether corrections are kept")
    limits: Limits


class NewCorrection(BaseModel):
    """What a picture really shows."""

    model_config = ConfigDict(extra="forbid")

    label: Written = Field(description="The digits that are written; empty where none is")
    read: Written = Field(description="What was read; empty where nothing was")
    tile: Tile
    picture: str = Field(description="A PNG file in base64")


class CorrectionId(BaseModel):
    """By which a correction is deleted."""

    id: str


class KeptCorrection(BaseModel):
    """A correction that is kept."""

    id: str
    label: str
    read: str
    saved: str = Field(description="ISO 8601")


class Corrections(BaseModel):
    """All that are kept."""

    folder: str
    corrections: list[KeptCorrection]


class InferInput(BaseModel):
    """A tensor of tiles."""

    name: str = Field(pattern="^tiles$")
    datatype: str = Field(pattern="^UINT8$")
    shape: list[int] = Field(description="[n, 28, 28]", min_length=3, max_length=3)
    data: list[Any] | None = Field(None, description="Flat or nested integers from 0 to 255")
    parameters: dict[str, Any] | None = None


class InferOutput(BaseModel):
    """A tensor that is wanted."""

    name: str = Field(pattern="^probabilities$")
    parameters: dict[str, Any] | None = None


class Inference(BaseModel):
    """A request of the Open Inference Protocol."""

    id: str | None = None
    inputs: list[InferInput] = Field(min_length=1, max_length=1)
    outputs: list[InferOutput] | None = None
    parameters: dict[str, Any] | None = None


class InferAnswer(BaseModel):
    """An answer of the Open Inference Protocol."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[dict[str, Any]]
