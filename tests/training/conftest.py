from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.synthesis.pages import DrawnPage

SIDE = 256

Mark = tuple[tuple[float, float, float, float], int, float, bool]


@pytest.fixture(scope="session")
def make_page() -> Callable[..., DrawnPage]:
    """Makes a square page from marks: box, label, height of their digits, whether they are sure."""

    def make(*marks: Mark, picture: NDArray[np.uint8] | None = None) -> DrawnPage:
        boxes, labels, heights, sure = zip(*marks, strict=True) if marks else ((), (), (), ())
        return DrawnPage(
            np.full((SIDE, SIDE), 200, np.uint8) if picture is None else picture,
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(labels, np.int64),
            np.array(heights, np.float32),
            np.array(sure, np.bool_),
        )

    return make


@pytest.fixture(scope="session")
def blocks(make_page: Callable[..., DrawnPage]) -> DrawnPage:
    """Four dark blocks on light paper, each a digit, of which the last one is not sure."""
    picture = np.full((SIDE, SIDE), 220, np.uint8)
    marks = []
    for index, x in enumerate((20, 80, 140, 200)):
        picture[100:140, x : x + 24] = 20 + 40 * index
        marks.append(((float(x), 100.0, 24.0, 40.0), index, 40.0, index != 3))
    return make_page(*marks, picture=picture)
