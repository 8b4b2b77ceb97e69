"""Sweeps and the fits of `make figures` on Ray."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from inkdigits.data import Mnist
from inkdigits.errors import UsageError
from inkdigits.ray_clusters import check_address, connect_ray
from inkdigits.sweeps import resume_sweep
from inkdigits.sweeps.search_space import parse_space
from inkdigits.sweeps.sweep_folder import SweepFolder, SweepSettings
from inkdigits.training import Run
from inkdigits.training.model_files.recipe_sources import open_recipe

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("address", ["local", "auto", "10.0.0.1:6379", "ray://head:10001"])
def test_addresses(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize("address", ["", "quick", "head", "http://head:8265", "head:port", "a b:1"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(UsageError, match="invalid Ray address"):
        check_address(address)


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    with connect_ray("local") as ray:
        yield ray


@pytest.fixture(scope="module")
def run_on_ray() -> ModuleType:
    path = ROOT / "measurements" / "run_on_ray.py"
    spec = importlib.util.spec_from_file_location("run_on_ray", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_trials_on_ray_are_numbered_measured_and_continued(
    ray: Any, mnist: Mnist, tmp_path: Path
) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'network = ["Flatten", "Dense(10)"]\n'
        "training_images = 300\nvalidation_images = 300\nepochs = 2\n"
    )
    # What a driver leaves that is killed at once: a trial that is running, without any file.
    chosen, source = open_recipe(str(recipe))
    space = parse_space(["learning_rate=1e-3..1e-1"], chosen)
    settings = SweepSettings(chosen, space, 1, (0,), None, None, None, (), True, None, {})
    folder = SweepFolder.create(tmp_path / "sweep", settings, source)
    folder.start({"learning_rate": 0.05})

    result = resume_sweep(folder.folder, trials=2, ray="local", progress=False)

    by_number = sorted(result.trials, key=lambda trial: trial.number)
    assert [trial.number for trial in by_number] == [1, 2]
    assert by_number[0].values == {"learning_rate": 0.05}
    assert result.best is not None
    assert result.best.epochs == 2
    assert result.best_runs[0].is_finished
    assert result.plot.is_file()
    assert {trial.state for trial in result.trials} <= {"finished", "stopped"}
    for trial in result.trials:
        run = Run.open(folder.folder / trial.folder)
        assert run.load_settings().recipe.learning_rate == trial.values["learning_rate"]


@pytest.mark.slow
def test_commands_run_on_ray_in_their_folder(
    ray: Any, run_on_ray: ModuleType, tmp_path: Path
) -> None:
    code = "import pathlib, sys; pathlib.Path('here').write_text('x'); sys.exit(3)"
    command = [sys.executable, "-c", code]

    assert run_on_ray.run_command(ray, command, folder=tmp_path, cores=1) == 3
    assert (tmp_path / "here").read_text() == "x"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_figures_are_fitted_on_ray_with_teachers_first() -> None:
    def list_commands(*settings: str) -> list[str]:
        ended = subprocess.run(
            ["make", "-n", "runs/figures/small-0/model.json", *settings],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return [line for line in ended.stdout.splitlines() if "sh -c" in line or "export" in line]

    runs = [name for name in ("pictures-0", "small-0") if (ROOT / "runs/figures" / name).exists()]
    if runs:
        pytest.skip(f"{' and '.join(runs)} are fitted already")
    teacher, exported, student = list_commands("RAY=10.0.0.1:6379", "CORES=4")
    on_ray = "python measurements/run_on_ray.py 10.0.0.1:6379 --cores 4 -- sh -c "
    assert on_ray in teacher
    assert "runs/figures/pictures-0" in teacher
    assert "export runs/figures/pictures-0" in exported
    assert on_ray in student
    assert "runs/figures/small-0" in student
    assert [on_ray in command for command in list_commands()] == [False, False, False]
