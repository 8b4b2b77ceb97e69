"""The option `digits`, and `one_digit`, which it replaces."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inkdigits
from inkdigits.errors import PictureError, UsageError
from inkdigits.recognition import Reading, Recognizer

# Four digits. One of the two in the middle is read if exactly one is expected.
PICTURE = Path(__file__).parents[1] / "samples" / "1984-on-ruled-paper.jpg"
BLANK = np.full((40, 40), 255, np.uint8)


def read_many(readings: Iterator[Reading | PictureError]) -> str:
    (reading,) = readings
    assert isinstance(reading, Reading)
    return reading.text


CALLS: dict[str, Callable[..., Any]] = {
    "predict": lambda **options: inkdigits.predict(PICTURE, **options).text,
    "predict a list": lambda **options: inkdigits.predict([PICTURE], **options).text,
    "read": lambda **options: Recognizer.load().read(PICTURE, **options).text,
    "read_many": lambda **options: read_many(Recognizer.load().read_many([PICTURE], **options)),
    "read_each": lambda **options: next(Recognizer.load().read_each([PICTURE], **options)).text,
}


@pytest.mark.parametrize("call", CALLS)
def test_one_digit_is_read_on_request(call: str) -> None:
    assert CALLS[call]() == CALLS[call](digits="all") == "1984"
    assert CALLS[call](digits="one") in ("9", "8")


@pytest.mark.parametrize("call", CALLS)
def test_the_former_option_works_with_a_warning(call: str) -> None:
    with pytest.warns(DeprecationWarning, match="one_digit=True is deprecated") as warnings:
        found = CALLS[call](one_digit=True)

    assert found == CALLS[call](digits="one")
    (warning,) = warnings
    assert str(warning.message) == 'one_digit=True is deprecated: use digits="one"'
    assert warning.filename == __file__  # the line of the caller
    with pytest.warns(DeprecationWarning, match='use digits="all"'):
        assert CALLS[call](one_digit=False) == "1984"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("digits", ["any", "two", 1, None, True])
def test_any_other_value_is_one_line(call: str, digits: object) -> None:
    with pytest.raises(UsageError) as caught:
        CALLS[call](digits=digits)

    assert str(caught.value) == f"invalid digits {digits!r}: expected 'all' or 'one'"


def test_contradictions_are_rejected() -> None:
    with (
        pytest.warns(DeprecationWarning, match='use digits="all"'),
        pytest.raises(UsageError, match="digits='one' contradicts one_digit=False"),
    ):
        inkdigits.predict(BLANK, digits="one", one_digit=False)


def test_evaluations_have_the_same_option(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "blank.png").write_bytes(PICTURE.with_name("7-canvas.png").read_bytes())

    with pytest.warns(DeprecationWarning, match='use digits="one"'):
        former = inkdigits.evaluation.evaluate_pictures(tmp_path, one_digit=True)

    found = inkdigits.evaluation.evaluate_pictures(tmp_path, digits="one")
    assert found.to_json() == former.to_json()
    with pytest.raises(UsageError, match=re.escape("invalid digits 'two': expected 'all' or")):
        inkdigits.evaluate(pictures=tmp_path, digits="two")  # type: ignore[call-overload]
