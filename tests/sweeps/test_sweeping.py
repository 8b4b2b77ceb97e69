"""Sweeps without Ray, on a few hundred images."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import inkdigits
from inkdigits.cli import main
from inkdigits.data import Mnist, split_validation
from inkdigits.errors import OutputExistsError, RecipeError, RunError, UsageError
from inkdigits.recognition import Recognizer
from inkdigits.sweeps import Sweep, resume_sweep, sweep
from inkdigits.sweeps.sweep_folder import TRIALS, SweepFolder
from inkdigits.sweeps.sweep_trial import SweepTrial, rank_trials
from inkdigits.sweeps.trial_runs import list_runs
from inkdigits.training import Run

FIELDS = {"training_images": 300, "validation_images": 300, "epochs": 2}
RECIPE = 'network = ["Flatten", "Dense(10)"]\n'
OVER = {"learning_rate": (1e-4, 1e-1), "batch_size": [16, 32, 64]}
Python = Callable[..., "subprocess.CompletedProcess[str]"]


def sweep_tiny(output: Path, **settings: Any) -> Sweep:
    """Sweeps a recipe of one layer, which a file beside the output has."""
    output.parent.mkdir(exist_ok=True)
    recipe = output.parent / "tiny.toml"
    recipe.write_text(RECIPE)
    settings = {"over": OVER, "overrides": FIELDS, "progress": False, **settings}
    return sweep(recipe, output=output, **settings)


def list_outcomes(result: Sweep) -> list[dict[str, Any]]:
    """What does not differ between two sweeps with the same settings: all but the time."""
    return [{**trial.to_dict(), "seconds": None} for trial in result.trials]


@pytest.fixture(scope="module")
def finished(mnist: Mnist, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return sweep_tiny(tmp_path_factory.mktemp("sweeps") / "tiny", trials=3)


def test_the_best_is_chosen_by_validation(finished: Sweep, mnist: Mnist) -> None:
    best = finished.best
    assert best is not None
    ended = [trial.accuracy for trial in finished.trials if trial.accuracy is not None]
    assert best.accuracy == max(ended)

    (run,) = finished.best_runs
    settings = run.load_settings()
    expected = {**settings.recipe.to_json(), **FIELDS, **best.values}
    assert settings.recipe.to_json() == expected
    _, validation = split_validation(mnist.train, 300, 0)
    read = Recognizer.load(run).classify(validation.images).argmax(axis=1)
    assert np.mean(read == validation.labels) == pytest.approx(best.accuracy)


def test_trials_are_ordinary_runs(finished: Sweep) -> None:
    assert sorted(trial.number for trial in finished.trials) == [1, 2, 3]
    assert len({str(trial.values) for trial in finished.trials}) == 3
    for trial in finished.trials:
        run = Run.open(finished.folder / trial.folder)
        assert run.load_settings().recipe.batch_size == trial.values["batch_size"]
        assert 1e-4 <= run.load_settings().recipe.learning_rate <= 1e-1
        assert run.is_finished is (trial.state == "finished")
        assert len(run.load_history()) == trial.epochs


def test_a_stopped_trial_is_worse_than_others_and_can_be_continued(
    finished: Sweep, tmp_path: Path
) -> None:
    stopped = [trial for trial in finished.trials if trial.state == "stopped"]
    assert stopped
    first_epochs = [
        Run(finished.folder / trial.folder).load_history()[0]["val_accuracy"]
        for trial in finished.trials
    ]
    for trial in stopped:
        assert trial.epochs == 1
        assert trial.accuracy is None
        assert trial.reached is not None
        assert trial.reached < max(first_epochs)
    shutil.copytree(finished.folder / stopped[0].folder, tmp_path / "copy")
    continued = inkdigits.resume(tmp_path / "copy", progress=False)
    assert len(continued.load_history()) == 2


def test_table_and_plot(finished: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    with finished.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == [trial.number for trial in finished.trials]
    assert float(rows[0]["validation_accuracy"]) == finished.trials[0].accuracy
    assert float(rows[0]["learning_rate"]) == finished.trials[0].values["learning_rate"]
    with Image.open(finished.plot) as plot:
        assert plot.width > 1000
    frame = finished.to_pandas()
    assert frame["validation_accuracy"].max() == finished.trials[0].accuracy
    assert frame["batch_size"].tolist() == [trial.values["batch_size"] for trial in finished.trials]
    assert "learning_rate" in finished._repr_html_()

    assert main(["sweep", "--resume", str(finished.folder), "--quiet"]) == 0  # nothing to do
    shown = capsys.readouterr().out
    assert finished.to_table() in shown
    assert f"plot                 {finished.plot}\n" in shown
    assert main(["sweep", "--resume", str(finished.folder), "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == Sweep.load(finished.folder).to_dict()


@pytest.mark.parametrize(("killed", "left"), [(1, "last checkpoint"), (3, "empty folder")])
def test_a_killed_sweep_goes_on_as_if_it_had_not_been(
    killed: int, left: str, finished: Sweep, tmp_path: Path
) -> None:
    """A process that is killed leaves a trial that is running, and none after it."""
    folder = tmp_path / "killed"
    shutil.copytree(finished.folder, folder)
    opened = SweepFolder.open(folder)
    opened.set_trials(killed)
    victim = opened.trials[killed - 1]
    opened.trials = opened.trials[:killed]
    opened.update(SweepTrial(killed, victim.values, "running", victim.folder))
    for later in range(killed + 1, 4):
        shutil.rmtree(folder / f"trial-{later:03}")
    place = folder / victim.folder
    if left == "last checkpoint":
        assert victim.state == "finished"
        (place / "model.json").unlink()
        (place / "model.onnx").unlink()
    elif left == "empty folder":
        shutil.rmtree(place)
        place.mkdir()
        (place / ".lock").touch()

    resumed = resume_sweep(folder, trials=3, progress=False)  # two trials more than the first

    assert list_outcomes(resumed) == list_outcomes(finished)
    with pytest.raises(UsageError, match="has 3 trials already"):
        resume_sweep(folder, trials=2)


def test_folds_are_runs_of_each_trial(tmp_path: Path) -> None:
    # There is only one combination of values, so there is only one of the 20 trials.
    overrides = {**FIELDS, "epochs": 1}
    over = {"batch_size": [32]}
    result = sweep_tiny(tmp_path / "folds", over=over, overrides=overrides, folds=2, seeds=(3,))
    (trial,) = result.trials

    assert [run.folder.name for run in result.best_runs] == ["fold-1", "fold-2"]
    settings = [run.load_settings() for run in result.best_runs]
    assert [(one.seed, one.fold) for one in settings] == [(3, (0, 2)), (3, (1, 2))]
    assert trial.accuracy == pytest.approx(np.mean(trial.accuracies))
    assert len(set(trial.accuracies)) == 2


def test_seeds_are_runs_of_each_trial(finished: Sweep) -> None:
    settings = replace(SweepFolder.open(finished.folder).settings, seeds=(3, 5), folds=2)
    runs = list_runs(settings, Path("trial-001"))

    places = [run.folder.relative_to("trial-001").as_posix() for run in runs]
    assert places == ["seed-3/fold-1", "seed-3/fold-2", "seed-5/fold-1", "seed-5/fold-2"]


def test_a_trial_that_fails_is_shown_with_its_error(tmp_path: Path) -> None:
    # An eleventh class has no weight, which shows only in this combination.
    over: Any = {"outliers": [0.0, 0.1]}
    weights = {"class_weight": [1.0] * 10}
    with pytest.raises(RecipeError, match="class_weight"):
        sweep_tiny(tmp_path / "early", over=over, overrides={**FIELDS, **weights})
    assert not (tmp_path / "early").exists()

    over = {"outliers": [0.1], "class_weight": [[1.0] * 10]}
    result = sweep_tiny(tmp_path / "sweep", over=over)
    (failed,) = result.trials
    assert failed.state == "failed"
    assert "class_weight" in str(failed.error)
    assert result.best is None
    assert "failed: class_weight" in result.to_table()


def test_a_recipe_of_ones_own_is_copied(finished: Sweep) -> None:
    assert finished.recipe == "tiny"
    assert (finished.folder / "recipe.toml").read_text() == RECIPE


def test_equal_accuracies_are_ranked_by_loss() -> None:
    rows = [("finished", 0.9, 0.3), ("finished", 0.9, 0.2), ("stopped", 0.95, 0.1)]
    trials = [
        SweepTrial(number, {}, state, "", (accuracy,), (loss,), reached=accuracy)  # type: ignore[arg-type]
        for number, (state, accuracy, loss) in enumerate(rows, 1)
    ]

    assert [trial.number for trial in rank_trials(trials)] == [2, 1, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smoke", "--over", "batch_sizes=1,2"], "did you mean 'batch_size'?"),
        (["smoke", "--over", "optimizer=adm"], "did you mean 'Adam'"),
        (["smoke", "--over", "epochs=1..2", "--seeds", "1,1"], "invalid seeds [1, 1]"),
        (["smoke", "--over", "epochs=1..2", "--seeds", "4..1"], "expected a range such as 0..4"),
        (["smoke", "--over", "epochs=1..2", "--folds", "2", "--pictures", "x"], "leave pictures"),
        (["reader", "--over", "average=0.9..0.99", "--folds", "2"], "on drawn pages only"),
        (["smoke", "--over", "epochs=1..2", "--cores", "2"], "--cores requires --ray"),
        (["smoke", "--over", "epochs=1..2", "--ray", "smoke"], "invalid Ray address 'smoke'"),
        (["--resume", "x", "--over", "epochs=1..2"], "leave out all but"),
    ],
    ids=str,
)
def test_a_wrong_call_is_explained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_folders_are_not_mixed_up(finished: Sweep, tmp_path: Path) -> None:
    with pytest.raises(OutputExistsError, match="--resume"):
        sweep_tiny(finished.folder)
    with pytest.raises(RunError, match=r"no sweep\.json in"):
        resume_sweep(tmp_path)
    folder = tmp_path / "damaged"
    folder.mkdir()
    shutil.copy(finished.folder / "sweep.json", folder)
    (folder / TRIALS).write_text('[{"number": 2}]')
    with pytest.raises(RunError, match=r"trials\.json cannot be read"):
        resume_sweep(folder)


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from inkdigits.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("missing", ["optuna", "ray"])
def test_without_the_extra(missing: str, python: Python, tmp_path: Path) -> None:
    code = WITHOUT.format(missing={missing})
    output = tmp_path / "sweep"
    ended = python(
        "-c", code, "sweep", "smoke", "--over", "epochs=1..2", "--output", str(output), "--ray"
    )

    assert ended.returncode == 5
    assert 'pip install "inkdigits[scale]"' in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not output.exists()
