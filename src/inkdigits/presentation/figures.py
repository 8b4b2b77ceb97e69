"""Empty matplotlib figures, and the colours that all figures share.

The figures do not use pyplot, so they work in a server or a thread, and no window opens. The
colours are those of Okabe and Ito (2008), which colour-blind people can distinguish.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from inkdigits.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE: Final = "#0072B2"
RED: Final = "#D55E00"
GREY: Final = "#595959"


def build_figure(width_in: float, height_in: float) -> Figure:
    """Returns an empty white figure.

    Args:
        width_in: Width in inches.
        height_in: Height in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise MissingExtraError(
            'plots need matplotlib, which is not installed; run: pip install "inkdigits[plot]"'
        ) from error
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    return Figure(figsize=(width_in, height_in), layout=layout, facecolor="white")
