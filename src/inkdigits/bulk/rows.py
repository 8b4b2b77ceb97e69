"""The rows of a batch: one for each picture or page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from inkdigits.results.reading import Reading

Row: TypeAlias = dict[str, Any]
"""A row, with the keys of `COLUMNS`."""

COLUMNS: Final = (
    *("address", "page", "text", "confidence", "digits", "reason", "error", "milliseconds"),
    *("model", "reviewed"),
)
"""Columns of the data set.

- `address`: path or address of the picture. In a zip or tar file: zip://NAME::ARCHIVE; in a Parquet
  file: FILE#ROW, counted from 0.
- `page`: number of the page in its document, from 1; null for pictures without pages.
- `text`, `confidence`, `reason`: as those of a `Reading`; null if the picture could not be read.
- `digits`: a list of structs of `digit` (null if uncertain or rejected), `box` (x, y, width, height
  in pixels), `confidence` and `reason`.
- `error`: why the picture could not be read; null if it was.
- `milliseconds`: time of decoding and reading.
- `model`: SHA-256 of the model.
- `reviewed`: whether a person has typed `text`, see `inkdigits.bulk.reviewed_rows`.
"""


def build_row(
    address: str, page: int | None, reading: Reading, milliseconds: float, model: str
) -> Row:
    """Returns the row of a picture or page.

    Args:
        address: Address of the file.
        page: Number of the page, from 1; None for pictures without pages.
        reading: What was read, or a reading with an error.
        milliseconds: Time of decoding and reading.
        model: SHA-256 of the model.
    """
    is_read = reading.error is None
    fields = reading.to_json()
    return {
        "address": address,
        "page": page,
        "text": fields["text"] if is_read else None,
        "confidence": fields["confidence"] if is_read else None,
        "digits": [
            {name: digit[name] for name in ("digit", "box", "confidence", "reason")}
            for digit in fields["digits"]
        ],
        "reason": fields["reason"] if is_read else None,
        "error": str(reading.error) if reading.error is not None else None,
        "milliseconds": round(milliseconds, 1),
        "model": model,
        "reviewed": False,
    }


def build_schema() -> Any:
    """Returns the schema of the rows for pyarrow, which must be installed."""
    import pyarrow

    digit = pyarrow.struct(
        [
            ("digit", pyarrow.int8()),
            ("box", pyarrow.list_(pyarrow.int32())),
            ("confidence", pyarrow.float64()),
            ("reason", pyarrow.string()),
        ]
    )
    return pyarrow.schema(
        [
            pyarrow.field("address", pyarrow.string(), nullable=False),
            ("page", pyarrow.int32()),
            ("text", pyarrow.string()),
            ("confidence", pyarrow.float64()),
            pyarrow.field("digits", pyarrow.list_(digit), nullable=False),
            ("reason", pyarrow.string()),
            ("error", pyarrow.string()),
            ("milliseconds", pyarrow.float64()),
            pyarrow.field("model", pyarrow.string(), nullable=False),
            pyarrow.field("reviewed", pyarrow.bool_(), nullable=False),
        ]
    )
