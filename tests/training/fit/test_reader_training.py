"""Trains a reader with a tiny recipe, stops and resumes it, and runs the resulting file."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageDraw

from inkdigits.cli import main
from inkdigits.errors import OutputExistsError, RunError, UsageError
from inkdigits.recognition.card import ReaderCard
from inkdigits.recognition.detection import Detector
from inkdigits.training import READER_RECIPES, Run, resume, train

TINY = replace(
    READER_RECIPES["reader-quick"],
    name="tiny-reader",
    detector_pages=48,
    judge_windows=256,
    page_batch=8,
    window_batch=64,
    glyphs=200,
    validation_images=200,
    validation_pages=6,
    precision="float32",
    second_judge=True,
    picture_windows=128,
    context_pages=8,
    context_batch=4,
    context_repeats=2,
)
FIELDS = (
    *("detector_pages", "judge_windows", "page_batch", "window_batch", "glyphs"),
    *("picture_windows", "context_pages", "context_batch", "context_repeats"),
)
OVERRIDES = [f"{name}={getattr(TINY, name)}" for name in FIELDS]
OVERRIDES += [
    "validation_images=200",
    "validation_pages=6",
    "precision=float32",
    "second_judge=true",
]

if TYPE_CHECKING:
    from tests.conftest import WarmTraining

StartTraining = Callable[..., "WarmTraining"]
pytestmark = pytest.mark.usefixtures("mnist", "training_fonts", "validation_fonts")


def test_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(OutputExistsError, match="choose another"):
        train(TINY, output=tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_split_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot use 60000 of 60000 images for validation"):
        train(replace(TINY, validation_images=60_000), output=tmp_path / "run", progress=False)
    with pytest.raises(UsageError, match="invalid seed -1"):
        train(TINY, seed=-1, output=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", "7", "seed is '7'"),
        ("data_sha256", [], "data_sha256 is"),
        ("data", 3, "data is 3"),
        ("recipe", {"kind": "reader"}, "unsupported reader recipe format"),
    ],
)
def test_damaged_settings_are_refused(
    tmp_path: Path, name: str, value: object, message: str
) -> None:
    settings = {"recipe": TINY.to_json(), "seed": 0, "data": None, "data_sha256": {}}
    settings |= {"versions": {}, name: value}
    (tmp_path / "settings.json").write_text(json.dumps(settings))

    with pytest.raises((RunError, UsageError), match=message):
        resume(tmp_path)


def test_other_data_than_at_the_start_is_refused(tmp_path: Path) -> None:
    settings = {"recipe": TINY.to_json(), "seed": 0, "data": None, "data_sha256": {"a": "b"}}
    (tmp_path / "settings.json").write_text(json.dumps({**settings, "versions": {}}))

    with pytest.raises(RunError, match="images or fonts are not those"):
        resume(tmp_path, progress=False)


@pytest.mark.slow
def test_stopped_run_is_resumed_to_a_reader_that_reads(
    tmp_path: Path, start_training: StartTraining, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    sets = [word for override in OVERRIDES for word in ("--set", override)]
    process = start_training("reader-quick", *sets, "--output", str(folder), "--quiet")
    deadline = time.monotonic() + 240
    while not (folder / "history.csv").exists():  # written once the detector is trained
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert output == ""
    assert errors.splitlines() == [
        "inkdigits: stopped after the last step, which is saved: continue with "
        f"'inkdigits train --resume {folder}'"
    ]
    run = Run.open(folder)
    assert not run.is_finished

    assert main(["train", "--resume", str(folder), "--quiet"]) == 0

    printed = capsys.readouterr().out
    assert f"model                {run.onnx_model}" in printed
    assert "digits right" in printed
    rows = (folder / "history.csv").read_text().splitlines()
    assert [row.split(",")[:3] for row in rows[1:]] == [
        ["detector", "6", "48"],
        ["judge", "4", "256"],
        ["second-judge", "4", "256"],
        ["picture-judge", "4", "256"],
        ["context", "4", "16"],
    ]
    card = ReaderCard.load(run.card)
    assert card.recipe == {**TINY.to_json(), "name": "reader-quick"}
    assert card.threshold == 0.5
    assert card.figures["fit_seconds"] > 0
    assert card.figures["parameters"] == 864_557 + 2 * 576_513 + 1_587_281 + 14_112
    assert "train-images-idx3-ubyte" in card.data_sha256

    picture = Image.new("L", (400, 120), 230)
    ImageDraw.Draw(picture).text((30, 30), "1984", 30, font_size=60)
    found = Detector(run.onnx_model)(np.asarray(picture))
    assert found.boxes.shape == (len(found), 4)
    assert np.isfinite(found.probabilities).all()
    assert found.candidates is not None
    assert found.candidates.fills.tolist() == [False] * (len(found.candidates.fills) - 1) + [True]
    inputs = onnxruntime.InferenceSession(run.onnx_model).get_inputs()
    assert [(entry.name, entry.type) for entry in inputs] == [("picture", "tensor(uint8)")]

    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert resume(folder) == run  # a finished run is not trained again
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
