from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inkdigits.errors import OutputExistsError, RunError
from inkdigits.training import READER_RECIPES, RECIPES
from inkdigits.training.runs import (
    HISTORY_COLUMNS,
    Checkpoint,
    Run,
    Settings,
    is_reader_run,
    list_versions,
)

SETTINGS = Settings(RECIPES["dropout"], 7, {"images": "ba89"}, None, "tensorflow", {"keras": "3"})
ROW = dict(zip(HISTORY_COLUMNS, (1, 0.25, 0.5, 0.125, 0.75, 1.5), strict=True))
WITHOUT = object()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "run", RECIPES["smoke"].name)
    run.save_settings(SETTINGS)
    return run


def make_checkpoint(*, with_best: bool, n_weights: int = 12) -> Checkpoint:
    random = np.random.default_rng(0)
    weights = [random.normal(size=(3, i + 1)).astype(np.float32) for i in range(n_weights)]
    optimizer = [np.int64(5) * np.ones((), np.int64), random.normal(size=(2,))]
    return Checkpoint([ROW], weights, optimizer, weights[::-1] if with_best else None)


def test_folders_without_a_name_are_numbered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    made = [Run.create(None, RECIPES["smoke"].name).folder for _ in range(3)]

    assert made == [Path("runs/smoke"), Path("runs/smoke-2"), Path("runs/smoke-3")]


@pytest.mark.parametrize("is_file", [True, False])
def test_taken_folder(tmp_path: Path, is_file: bool) -> None:
    taken = tmp_path / "taken"
    taken.touch() if is_file else taken.mkdir()

    with pytest.raises(OutputExistsError, match="exists already"):
        Run.create(taken, RECIPES["smoke"].name)


@pytest.mark.parametrize("name", ["file/run", "file/deep/run", "x" * 300])
def test_impossible_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(RunError, match="cannot be created") as caught:
        Run.create(tmp_path / name, RECIPES["smoke"].name)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("is_link", [True, False])
def test_impossible_folder_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_link: bool
) -> None:
    """`runs` is a file, or a broken link."""
    monkeypatch.chdir(tmp_path)
    if is_link:
        Path("runs").symlink_to("nowhere")
    else:
        Path("runs").touch()

    with pytest.raises((RunError, OutputExistsError), match="runs"):
        Run.create(None, RECIPES["smoke"].name)


def test_settings_come_back(run: Run) -> None:
    assert Run.open(run.folder).load_settings() == SETTINGS
    taught = replace(SETTINGS, teachers=("runs/quick",))
    run.save_settings(taught)
    assert run.load_settings() == taught
    assert not run.is_finished


@pytest.mark.parametrize(
    "change",
    [
        {"seed": WITHOUT},
        {"colour": "red"},
        {"recipe": None},
        {"teachers": 3},
        {"recipe": {"name": "smoke"}},
        {"recipe": {**RECIPES["smoke"].to_json(), "epochs": -1}},
    ],
    ids=[
        "no seed",
        "unknown field",
        "no recipe",
        "teachers",
        "part of a recipe",
        "negative epochs",
    ],
)
def test_damaged_settings(run: Run, change: dict[str, Any]) -> None:
    path = run.folder / "settings.json"
    values = {**json.loads(path.read_bytes()), **change}
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not WITHOUT}))

    with pytest.raises(RunError, match=r"settings\.json cannot be read") as caught:
        run.load_settings()

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_unreadable_settings(run: Run, content: bytes) -> None:
    (run.folder / "settings.json").write_bytes(content)

    with pytest.raises(RunError, match=r"settings\.json cannot be read"):
        run.load_settings()


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder"):
        Run.open(tmp_path / "missing")
    with pytest.raises(RunError, match=r"no settings\.json"):
        Run.open(tmp_path)


@pytest.mark.parametrize("with_best", [True, False])
def test_checkpoint_comes_back(run: Run, with_best: bool) -> None:
    saved = make_checkpoint(with_best=with_best, n_weights=120)
    assert run.load_checkpoint() is None

    run.save_checkpoint(saved)
    loaded = run.load_checkpoint()

    assert loaded is not None
    assert loaded.history == saved.history == run.load_history()
    for before, after in (
        (saved.weights, loaded.weights),
        (saved.optimizer, loaded.optimizer),
        (saved.best_weights or [], loaded.best_weights or []),
    ):
        assert len(before) == len(after)
        for one, other in zip(before, after, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_damaged_checkpoint(run: Run, share: float) -> None:
    run.save_checkpoint(make_checkpoint(with_best=True))
    path = run.folder / "checkpoint.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])

    with pytest.raises(RunError, match=r"checkpoint\.npz is damaged") as caught:
        run.load_checkpoint()

    assert "\n" not in str(caught.value)


def test_checkpoint_with_code_in_it_is_refused(run: Run) -> None:
    np.savez(run.folder / "checkpoint.npz", history=np.array([Path("code")], object))

    with pytest.raises(RunError, match="damaged"):
        run.load_checkpoint()


def test_history_is_a_table(run: Run) -> None:
    run.save_history([ROW, {**ROW, "epoch": 2}])

    lines = (run.folder / "history.csv").read_text().splitlines()
    assert lines == [
        "epoch,loss,accuracy,val_loss,val_accuracy,seconds",
        "1,0.25,0.5,0.125,0.75,1.5",
        "2,0.25,0.5,0.125,0.75,1.5",
    ]


@pytest.mark.parametrize("content", [b"epoch\none\n", b"epoch,loss\n1\n", b"\xff\xfe"])
def test_damaged_history(run: Run, content: bytes) -> None:
    (run.folder / "history.csv").write_bytes(content)

    with pytest.raises(RunError, match=r"history\.csv cannot be read"):
        run.load_history()


def test_only_one_at_a_time(run: Run) -> None:
    with run.locked(), pytest.raises(RunError, match="another process"), Run(run.folder).locked():
        pass
    with run.locked():
        pass


def test_what_a_killed_process_left_is_removed_when_training_goes_on(run: Run) -> None:
    """Both kinds of runs use this lock."""
    left = run.folder / f".checkpoint.{'0f' * 16}.npz"
    before = sorted(run.folder.iterdir())
    left.write_bytes(b"half")

    with run.locked():
        pass

    assert sorted(path for path in run.folder.iterdir() if path.name != ".lock") == before


def test_in_a_finished_run_nothing_is_removed(run: Run) -> None:
    """Another process may be exporting the run."""
    writing = run.folder / f".model.{'0f' * 16}.h5"
    writing.touch()
    run.card.touch()

    with run.locked():
        pass

    assert writing.exists()


def test_versions_are_those_installed() -> None:
    import numpy

    versions = list_versions()

    assert versions["numpy"] == numpy.__version__
    assert {"inkdigits", "keras"} <= set(versions)
    assert list_versions(("no-such-package",)) == {}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (json.dumps({"recipe": READER_RECIPES["reader"].to_json()}), True),
        (json.dumps({"recipe": RECIPES["quick"].to_json()}), False),
        ("[1, 2]", False),
        ('{"recipe": 3}', False),
        ("{", False),
        (None, False),
    ],
)
def test_run_of_a_reader_is_known(tmp_path: Path, settings: str | None, expected: bool) -> None:
    if settings is not None:
        (tmp_path / "settings.json").write_text(settings)

    assert is_reader_run(tmp_path) is expected
