from __future__ import annotations

import json
import statistics
from collections.abc import Callable

import numpy as np
import pytest

from inkdigits.errors import PictureError
from inkdigits.evaluation.suite_result import PictureRow, SuiteResult, SuiteRow, read_row
from inkdigits.recognition import DecodingLimits, Recognizer
from inkdigits.results.alphabet import POINT

ROWS = (SuiteRow("shear", 200, 151, 190), SuiteRow("dotted_line", 10_000, 9_999))
RESULT = SuiteResult("corruptions", ROWS, clean=SuiteRow("clean", 10, 10, 9), second="classify")
SINGLE = SuiteResult("digits8x8", (SuiteRow("digits8x8", 4, 3),))


def test_result_as_numbers() -> None:
    values = json.loads(json.dumps(RESULT.to_json()))

    assert [row["accuracy"] for row in values["rows"]] == [0.755, 0.9999]
    assert [row["classify"] for row in values["rows"]] == [0.95, None]
    assert [row["name"] for row in values["rows"]] == ["shear", "dotted_line"]
    assert values["clean"] == {"name": "clean", "n": 10, "accuracy": 1, "classify": 0.9}
    # The clean row does not count, and each other row counts alike.
    assert values["mean"] == RESULT.mean == statistics.fmean([0.755, 0.9999])
    assert values["classify_mean"] == RESULT.second_mean == 0.95
    assert SINGLE.to_json() == {
        "suite": "digits8x8",
        "mean": 0.75,
        "clean": None,
        "rows": [{"name": "digits8x8", "n": 4, "accuracy": 0.75}],
    }


def test_result_as_table() -> None:
    lines = RESULT.to_table().splitlines()

    assert max(map(len, lines)) <= 70
    heads = ["corruptions", "Accuracy", "95", "%", "interval", "Mistakes", "of", "classify"]
    assert lines[0].split() == heads
    (clean,) = (line for line in lines if line.startswith("clean"))
    (shear,) = (line for line in lines if line.startswith("shear"))
    (dotted,) = (line for line in lines if line.startswith("dotted_line"))
    assert clean.split()[1] == "100.00"
    assert shear.split()[-4:] == ["49", "200", "95.00", "%"]
    assert dotted.split()[1] == "99.99"
    assert dotted.split()[-2:] == ["1", "10,000"]
    assert lines[-1].split() == ["mean", "87.75", "%", "95.00", "%"]
    # Shares stand below each other.
    assert shear.rindex("%") == clean.rindex("%") == lines[-1].rindex("%")
    single = SINGLE.to_table()
    assert max(map(len, single.splitlines())) <= 60
    assert "mean" not in single
    assert "clean" not in single


@pytest.mark.parametrize(
    ("n", "right", "second"),
    [(0, 0, None), (5, 6, None), (5, -1, None), (-1, -1, None), (5, 5, 6), (5, 5, -1)],
)
def test_impossible_rows(n: int, right: int, second: int | None) -> None:
    with pytest.raises(ValueError, match="cannot have been read"):
        SuiteRow("shear", n, right, second)


def test_impossible_results() -> None:
    with pytest.raises(ValueError, match="no rows: expected at least one"):
        SuiteResult("corruptions", ())
    with pytest.raises(ValueError, match="called None, but rows have values"):
        SuiteResult("corruptions", ROWS)
    with pytest.raises(ValueError, match="called 'classify', but rows lack values"):
        SuiteResult("pages", ROWS[1:], second="classify")


def test_pictures_are_read_in_their_order(read_always: Callable[..., Recognizer]) -> None:
    reported: list[tuple[str, int, int]] = []
    row = PictureRow("row", 5, ((np.zeros((20, 60), np.uint8), str(n)) for n in range(5)))
    recognizer = read_always(1, POINT, 7)
    readings = read_row(recognizer, row, lambda *report: reported.append(report), separators=True)
    assert [(reading.text, text) for reading, text in readings] == [("1.7", t) for t in "01234"]
    assert reported == [("row", done, 5) for done in range(1, 6)]


def test_a_picture_beyond_the_limits_is_no_mistake(
    read_always: Callable[..., Recognizer],
) -> None:
    recognizer = read_always(1).adapt(limits=DecodingLimits(max_pixels=10))
    with pytest.raises(PictureError, match="pixels"):
        list(
            read_row(recognizer, PictureRow("row", 1, [(np.zeros((20, 60), np.uint8), "1")]), None)
        )
