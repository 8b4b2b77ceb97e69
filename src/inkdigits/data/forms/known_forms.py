"""Finds out in which form a data set is at a path."""

from __future__ import annotations

from pathlib import Path

from inkdigits.data.datasets import DIGITS, Classes
from inkdigits.data.forms.csv_tables import find_csv_tables
from inkdigits.data.forms.form import Form
from inkdigits.data.forms.idx_files import find_idx_files
from inkdigits.data.forms.npz_files import find_npz_files
from inkdigits.data.forms.parquet_files import find_parquet_files
from inkdigits.data.forms.tile_folders import find_tile_folders
from inkdigits.errors import DataFormatError, DataUnavailableError

_FINDERS = (
    find_idx_files,
    find_npz_files,
    find_csv_tables,
    find_parquet_files,
    find_tile_folders,
)
_EXPECTED = (
    "expected IDX files (train-images-idx3-ubyte, …), mnist.npz, torchvision's root, train.csv, "
    "train-….parquet, or folders 0 to 9 of tiles"
)
_N_SHOWN = 5


def find_form(path: Path, classes: Classes = DIGITS) -> Form:
    """Finds the data set at a path, without loading it.

    Args:
        path: A file, or a folder. IDX files that lie in the folder itself come first; of all other
            forms, only one may be there.
        classes: What its labels stand for.

    Raises:
        DataUnavailableError: There is nothing at the path, it cannot be read, or parts are missing.
        DataFormatError: No known form is at the path, or several are.
    """
    try:
        if not path.exists():
            raise DataUnavailableError(describe_missing(path))
        forms = []
        for find in _FINDERS:
            forms += find(path, classes)
            if forms and forms[0].path == path and find is find_idx_files:
                return forms[0]
        found = "" if forms else _describe(path)
    except OSError as error:
        if isinstance(error, DataUnavailableError):
            raise
        raise DataUnavailableError(
            f"{path} cannot be read ({error.strerror}): check its permissions"
        ) from error
    if not forms:
        raise DataFormatError(f"no known data in {path}: found {found}; {_EXPECTED}")
    if len(forms) > 1:
        names = ", ".join(f"{form.path} ({form.name})" for form in forms)
        raise DataFormatError(f"{path} contains several data sets: give one of {names}")
    return forms[0]


def describe_missing(path: Path) -> str:
    """Returns the message for a path at which there is nothing."""
    return (
        f"no such {'file' if path.suffix else 'folder'}: {path}; name data that exist, or leave "
        "--data out for MNIST"
    )


def _describe(path: Path) -> str:
    """Returns in a few words what is at a path."""
    if not path.is_dir():
        return f"a file of {path.stat().st_size:,} bytes"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
    if not names:
        return "an empty folder"
    rest = len(names) - _N_SHOWN
    return ", ".join(names[:_N_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
