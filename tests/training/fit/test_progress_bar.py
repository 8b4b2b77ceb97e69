"""Progress of training: bars end at their totals, and an epoch is reported once it is saved."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.progress import Progress

from inkdigits.data import Mnist
from inkdigits.errors import TrainingInterrupted
from inkdigits.training import READER_RECIPES, RECIPES, resume, train
from inkdigits.training.fit.progress_bar import move_bar, start_progress
from inkdigits.training.fit.reader_report import ReaderReport
from inkdigits.training.fit.tile_fit import STEPS_AT_ONCE
from inkdigits.training.fit.tile_report import TileReport
from inkdigits.training.networks.frameworks import load_keras


@pytest.mark.parametrize(("completed", "shown"), [(0, 0), (112, 112), (125, 125), (128, 125)])
def test_a_bar_ends_at_its_total(completed: int, shown: int) -> None:
    _, progress = start_progress("training", enabled=False, kind=Progress)
    progress.add_task("epoch 1/2", total=7, figures="")
    task = progress.add_task("epoch 2/2", total=125, figures="")

    assert move_bar(progress, task, completed, "loss 0.1") == shown
    _, moved = progress.tasks
    assert (moved.completed, moved.fields["figures"]) == (shown, "loss 0.1")


def test_steps_that_run_at_once_do_not_exceed_the_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras reports the last step of each group, also of a group that is not full."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal
    keras = load_keras()
    n_steps = STEPS_AT_ONCE + 3
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    network.compile(
        "sgd", "binary_crossentropy", metrics=["accuracy"], steps_per_execution=STEPS_AT_ONCE
    )
    report = TileReport(f"training smoke in {tmp_path}", RECIPES["smoke"], enabled=True)
    shown: list[float] = []
    follow = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: shown.append(report._progress.tasks[0].completed)
    )
    inputs = np.zeros((n_steps, 1), np.float32)
    network.fit(
        inputs,
        inputs,
        batch_size=1,
        verbose=0,
        callbacks=[report.follow_epoch(1, n_steps), follow],
    )
    report.close()

    assert shown[-1] == n_steps
    assert shown == sorted(shown)


def test_a_reader_is_not_trained_on_more_samples_than_its_recipe_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last batch is a whole one."""
    recipe = replace(READER_RECIPES["reader-quick"], detector_pages=1_001, page_batch=2)
    report = ReaderReport(tmp_path, recipe, enabled=True)
    row = {"part": "detector", "step": 501, "loss": 0.5, "samples_per_s": 10.0}
    report.add({**row, "samples": 1_002})
    report.close()

    assert "detector  1,001 of 1,001  " in capsys.readouterr().err


def test_an_epoch_is_reported_once_it_is_saved(
    mnist: Mnist,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C after the line of an epoch: the epoch is not trained again."""
    folder = tmp_path / "run"
    print_epoch = TileReport.end_epoch

    def stop_after_line(report: TileReport, history: list[dict[str, float]]) -> None:
        print_epoch(report, history)
        raise KeyboardInterrupt

    overrides = {"training_images": 500, "epochs": 2}
    with monkeypatch.context() as patch:
        patch.setattr(TileReport, "end_epoch", stop_after_line)
        with pytest.raises(TrainingInterrupted, match="stopped after 1 of at most 2 epochs"):
            train("smoke", overrides=overrides, output=folder)
    resume(folder)

    reported = re.findall(r"^epoch (\d)/2  loss", capsys.readouterr().err, re.MULTILINE)
    assert reported == ["1", "2"]
