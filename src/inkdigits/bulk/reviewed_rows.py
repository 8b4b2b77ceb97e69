"""Writes what people typed in a review folder into the data set of a batch."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias, cast

from inkdigits.bulk.dataset import BatchFormat, encode_part, open_parts
from inkdigits.bulk.rows import Row
from inkdigits.bulk.storage import OutputFolder, make_absolute
from inkdigits.errors import DataFormatError, DataUnavailableError
from inkdigits.results.review_folder import ReviewFolder

NO_DIGIT: Final = "reviewed: no digit"
"""The reason of a row in which a person found no digit."""

Texts: TypeAlias = Mapping[tuple[str, int | None], str]


def apply_review(review: str | os.PathLike[str], output: str | os.PathLike[str]) -> int:
    """Writes what people typed in a review folder into the data set of a batch.

    The rows get the typed `text`, and `reviewed` is true; `digits` and `confidence` stay those of
    the network. Each part is replaced as a whole. Applied again, it changes only what was typed
    since.

    Args:
        review: The folder of the review.
        output: Path or address of the data set.

    Returns:
        The number of rows that changed.

    Raises:
        DataUnavailableError: There is no review in the folder.
        UsageError: There is no batch in `output`.
        DataFormatError: The review or a part is damaged.
        OutputExistsError: Another process writes to the data set.
        OutputError: A part cannot be written. The others are complete.
    """
    folder = Path(review)
    if not (folder / "items").is_dir():
        raise DataUnavailableError(
            f"no pictures to review in {folder}: expected a folder that 'inkdigits batch --review' "
            "has written"
        )
    texts = ReviewFolder(folder).load_texts()
    with open_parts(make_absolute(os.fspath(output))) as (parts, names):
        return sum(_change_part(parts, name, texts) for name in names)


def _change_part(parts: OutputFolder, name: str, texts: Texts) -> int:
    """Changes the rows of a part, and returns how many changed."""
    row_format = cast(BatchFormat, name.rpartition(".")[2])
    try:
        rows = _DECODERS[row_format](parts.read(name))
        changed = [row for row in rows if _change_row(row, texts)]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataFormatError(
            f"{parts.address}/{name} is damaged: remove it, and read its pictures again "
            "with --resume"
        ) from error
    if changed:
        parts.write(name, encode_part(row_format, rows))
    return len(changed)


def _change_row(row: Row, texts: Texts) -> bool:
    page = row["page"]
    text = texts.get((row["address"], int(page) if page not in (None, "") else None))
    if text is None:
        return False
    reviewed = {"text": text, "reason": None if text else NO_DIGIT, "reviewed": True}
    before = {name: row[name] for name in reviewed}
    row.update(reviewed)
    shown = {**reviewed, "reason": reviewed["reason"] or "", "reviewed": "True"}
    return before not in (reviewed, shown)  # CSV has only text


def _decode_parquet(content: bytes) -> list[Row]:
    from pyarrow import parquet

    rows: list[Row] = parquet.read_table(io.BytesIO(content)).to_pylist()
    return rows


def _decode_csv(content: bytes) -> list[Row]:
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    return [{**row, "digits": json.loads(row["digits"])} for row in rows]


def _decode_jsonl(content: bytes) -> list[Row]:
    return [json.loads(line) for line in content.splitlines()]


_DECODERS: Final[Mapping[BatchFormat, Callable[[bytes], list[Row]]]] = {
    "parquet": _decode_parquet,
    "csv": _decode_csv,
    "jsonl": _decode_jsonl,
}
