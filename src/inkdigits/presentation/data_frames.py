"""Results as data frames of pandas, which is imported when the first one is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inkdigits.errors import MissingExtraError

if TYPE_CHECKING:
    from pandas import DataFrame

TEXT = "string"
"""Text in which None is missing: "007" stays text."""
WHOLE = "Int64"
"""Integers in which None is missing."""
REAL = "float64"
"""Floats in which None is NaN."""


def build_frame(rows: Sequence[Mapping[Any, Any]], columns: Mapping[Any, str]) -> DataFrame:
    """Returns a data frame.

    Args:
        rows: The rows. Keys that are no columns are left out; missing ones are missing values.
        columns: Name of each column and its pandas type, such as `TEXT`. An empty frame has the
            same types.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError(
            "data frames need pandas, which is not installed; run: pip install pandas"
        ) from error
    return pandas.DataFrame(
        {
            name: pandas.Series([row.get(name) for row in rows], dtype=kind)
            for name, kind in columns.items()
        }
    )
