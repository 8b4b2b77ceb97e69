"""Text tables for the terminal and for files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from rich.box import Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Only rows that end a section have a line below them.
_BOX: Final = Box("    \n" * 4 + "────\n" + "    \n" * 3)
_MAX_WIDTH: Final = 10_000
"""Wider than any table, so that no cell is cut or wrapped, whatever the terminal."""


def format_columns(
    rows: Sequence[Sequence[str] | None], align: str, *, min_widths: Sequence[int] = ()
) -> list[str]:
    """Lays out cells in columns, two spaces apart. A column is as wide as its longest cell.

    Args:
        rows: Cells of each row, header included. A row may have fewer cells than there are
            columns. None is a horizontal rule as wide as the table.
        align: One character for each column: "<" aligns it left, ">" right.
        min_widths: Minimum widths of the first columns, so that several tables can have the same
            columns.

    Returns:
        One line for each row, without trailing spaces.
    """
    table = Table(
        box=_BOX, show_header=False, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for number, side in enumerate(align):
        table.add_column(
            justify="right" if side == ">" else "left",
            no_wrap=True,
            min_width=min_widths[number] if number < len(min_widths) else None,
        )
    for row in rows:
        if row is None:
            table.add_section()
        else:
            table.add_row(*map(Text, row))  # as strings, cells would be parsed as markup
    text = io.StringIO()
    console = Console(
        # In a notebook, rich would display the table instead of writing it.
        file=text,
        width=_MAX_WIDTH,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
    )
    console.print(table)
    return [line.rstrip() for line in text.getvalue().splitlines()]
