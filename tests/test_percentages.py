from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkdigits.percentages import format_confidence, format_share


@pytest.mark.parametrize(
    ("share", "places", "expected"),
    [
        (0.0, 1, "0.0%"),
        (0.983, 1, "98.3%"),
        (0.9994, 1, "99.9%"),
        (0.99951, 1, "> 99.9%"),
        (0.99951, 2, "99.95%"),
        (0.999951, 2, "> 99.99%"),
        (0.996, 0, "> 99%"),
        (1.0, 1, "100.0%"),
        (1.0, 2, "100.00%"),
        (1.333, 1, "133.3%"),  # not a share, but not hidden either
        (float("nan"), 1, "nan%"),
    ],
)
def test_only_a_share_of_one_is_100_percent(share: float, places: int, expected: str) -> None:
    assert format_share(share, places) == expected


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(0, 4))
def test_a_confidence_is_never_100_percent(confidence: float, places: int) -> None:
    shown = format_confidence(confidence, places)

    assert not shown.startswith("100")
    assert float(shown.removeprefix("> ").removesuffix("%")) < 100


def test_figures_have_a_space_before_the_unit() -> None:
    assert format_confidence(1, unit=" %") == "> 99.9 %"
    assert format_share(0.5, unit=" %") == "50.0 %"
