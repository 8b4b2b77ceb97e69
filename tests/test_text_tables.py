from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.text_tables import format_columns

CELLS = st.text(string.ascii_letters + string.digits + "[]", max_size=12)


def test_columns_are_aligned_left_and_right() -> None:
    rows = [["name", "n", "note"], None, ["shear", "1,000", "a"], ["漢字", "5"], [], ["[b]", "7"]]

    assert format_columns(rows, "<><") == [
        "name       n  note",
        "──────────────────",
        "shear  1,000  a",
        "漢字       5",  # each of these characters is two columns wide
        "",
        "[b]        7",
    ]


def test_min_widths_give_several_tables_the_same_columns() -> None:
    assert format_columns([["a", "b"]], "<>", min_widths=(4,)) == ["a     b"]
    assert format_columns([["abcdef", "b"]], "<>", min_widths=(4,)) == ["abcdef  b"]


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=8))
def test_cells_of_a_column_end_at_the_same_place(rows: list[list[str]]) -> None:
    lines = format_columns(rows, ">>>")
    widths = [max(len(row[column]) for row in rows) for column in range(3)]

    for line, row in zip(lines, rows, strict=True):
        cells = zip(row, widths, strict=True)
        assert line == "  ".join(f"{cell:>{width}}" for cell, width in cells).rstrip()


@pytest.mark.parametrize("columns", ["20", "1000"])
def test_the_terminal_does_not_matter(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")

    assert format_columns([["a" * 90, "b"]], "<<") == ["a" * 90 + "  b"]
