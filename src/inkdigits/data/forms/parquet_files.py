"""Parquet files as Hugging Face's `mnist` has them: the columns image {bytes, path} and label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from inkdigits.data.datasets import DIGITS, Classes
from inkdigits.data.folder import MAX_RAW_BYTES
from inkdigits.data.forms.form import (
    PARTS,
    Form,
    Part,
    assign_parts,
    build_labelled,
    check_count,
    find_part,
)
from inkdigits.data.forms.tile_pictures import decode_tile
from inkdigits.data.labelled_images import LabelledImages
from inkdigits.errors import DataFormatError, DataUnavailableError, MissingExtraError

_FOLDERS = (".", "mnist", "data")  # below the root of a data set on Hugging Face
_BATCH_ROWS = 1_024


def find_parquet_files(path: Path, classes: Classes = DIGITS) -> list[Form]:
    """Finds Parquet files: the path itself, or those of a folder whose names say train or test.

    A part can consist of several files, such as train-00000-of-00002.parquet, which are read in
    the order of their names.
    """
    if path.is_file():
        if path.suffix.lower() != ".parquet":
            return []
        return [_build_form(path, {part: [path] for part in assign_parts(path)}, classes)]
    forms = []
    for folder in (path / name for name in _FOLDERS):
        parts: dict[Part, list[Path]] = {}
        for part in PARTS:
            files = [file for file in folder.glob("*.parquet") if find_part(file.stem) == part]
            files += (folder / part).glob("*.parquet")
            if files:
                parts[part] = sorted(files)
        if parts:
            forms.append(_build_form(folder, parts, classes))
    return forms


def _build_form(path: Path, parts: dict[Part, list[Path]], classes: Classes) -> Form:
    readers = {part: partial(_read, files, classes) for part, files in parts.items()}
    return Form("Parquet files", path, readers)


def _read(files: Sequence[Path], classes: Classes) -> LabelledImages:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingExtraError(
            f"{files[0]} is a Parquet file, but pyarrow is not installed: "
            'pip install "inkdigits[formats]"'
        ) from error
    images: list[Any] = []
    labels: list[Any] = []
    for path in files:
        try:
            if path.stat().st_size > MAX_RAW_BYTES:
                raise DataFormatError(
                    f"{path} has more than {MAX_RAW_BYTES:,} bytes, the maximum: split it"
                )
            # Limits for what a damaged or hostile file may claim about its own structure.
            with parquet.ParquetFile(
                path,
                thrift_string_size_limit=2**24,
                thrift_container_size_limit=2**20,
                page_checksum_verification=True,
            ) as file:
                for content, label in _list_rows(file, path, len(labels)):
                    images.append(decode_tile(content, f"row {len(labels)} of {path}"))
                    labels.append(label)
        except DataFormatError:
            raise
        except (ArrowException, ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataFormatError(
                f"{path} is a damaged Parquet file ({reason}): download it again"
            ) from error
        except OSError as error:
            if error.strerror is None:  # pyarrow's own errors about the content
                reason = str(error).splitlines()[0]
                raise DataFormatError(
                    f"{path} is a damaged Parquet file ({reason}): download it again"
                ) from error
            raise DataUnavailableError(
                f"{path} cannot be read ({error.strerror}): check the file and its permissions"
            ) from error
    check_count(len(images), str(files[0]))
    name = str(files[0])
    return build_labelled(np.stack(images), np.array(labels), name, name, classes)


def _list_rows(file: Any, path: Path, n_before: int) -> Iterator[tuple[bytes, int]]:
    """Yields the picture and the label of each row. Sizes are checked before rows are read."""
    from pyarrow import types

    schema = file.schema_arrow
    columns = {name: schema.field(name).type for name in schema.names}
    image, label = columns.get("image"), columns.get("label")
    is_image = image is not None and types.is_struct(image) and image.get_field_index("bytes") >= 0
    if not is_image or label is None or not types.is_integer(label):
        shown = ", ".join(f"{name} ({kind})" for name, kind in list(columns.items())[:4])
        raise DataFormatError(
            f"{path} has the columns {shown[:120]}; expected image (struct of bytes and path) and "
            "label (integer), as Hugging Face's mnist has them"
        )
    metadata = file.metadata
    check_count(n_before + metadata.num_rows, str(path))
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    if sum(group.total_byte_size for group in groups) > MAX_RAW_BYTES:
        raise DataFormatError(
            f"{path} has more than {MAX_RAW_BYTES:,} bytes when uncompressed, the maximum: split it"
        )
    row = n_before
    for batch in file.iter_batches(_BATCH_ROWS, columns=["image", "label"]):
        for picture, digit in zip(
            batch["image"].to_pylist(), batch["label"].to_pylist(), strict=True
        ):
            content = None if picture is None else picture["bytes"]
            if not isinstance(content, bytes) or digit is None:
                raise DataFormatError(
                    f"row {row} of {path} has no image or no label, expected both: remove the row"
                )
            yield content, digit
            row += 1
