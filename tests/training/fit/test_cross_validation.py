from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from inkdigits.cli import main
from inkdigits.data import Mnist
from inkdigits.data.labelled_images import split_fold
from inkdigits.errors import OutputExistsError, RunError, UsageError
from inkdigits.recognition import Recognizer
from inkdigits.training import Run, cross_validate

FIELDS = {"training_images": 300, "epochs": 1}
SETTINGS = ["--set", "training_images=300", "--set", "epochs=1"]


def test_each_image_is_validated_on_once(mnist: Mnist) -> None:
    few = mnist.train.take(range(103))
    parts = [split_fold(few, number, 4, seed=7) for number in range(4)]

    assert sorted(len(validation) for _, validation in parts) == [25, 26, 26, 26]
    validated = np.concatenate([validation.images for _, validation in parts])
    assert sorted(map(bytes, validated)) == sorted(map(bytes, few.images))
    for training, validation in parts:
        assert len(training) + len(validation) == 103
        assert not {*map(bytes, training.images)} & {*map(bytes, validation.images)}
    with pytest.raises(UsageError, match="cannot split 103 images into 104 folds"):
        split_fold(few, 0, 104, seed=0)


def test_folds_are_runs_whose_mean_and_sd_are_given(
    mnist: Mnist, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "folds"
    result = cross_validate("smoke", folds=2, output=output, progress=False, **FIELDS)  # type: ignore[arg-type]

    assert [run.folder for run in result.runs] == [output / "fold-1", output / "fold-2"]
    for number, (run, accuracy) in enumerate(zip(result.runs, result.accuracies, strict=True)):
        _, validation = split_fold(mnist.train, number, 2, seed=0)
        few = validation.take(range(2_000))
        right = np.mean(Recognizer.load(run).classify(few.images).argmax(axis=1) == few.labels)
        assert accuracy == pytest.approx(right, abs=0.03)
    assert result.accuracy.mean == pytest.approx(np.mean(result.accuracies))
    assert result.accuracy.sd == pytest.approx(np.std(result.accuracies, ddof=1))

    # Repeated, it keeps what is finished, and continues the rest.
    kept = result.runs[0].card.stat().st_mtime_ns
    result.runs[1].card.unlink()
    arguments = ["train", "smoke", *SETTINGS, "--folds", "2", "--output", str(output), "--quiet"]
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == result.to_dict()
    assert result.runs[0].card.stat().st_mtime_ns == kept
    assert main(arguments) == 0
    assert f"validation accuracy  {result.accuracy}" in capsys.readouterr().out

    with pytest.raises(RunError, match="another recipe, seed or number of folds"):
        cross_validate("smoke", folds=2, seed=1, output=output, **FIELDS)  # type: ignore[arg-type]
    with pytest.raises(OutputExistsError, match="is not the folder of these folds"):
        cross_validate("smoke", folds=2, output=output / "fold-1", **FIELDS)  # type: ignore[arg-type]
    assert Run.open(output / "fold-2").is_finished


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smoke", "--folds", "1"], "invalid number of folds '1': expected an integer of 2 or"),
        (["reader", "--folds", "2"], "it has no folds to validate on"),
        (["smoke", "--folds", "2", "--force"], "leave --force, --teacher"),
        (["--resume", "runs/x", "--folds", "2"], "leave the recipe"),
    ],
    ids=str,
)
def test_a_wrong_call_is_explained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err
