from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from inkdigits.benchmark import BENCHMARKS
from inkdigits.cli import main
from inkdigits.cli.benchmark import BENCHMARK_NAMES
from inkdigits.training import Run


def test_every_benchmark_is_known() -> None:
    assert set(BENCHMARK_NAMES) == set(BENCHMARKS)


def test_a_missing_run_is_named_before_anything_is_measured(
    fail: Callable[..., str], tmp_path: Path
) -> None:
    assert "nowhere" in fail("benchmark", "latency", "--model", "nowhere")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_slice_shows_that_benchmarks_run(
    model: list[str], smoke_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", "latency", "size", "--slice", *model]) == 0
    printed = capsys.readouterr()
    assert "\nlatency: one tile, warm, network smoke\n" in printed.out
    assert "\nsize: " in printed.out
    assert "asked" not in printed.out  # tiny amounts of data meet no target
    assert printed.err.splitlines()[0] == "inkdigits: measuring latency"

    assert main(["benchmark", "latency", "--slice", "--json", *model]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["machine"]["cores"] == os.cpu_count()
    assert found["slice"] is True
    assert [result["name"] for result in found["results"]] == ["latency"]
