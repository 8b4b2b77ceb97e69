from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from inkdigits.cli import main
from inkdigits.training import Run

Fail = Callable[..., str]


def test_each_run_gets_a_folder_of_its_own(
    mnist: object, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--set", "training_images=300", "--set", "epochs=1", "--quiet", "--json"]
    folders = []
    for _ in range(2):
        assert main(["train", "smoke", *small]) == 0
        folders.append(json.loads(capsys.readouterr().out)["run"])

    assert folders == [str(Path("runs/smoke")), str(Path("runs/smoke-2"))]
    assert all(Run.open(folder).is_finished for folder in folders)
    assert main(["train", "smoke", *small, "--output", folders[0]]) == 4
    error = capsys.readouterr().err
    assert f"continue it with --resume {folders[0]}, replace it with --force" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clasic"], "unknown recipe 'clasic': did you mean 'classic'"),
        (["smoke", "--set", "epoch=1"], "'epoch'"),
        (["smoke", "--set", "epochs"], "has no '='"),
        (["smoke", "--set", "epochs=-1"], "-1"),
        (["smoke", "--seed", "-1"], "argument --seed: invalid seed '-1'"),
        (["--resume", "nowhere"], "nowhere"),
        (["--resume", "."], "no settings.json"),
        (["smoke", "--resume", "runs/x"], "leave the recipe"),
        (["--resume", "runs/x", "--seed", "0"], "leave the recipe"),
        (["--resume", "runs/x", "--force"], "leave the recipe"),
        (["smoke", "--force"], "--force replaces the run in --output: name its folder"),
        (["--resume", "runs/x", "--teacher", "runs/y"], "leave the recipe"),
        (["smoke", "--teacher", "nowhere"], "nowhere"),
        (["smoke", "--data", "nowhere"], "nowhere"),
        (["nowhere.toml"], "nowhere.toml cannot be read (No such file or directory)"),
        (["reader", "--tensorboard"], "leave callbacks, tensorboard, mlflow and live out"),
        (["smoke", "--set", "optimizer=adm"], "did you mean 'Adam'"),
        (["smoke", "--set", "loss=ctc"], "does not compare the probabilities of 10 classes"),
        (["--resume", "runs/x", "--tensorboard"], "leave the recipe"),
    ],
    ids=str,
)
def test_a_wrong_call_is_explained_and_starts_no_run(
    arguments: list[str], message: str, fail: Fail, tmp_path: Path
) -> None:
    assert message in fail("train", *arguments)
    assert list(tmp_path.iterdir()) == []
