"""The sample pictures, which are the first that a user reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inkdigits.recognition import predict

SAMPLES = sorted(
    path for path in (Path(__file__).parents[1] / "samples").iterdir() if path.suffix != ".py"
)


def test_there_are_some_of_each_digit() -> None:
    names = "".join(path.name.partition("-")[0] for path in SAMPLES)
    assert len(SAMPLES) >= 10
    assert set(names) == set("0123456789")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_reads_as_its_name_says(path: Path) -> None:
    written = re.match("[0-9]+", path.name)
    assert written is not None
    reading = predict(path)
    assert reading.text == written.group()
    assert reading.confidence > 0.9
