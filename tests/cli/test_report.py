from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inkdigits.cli import main
from inkdigits.cli.report import IMAGE_NAMES
from inkdigits.data import LabelledImages
from inkdigits.reporting.run_report import MAP_DIGITS
from inkdigits.reporting.shown_images import PARTS
from inkdigits.training import Run

Fail = Callable[..., str]


def test_the_path_of_the_report_is_printed(
    smoke_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["report", str(smoke_run.folder), "--output", "smoke.html", "--map-digits", "20"]
    assert main(arguments) == 0

    assert capsys.readouterr().out == "smoke.html\n"
    page = Path("smoke.html").read_text(encoding="utf-8")
    assert page.count('<text class="d') == 20

    assert main([*arguments[:-1], "0"]) == 4  # it is there already
    assert Path("smoke.html").read_text(encoding="utf-8") == page
    assert main([*arguments[:-1], "0", "--force"]) == 0
    assert '<text class="d' not in Path("smoke.html").read_text(encoding="utf-8")


def test_evaluate_writes_a_report_on_the_same_test_images(
    smoke_run: Run, test_slice: LabelledImages, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("few.npz", x_test=test_slice.images[:150], y_test=test_slice.labels[:150])
    run = str(smoke_run.folder)
    arguments = ["evaluate", run, "--data", "few.npz", "--output", "all", "--report", "test.html"]
    assert main(arguments) == 0

    printed = capsys.readouterr()
    assert "inkdigits: wrote test.html" in printed.err
    accuracy = re.search(r"Accuracy +(\S+ %)", printed.out)
    assert accuracy is not None
    page = Path("test.html").read_text(encoding="utf-8")
    assert accuracy[1] in page
    assert "150 test images in few.npz" in page


def test_names_are_those_of_python() -> None:
    assert IMAGE_NAMES == PARTS
    assert MAP_DIGITS == 10_000


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["report", "runs", "--images", "tset"], "unknown value of --images 'tset'"),
        (["report", "--force"], "--force replaces the file in --output: name it"),
        (["report", "nowhere"], "no ONNX model at nowhere: expected a finished run"),
        (["evaluate", "--suite", "pages", "--report", "a.html"], "--report shows test images"),
        (["evaluate", "a", "b", "--report", "a.html"], "--report describes one network"),
        (["evaluate", "a", "--report", "a.html"], "no ONNX model at a"),
    ],
    ids=str,
)
def test_errors_are_one_line(arguments: list[str], expected: str, fail: Fail) -> None:
    assert expected in fail(*arguments)
