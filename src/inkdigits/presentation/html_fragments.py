"""HTML of results for notebooks: tables, bars and pictures, without style sheets and scripts.

A notebook may be light or dark, and sanitises what it shows. So all styles are inline, text has the
colour of the notebook, and other colours contrast with both backgrounds.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

READ: Final = "#2b8fd0"
REJECTED: Final = "#d55e00"
_TRACK: Final = "rgba(128,128,128,.25)"
_LINE: Final = "rgba(128,128,128,.45)"
_MAX_PNG_PIXELS: Final = 120_000
"""Larger pictures are embedded as JPEG, a tenth of the bytes of a photograph."""


class Html(str):
    """Text that is HTML already, unlike text that `render_table` must escape."""

    __slots__ = ()


def render_block(title: str, *parts: str) -> str:
    """Returns a result: a title in bold, and its parts below each other.

    Args:
        title: Plain text.
        parts: HTML.
    """
    return (
        f'<div style="font-size:13px;line-height:1.5"><div style="font-weight:bold;margin:4px 0">'
        f"{escape(title)}</div>{''.join(parts)}</div>"
    )


def render_note(text: str) -> Html:
    """Returns a line of plain text as HTML."""
    return Html(f'<div style="margin:4px 0">{escape(text)}</div>')


def render_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """Returns a table, with numbers and text aligned left.

    Args:
        header: Title of each column; all empty leave the header out.
        rows: Cells: plain text, or HTML as `Html`.
    """
    cell = (
        f"text-align:left;vertical-align:middle;padding:2px 10px 2px 0;border:0;"
        f"border-bottom:1px solid {_LINE};background:transparent;color:inherit"
    )
    head = "".join(f'<th scope="col" style="{cell}">{escape(name)}</th>' for name in header)
    body = "".join(
        '<tr style="background:transparent">'
        + "".join(f'<td style="{cell}">{_to_html(text)}</td>' for text in row)
        + "</tr>"
        for row in rows
    )
    top = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
    return Html(
        '<table style="border-collapse:collapse;border:0;margin:4px 0;font-size:13px;'
        'color:inherit">'
        f"{top}<tbody>{body}</tbody></table>"
    )


def render_bar(share: float, text: str, *, colour: str = READ, width: int = 80) -> Html:
    """Returns a bar with its value beside it.

    Args:
        share: Length of the bar, 0 to 1 of its track.
        text: The value as plain text.
        colour: Colour of the bar in CSS.
        width: Width of the track in pixels.
    """
    filled = round(width * min(max(share, 0.0), 1.0))
    return Html(
        f'<span style="display:inline-block;vertical-align:middle;width:{width}px;height:9px;'
        f'background:{_TRACK};border-radius:2px;overflow:hidden"><span style="display:block;'
        f'width:{filled}px;height:9px;background:{colour}"></span></span> '
        f'<span style="font-variant-numeric:tabular-nums">{escape(text)}</span>'
    )


def render_picture(image: Image.Image, description: str, *, height: int | None = None) -> Html:
    """Returns a picture whose bytes are part of the HTML.

    Args:
        image: An RGB image.
        description: What it shows, for people who cannot see it.
        height: Height on the screen in pixels; None: its own, at most as wide as the notebook.
    """
    file = io.BytesIO()
    is_small = image.width * image.height <= _MAX_PNG_PIXELS
    if is_small:
        image.save(file, "PNG")
    else:
        image.save(file, "JPEG", quality=88)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    size = "max-width:100%;height:auto" if height is None else f"height:{height}px;width:auto"
    return Html(
        f'<img alt="{escape(description)}" style="display:block;margin:2px 0;{size}" '
        f'src="data:image/{"png" if is_small else "jpeg"};base64,{data}">'
    )


def _to_html(text: str) -> str:
    return str(text) if isinstance(text, Html) else escape(text).replace("\n", "<br>")
