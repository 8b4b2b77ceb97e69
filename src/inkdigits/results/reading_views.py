"""How a reading is shown: in a notebook, in the viewer of the system, or as a matplotlib figure."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageShow

from inkdigits.errors import PictureFormatError, UsageError
from inkdigits.percentages import format_confidence
from inkdigits.presentation.figures import BLUE, GREY, RED, build_figure
from inkdigits.results.alphabet import DIGITS
from inkdigits.results.drawing import draw_boxes
from inkdigits.results.marks import NONE_NAME

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from inkdigits.results.marks import Digit
    from inkdigits.results.reading import Reading

_SHORTEST_PX: Final = 480
"""A picture is enlarged to this on a screen, so that its labels have room."""
_LONGEST_PX: Final = 1600
_MAX_PANELS: Final = 12
"""Most digits whose probabilities are drawn in one figure."""


def open_picture(reading: Reading) -> Image.Image:
    """Opens the picture of a reading as it is displayed, in mode RGB.

    Raises:
        PictureError: The picture was not kept, or its file is missing by now.
    """
    if reading.error is not None:
        raise reading.error
    if reading.picture is None:
        raise PictureFormatError(
            "picture: the reading has none: pass it to reading.with_picture(picture)"
        )
    return reading.picture.open()


def draw_for_screen(picture: Image.Image, reading: Reading) -> Image.Image:
    """Draws a picture with boxes at a size for screens: small ones enlarged, large ones shrunk.

    Args:
        picture: The picture as `open_picture` returns it.
        reading: The reading of the picture.
    """
    longest = max(picture.size)
    scale = min(max(1.0, _SHORTEST_PX / longest), _LONGEST_PX / longest)
    return draw_boxes(picture, reading, scale=scale)


def show_reading(reading: Reading) -> None:
    """Shows a reading, as `Reading.show` describes it."""
    notebook = sys.modules.get("IPython")
    shell = None if notebook is None else notebook.get_ipython()
    if hasattr(shell, "kernel"):  # a notebook, unlike IPython in a terminal
        from IPython.display import display

        display(reading)  # type: ignore[no-untyped-call]
        return
    drawn = draw_for_screen(open_picture(reading), reading)
    if not ImageShow.show(drawn, str(reading.source or "picture")):
        raise UsageError(
            "no viewer for pictures on this machine: write a file with reading.save('boxes.png')"
        )


def plot_reading(reading: Reading) -> Figure:
    """Draws a reading as a matplotlib figure, as `Reading.plot` describes it."""
    drawn = draw_for_screen(open_picture(reading), reading)
    shown = reading.digits[:_MAX_PANELS]
    columns = min(len(shown), 3)
    rows = math.ceil(len(shown) / columns) if columns else 1
    figure = build_figure(6 + 2.6 * columns, max(4.0, 1.9 * rows + 0.8))
    picture_part, *bars_part = figure.subfigures(
        1, 2 if columns else 1, squeeze=False, width_ratios=[6, 2.6 * columns][: 1 + bool(columns)]
    )[0]
    axes = picture_part.subplots()
    axes.imshow(drawn)
    axes.set_axis_off()
    title = reading.text.replace("\n", " / ") or f"no digit: {reading.reason}"
    if reading.text:
        title = f"{title}  ({format_confidence(reading.confidence, unit=' %')})"
    axes.set_title(title, fontsize=15, fontweight="bold")
    if bars_part:
        grid = list(bars_part[0].subplots(rows, columns, squeeze=False).flat)
        for panel, digit in zip(grid, shown, strict=False):
            _plot_probabilities(panel, digit)
        for panel in grid[len(shown) :]:
            panel.set_axis_off()
        if len(shown) < len(reading.digits):
            n = len(reading.digits)
            bars_part[0].supxlabel(f"the first {len(shown)} of {n} digits", color=GREY)
    return figure


def _plot_probabilities(axes: Axes, digit: Digit) -> None:
    """Draws the probabilities of the ten digits, all other marks together, and no mark."""
    shares = digit.class_probabilities
    values = [shares[name] for name in DIGITS]
    values += [1 - sum(values) - shares[NONE_NAME], shares[NONE_NAME]]
    colours = [GREY] * len(values)
    best = int(digit.probabilities.argmax())
    colours[best] = RED if digit.digit is None else BLUE
    axes.bar(range(len(values)), [100 * max(value, 0) for value in values], color=colours)
    axes.set_xticks(range(len(values)), [*DIGITS, "other mark", NONE_NAME])
    for label in axes.get_xticklabels()[len(DIGITS) :]:
        label.set_rotation(90)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 50, 100])
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    name = digit.character or "not a digit"
    axes.set_title(
        f"{name}  {format_confidence(digit.confidence, unit=' %')}",
        fontsize=11,
        color=colours[best],
    )
