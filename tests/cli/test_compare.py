from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inkdigits.cli import main
from inkdigits.data import LabelledImages
from inkdigits.training import Run

Fail = Callable[..., str]


@pytest.fixture
def few(test_slice: LabelledImages, tmp_path: Path) -> str:
    """A file of 30 test images in the working folder."""
    images = test_slice.take(range(30))
    np.savez(tmp_path / "few.npz", x_test=images.images, y_test=images.labels)
    return "few.npz"


def test_a_run_beside_the_default_model(
    smoke_run: Run, few: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(smoke_run.folder)

    assert main(["compare", run, "--data", few, "--output", "report"]) == 0

    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()[3:5]] == [run, "default"]
    assert f"{run} (A), default (B)" in printed.out
    assert printed.err == (
        "inkdigits: tiles: 30 of 30 read by all models\ninkdigits: report in report\n"
    )
    assert (Path("report") / "disagreements-tiles.png").read_bytes().startswith(b"\x89PNG")


def test_json_has_every_set(smoke_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run, net = str(smoke_run.folder), str(smoke_run.onnx_model)
    command = ["compare", run, f"{run}+{net}", "default", "--suite", "digits8x8", "--json"]

    assert main([*command, "--limit", "8"]) == 0

    printed = json.loads(capsys.readouterr().out)
    assert printed["models"] == [run, f"{run}+{net}", "default"]
    (suite,) = printed["sets"]
    assert (suite["name"], suite["n"], len(suite["pairs"])) == ("digits8x8", 8, 3)
    assert {row["n"] for row in suite["models"]} == {8}


def test_an_existing_report_is_replaced_on_request_alone(
    smoke_run: Run, few: str, fail: Fail, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", str(smoke_run.folder), "--data", few, "--output", "report"]
    assert main(command) == 0
    capsys.readouterr()

    assert "--force" in fail(*command)
    assert main([*command, "--force"]) == 0
    assert "replaced comparison.json, curves.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no model at nowhere"),
        (["defualt"], "no model at defualt: did you mean 'default'?"),
        (["default"], "the model default is given twice"),
        (["default", "--suite", "digit8x8"], "unknown suite 'digit8x8': did you mean 'digits8x8'?"),
        (["a", "--digits", "one"], "--digits one requires --pictures"),
        (["a", "--pictures", "p", "--limit", "5"], "--limit does not apply to --pictures"),
        ([], "the following arguments are required: MODEL"),
    ],
    ids=str,
)
def test_wrong_use_is_explained(
    arguments: list[str], message: str, fail: Fail, tmp_path: Path
) -> None:
    assert message in fail("compare", *arguments)
    assert list(tmp_path.iterdir()) == []
