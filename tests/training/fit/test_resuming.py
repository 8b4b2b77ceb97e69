"""Runs that go on with more epochs, and runs that replace others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inkdigits.cli import main
from inkdigits.data import Mnist
from inkdigits.errors import OutputExistsError, RecipeError, RunError, UsageError
from inkdigits.recognition import Recognizer
from inkdigits.training import Run, resume, train
from inkdigits.training.model_files.loading import load_keras_model
from inkdigits.training.runs import WRITTEN_FILES, WRITTEN_FOLDERS

SMALL = ("training_images=600", "schedule=constant", "epochs=2")


def train_small(folder: Path, *overrides: str, overwrite: bool = False) -> Run:
    values = dict(text.split("=") for text in (*SMALL, *overrides))
    words = [f"{name}={value}" for name, value in values.items()]
    return train("smoke", overrides=words, output=folder, overwrite=overwrite, progress=False)


@pytest.fixture(scope="module")
def constant_run(mnist: Mnist, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of two epochs at a constant learning rate; read only."""
    return train_small(tmp_path_factory.mktemp("resuming") / "constant")


@pytest.fixture
def copied(constant_run: Run, tmp_path: Path) -> Run:
    """A copy of that run, which a test may change."""
    return Run(Path(shutil.copytree(constant_run.folder, tmp_path / "run")))


def list_contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def test_more_epochs_end_with_the_weights_of_a_run_started_with_them(
    copied: Run, tmp_path: Path
) -> None:
    expected = train_small(tmp_path / "expected", "epochs=4")

    run = resume(copied.folder, epochs=4, progress=False)

    weights, expected_weights = (
        load_keras_model(each.keras_model).get_weights() for each in (run, expected)
    )
    for one, other in zip(weights, expected_weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [row["epoch"] for row in run.load_history()] == [1, 2, 3, 4]
    assert run.load_settings() == expected.load_settings()
    assert json.loads(run.card.read_bytes())["recipe"]["epochs"] == 4


def test_a_run_that_is_killed_on_the_way_goes_on_to_the_new_number(copied: Run) -> None:
    settings = copied.load_settings()
    with pytest.MonkeyPatch.context() as patch:

        def stop(run: Run, checkpoint: object) -> None:
            raise OSError("killed")

        patch.setattr(Run, "save_checkpoint", stop)
        with pytest.raises(OSError, match="killed"):
            resume(copied.folder, epochs=3, progress=False)

    assert not copied.is_finished
    assert copied.load_settings().recipe.epochs == settings.recipe.epochs + 1
    resume(copied.folder, progress=False)
    assert copied.is_finished
    assert len(copied.load_history()) == 3


def test_an_interrupted_run_may_end_earlier_or_later(copied: Run) -> None:
    copied.card.unlink()

    resume(copied.folder, overrides=["epochs=3"], progress=False)

    assert len(copied.load_history()) == 3


def test_the_same_number_of_epochs_changes_nothing(copied: Run) -> None:
    before = list_contents(copied.folder)

    assert resume(copied.folder, epochs=2, progress=False) == copied

    assert list_contents(copied.folder) == before


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["epochs=1"], UsageError, "has 2 epochs already: expected more than that, not 1"),
        (["epochs=0"], RecipeError, "epochs"),
        (["epoch=3"], RecipeError, "did you mean 'epochs'"),
        (["epochs"], RecipeError, "has no '='"),
        (["epochs=3", "batch_size=32"], UsageError, "leave batch_size out, or start a new run"),
    ],
    ids=str,
)
def test_other_changes_are_refused_and_leave_the_run_as_it_is(
    overrides: list[str], error: type[Exception], message: str, copied: Run
) -> None:
    before = list_contents(copied.folder)

    with pytest.raises(error, match=message) as caught:
        resume(copied.folder, overrides=overrides, progress=False)

    assert "\n" not in str(caught.value)
    assert list_contents(copied.folder) == before


def rewrite_recipe(run: Run, **fields: object) -> None:
    path = run.folder / "settings.json"
    settings = json.loads(path.read_bytes())
    settings["recipe"] |= fields
    path.write_text(json.dumps(settings))


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine"])
def test_a_schedule_over_all_epochs_cannot_get_more(
    schedule: str, copied: Run, fail_command: Callable[..., str]
) -> None:
    rewrite_recipe(copied, schedule=schedule)

    assert fail_command("--resume", str(copied.folder), "--set", "epochs=20") == (
        f"{copied.folder} cannot change its number of epochs: with the schedule '{schedule}', its "
        "learning rate falls to 0 over the 2 epochs that it was started with; start a new run with "
        "--set epochs=20"
    )
    assert copied.is_finished


def test_a_run_that_stopped_early_cannot_get_more(copied: Run) -> None:
    rewrite_recipe(copied, patience=1)
    checkpoint = copied.load_checkpoint()
    assert checkpoint is not None
    checkpoint.history[1]["val_loss"] = checkpoint.history[0]["val_loss"] + 1
    copied.save_checkpoint(checkpoint)

    with pytest.raises(UsageError, match=r"stopped early after epoch 2, because .* for 1 epochs"):
        resume(copied.folder, epochs=5, progress=False)


def test_a_run_without_checkpoint_cannot_get_more(copied: Run) -> None:
    (copied.folder / "checkpoint.npz").unlink()

    with pytest.raises(RunError, match=r"has no checkpoint\.npz to continue from"):
        resume(copied.folder, epochs=5, progress=False)


def test_a_reader_cannot_get_more_epochs(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"recipe": {"kind": "reader"}}))

    with pytest.raises(UsageError, match=r"start a new run from its weights, with --set start="):
        resume(tmp_path, epochs=5, progress=False)


@pytest.fixture
def fail_command(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs `inkdigits train`, which must fail with status 2; returns its message."""

    def run_train(*arguments: str) -> str:
        assert main(["train", *arguments]) == 2
        return capsys.readouterr().err.removeprefix("inkdigits: ").removesuffix("\n")

    return run_train


def test_resuming_a_finished_run_says_so(copied: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume", str(copied.folder)]) == 0

    printed = capsys.readouterr()
    assert printed.err == f"inkdigits: {copied.folder} is finished already: nothing to train\n"
    assert f"run                  {copied.folder}\n" in printed.out


def test_the_command_line_goes_on_with_more_epochs(
    copied: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--resume", str(copied.folder), "--set", "epochs=3", "--quiet"]) == 0

    assert capsys.readouterr().err == ""
    assert len(copied.load_history()) == 3


def test_an_unfinished_run_is_told_how_to_be_finished(
    copied: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    copied.card.unlink()

    for command in (["predict", "seven.png", "--model"], ["evaluate"], ["serve", "--model"]):
        assert main([*command, str(copied.folder)]) == 3
        error = capsys.readouterr().err
        assert "unfinished" in error
        assert f"inkdigits train --resume {copied.folder}" in error
        assert error.count("\n") == 1


def test_a_run_is_replaced_but_no_other_file(copied: Run, caplog: pytest.LogCaptureFixture) -> None:
    (copied.folder / "notes.txt").write_text("mine")
    (copied.folder / "model-2.h5").write_text("mine")
    (copied.folder / "model.h5").write_text("an export")
    (copied.folder / "evaluation").mkdir()
    (copied.folder / "evaluation" / "evaluation.json").write_text("{}")
    before = copied.card.read_bytes()
    caplog.set_level("INFO", "inkdigits")

    run = train_small(copied.folder, "epochs=1", overwrite=True)

    assert len(run.load_history()) == 1
    assert run.card.read_bytes() != before
    assert {path.name for path in run.folder.iterdir()} - {".lock"} == {
        *("settings.json", "history.csv", "checkpoint.npz", "curves.png"),
        *("model.keras", "model.onnx", "model.json", "notes.txt", "model-2.h5"),
    }
    (line,) = [record.message for record in caplog.records if "replaced" in record.message]
    assert line.startswith(f"replaced in {run.folder}: model.json, ")
    assert "evaluation/" in line
    assert line.endswith("; kept model-2.h5, notes.txt")


def test_a_call_that_fails_replaces_nothing(copied: Run) -> None:
    before = list_contents(copied.folder)

    with pytest.raises(UsageError):
        train_small(copied.folder, "validation_images=60000", overwrite=True)

    assert list_contents(copied.folder) == before


@pytest.mark.parametrize("settings", [None, "{}", "[]", '{"editor": "dark"}', "{"])
def test_a_folder_of_something_else_is_never_replaced(
    settings: str | None, mnist: Mnist, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    if settings is not None:
        (tmp_path / "settings.json").write_text(settings)
    before = list_contents(tmp_path)

    with pytest.raises(OutputExistsError, match="is not the folder of a run: choose another"):
        train_small(tmp_path, overwrite=True)

    assert list_contents(tmp_path) == before


def test_a_file_is_never_replaced(mnist: Mnist, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")

    with pytest.raises(OutputExistsError, match="is not a folder: choose another name"):
        train_small(tmp_path / "run", overwrite=True)

    assert (tmp_path / "run").read_text() == "mine"


def test_a_folder_of_an_evaluation_with_other_files_is_kept(copied: Run) -> None:
    kept = copied.folder / "evaluation"
    kept.mkdir()
    for name in ("evaluation.json", "notes.txt"):
        (kept / name).write_text("mine")

    assert "evaluation/" not in copied.clear()

    assert sorted(path.name for path in kept.iterdir()) == ["evaluation.json", "notes.txt"]


def test_everything_that_commands_write_into_a_run_is_known(copied: Run, mnist: Mnist) -> None:
    from inkdigits.evaluation import evaluate

    few = mnist.test.take(range(20))
    np.savez(copied.folder.parent / "few.npz", x_test=few.images, y_test=few.labels)
    evaluate(
        Recognizer.load(copied.folder),
        data=copied.folder.parent / "few.npz",
        output=copied.folder / "evaluation",
    )

    assert {path.name for path in copied.folder.iterdir()} - {".lock"} <= {
        *WRITTEN_FILES,
        *WRITTEN_FOLDERS,
    }
    written = {path.name for path in (copied.folder / "evaluation").iterdir()}
    assert written == set(WRITTEN_FOLDERS["evaluation"])
    assert copied.clear()
    assert {path.name for path in copied.folder.iterdir()} <= {".lock"}
