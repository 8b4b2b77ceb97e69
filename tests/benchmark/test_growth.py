from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest

from inkdigits.benchmark.growth import measure_growth, measure_process
from inkdigits.benchmark.workplace import SLICE, Workplace
from inkdigits.errors import InkdigitsError
from inkdigits.training import Run


def test_peak_is_that_of_the_process_alone() -> None:
    ballast = np.ones(300 * 2**20, np.uint8)  # memory of this process must not count
    holding = "import time; kept = b'x' * (150 * 2 ** 20); time.sleep(0.2)"

    _, empty = measure_process([sys.executable, "-c", "pass"])
    seconds, full = measure_process([sys.executable, "-c", holding])

    assert ballast.sum() > 0
    assert empty < 60 * 2**20
    assert 150 * 2**20 <= full < 250 * 2**20
    assert seconds >= 0.2


@pytest.mark.parametrize(
    ("status", "highest", "fails"), [(0, 0, False), (1, 0, True), (1, 1, False), (2, 1, True)]
)
def test_status_of_a_process(status: int, highest: int, fails: bool) -> None:
    command = [sys.executable, "-c", f"import sys; sys.exit({status})"]

    with pytest.raises(InkdigitsError, match="status") if fails else contextlib.nullcontext():
        assert measure_process(command, highest_status=highest)[1] > 0


@pytest.mark.slow
def test_streams_and_folders(smoke_run: Run, tmp_path: Path) -> None:
    result = measure_growth(Workplace(tmp_path, SLICE, smoke_run.folder))

    names = [timing.name for timing in result.timings]
    assert names == ["20 tiles", "60 tiles", "3 pictures", "6 pictures"]
    assert len(list((tmp_path / "pictures-6").glob("*.png"))) == 6
    by_name = {figure.name: figure.value for figure in result.figures}
    assert by_name["60 tiles against 20: peak memory"] < 1.5
    # Starting the process takes most of the time here, so more tiles take less time each.
    assert by_name["60 tiles against 20: time each"] < 1
