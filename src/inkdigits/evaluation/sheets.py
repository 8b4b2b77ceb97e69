"""Contact sheets of mistakes: for each kind, the labelled pictures in which it occurs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from PIL import Image

from inkdigits.errors import UsageError
from inkdigits.evaluation.labelled_pictures import PictureEvaluation, PictureResult
from inkdigits.evaluation.mistakes import MISTAKE_KINDS
from inkdigits.pictures.decoding import DecodingLimits, decode_picture
from inkdigits.presentation.figures import BLUE, build_figure
from inkdigits.results.reading_views import draw_for_screen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS: Final = 4
_CELL_PX: Final = 480
"""Longest side of a drawn picture. A panel is this wide at 150 dots per inch, so more pixels would
only cost memory."""
_LONGEST_TEXT: Final = 22
"""Number of characters that fit above a panel at the font size of its title."""


def plot_mistake_sheet(
    evaluation: PictureEvaluation,
    kind: str,
    *,
    n: int = 40,
    limits: DecodingLimits | None = None,
) -> Figure:
    """Draws the pictures in which one kind of mistake occurs, highest confidence first.

    Args:
        evaluation: The evaluation. Its picture files must still exist.
        kind: A key of `MISTAKE_KINDS`.
        n: Maximum number of pictures to draw.
        limits: Limits for decoding the pictures; None takes those of `Recognizer.load`.

    Returns:
        A figure with a grid of pictures, with bounding boxes around the digits read. Each panel
        shows the label, the reading and the file name. If the mistake does not occur, the figure
        says so.

    Raises:
        MissingExtraError: matplotlib is not installed.
        PictureError: A file that was decoded before can no longer be decoded.
        UsageError: The kind is unknown, or `n` is less than 1.
    """
    if kind not in MISTAKE_KINDS:
        raise UsageError(
            f"unknown kind of mistake {kind!r}: expected one of {', '.join(MISTAKE_KINDS)}"
        )
    if n < 1:
        raise UsageError(f"n is {n}: expected 1 or more pictures to draw")
    made = [result for result in evaluation.results if kind in result.mistakes]
    # Mistakes with high confidence are the worst. Pictures without a confidence come last.
    made.sort(key=lambda result: -(result.lowest_confidence or 0))
    title = f"{kind}: {MISTAKE_KINDS[kind]}"
    count = f"{len(made):,} of {len(evaluation.results):,} pictures"
    if not made:
        figure = build_figure(8, 3)
        text = f"{title}\nin none of {len(evaluation.results):,} pictures"
        figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=18, color=BLUE)
        return figure
    shown = made[:n]
    which = f", the first {len(shown):,}" if len(shown) < len(made) else ""
    rows = math.ceil(len(shown) / _COLUMNS)
    figure = build_figure(3.2 * _COLUMNS, 3.1 * rows + 0.8)
    figure.suptitle(f"{title}\n{count}{which}", fontsize=17, fontweight="bold")
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    _draw_panels(list(grid.flat), shown, limits or DecodingLimits())
    return figure


def _draw_panels(
    grid: Sequence[Axes], results: Sequence[PictureResult], limits: DecodingLimits
) -> None:
    for axes in grid[len(results) :]:
        axes.set_axis_off()
    for axes, result in zip(grid, results, strict=False):
        label = _shorten(result.picture.label) or "no digit"
        read = _shorten(result.text) or ("no picture" if result.error else "nothing")
        axes.set_title(f"{label} → {read}", fontsize=12, fontweight="bold")
        axes.set_xlabel(_shorten(result.picture.path.name, 2 * _LONGEST_TEXT), fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set(color="#BBBBBB")
        if result.reading is None:
            axes.set_box_aspect(0.6)
            continue
        pixels = decode_picture(result.picture.path, limits).pixels
        drawn = draw_for_screen(Image.fromarray(pixels), result.reading)
        drawn.thumbnail((_CELL_PX, _CELL_PX), Image.Resampling.LANCZOS)
        axes.imshow(drawn)


def _shorten(text: str, longest: int = _LONGEST_TEXT) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
