"""Training, also with signals, `kill -9`, full disks and a second process."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.cli import main
from inkdigits.data import LabelledImages, Mnist, split_validation
from inkdigits.errors import (
    DataUnavailableError,
    ModelError,
    OutputExistsError,
    RecipeError,
    RunError,
    TrainingInterrupted,
    UsageError,
)
from inkdigits.recognition import Recognizer
from inkdigits.training import RECIPES, Run, export, resume, train
from inkdigits.training.model_files.loading import load_keras_model
from inkdigits.training.networks.frameworks import has_16_bit_arithmetic

pytest.importorskip("resource", reason="needs what Windows lacks")

if TYPE_CHECKING:
    from tests.conftest import WarmTraining

# A short training. It stops early, after epoch 4, with the weights of epoch 3.
SMALL = (
    "training_images=2000",
    "epochs=8",
    "patience=1",
    "schedule=constant",
    "learning_rate=0.02",
)
SMALL_ARGUMENTS = [word for override in SMALL for word in ("--set", override)]

StartTraining = Callable[..., "WarmTraining"]
Weights = list[NDArray[Any]]


def load_weights(run: Run) -> Weights:
    weights: Weights = load_keras_model(run.keras_model).get_weights()
    return weights


def list_rows(run: Run) -> list[dict[str, float]]:
    """Returns the history without the times of the epochs."""
    return [{**row, "seconds": 0} for row in run.load_history()]


def assert_same_run(run: Run, expected: Run) -> None:
    for weights, expected_weights in zip(load_weights(run), load_weights(expected), strict=True):
        np.testing.assert_array_equal(weights, expected_weights)
    assert list_rows(run) == list_rows(expected)
    figures, expected_figures = (
        {**json.loads(r.card.read_bytes())["figures"], "fit_seconds": 0} for r in (run, expected)
    )
    assert figures == expected_figures


def wait_until(process: WarmTraining, happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.001)


def count_epochs(folder: Path) -> int:
    try:
        return len((folder / "history.csv").read_text().splitlines()) - 1
    except FileNotFoundError:
        return 0


@pytest.fixture(scope="module")
def small_run(mnist: Mnist, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An uninterrupted run; read only."""
    folder = tmp_path_factory.mktemp("small") / "run"
    return train("smoke", overrides=SMALL, output=folder, progress=False)


def test_smoke_learns(smoke_run: Run, test_slice: LabelledImages) -> None:
    """Too low an accuracy would mean no training, too high a one training on the test images."""
    probabilities = Recognizer.load(smoke_run.folder).classify(test_slice.images)

    assert 0.88 < np.mean(probabilities.argmax(axis=1) == test_slice.labels) < 0.985


def test_smoke_learns_other_images(smoke_run: Run, mnist: Mnist) -> None:
    easier = mnist.test.take(range(6_000, 8_000))
    probabilities = Recognizer.load(smoke_run.folder).classify(easier.images)

    assert 0.9 < np.mean(probabilities.argmax(axis=1) == easier.labels) < 0.995


def test_folder_of_a_finished_run(smoke_run: Run) -> None:
    assert smoke_run.is_finished
    assert {path.name for path in smoke_run.folder.iterdir()} - {".lock"} == {
        "settings.json",
        "history.csv",
        "checkpoint.npz",
        "curves.png",
        "model.keras",
        "model.onnx",
        "model.json",
    }
    assert [row["epoch"] for row in smoke_run.load_history()] == [1, 2, 3]
    settings = smoke_run.load_settings()
    assert settings.recipe == RECIPES["smoke"]
    card = json.loads(smoke_run.card.read_bytes())
    assert card["data_sha256"] == settings.data_sha256
    assert card["recipe"] == RECIPES["smoke"].to_json()


def test_figures_of_the_card_are_those_of_the_onnx_file(smoke_run: Run, mnist: Mnist) -> None:
    recognizer = Recognizer.load(smoke_run.folder)
    training, validation = split_validation(mnist.train, 1_000, 0)
    for name, images in (
        ("training_accuracy", training.take(range(8_000))),
        ("validation_accuracy", validation),
    ):
        right = recognizer.network(images.images).argmax(axis=1) == images.labels
        assert recognizer.card.figures[name] == pytest.approx(np.mean(right))
    assert recognizer.card.figures["parameters"] == 9_786


def test_early_stopping_keeps_the_best_epoch(small_run: Run, mnist: Mnist) -> None:
    losses = [row["val_loss"] for row in small_run.load_history()]
    best = int(np.argmin(losses))

    assert len(losses) == best + 1 + 1 < 8
    card = json.loads(small_run.card.read_bytes())
    assert card["figures"]["validation_loss"] == pytest.approx(losses[best], rel=1e-3)
    assert card["figures"]["epochs"] == len(losses)


def test_run_in_16_bits_gives_a_model_of_32(mnist: Mnist, tmp_path: Path) -> None:
    overrides = {
        **{"precision": "bfloat16", "augmentation": "distortions"},
        **{"training_images": 3_200, "epochs": 2},
    }
    run = train("smoke", overrides=overrides, output=tmp_path / "run", progress=False)

    precision = run.load_settings().recipe.precision
    assert precision == ("bfloat16" if has_16_bit_arithmetic() else "float32")
    network = load_keras_model(run.keras_model, compile=True)
    assert network.optimizer.iterations.numpy() == 2 * 3_200 // 64
    validation = split_validation(mnist.train, 1_000, 0)[1]
    probabilities = np.asarray(network(validation.images))

    assert {layer.compute_dtype for layer in network.layers} <= {"float32", "uint8"}
    read = Recognizer.load(run.folder).network(validation.images)
    np.testing.assert_allclose(probabilities, read, atol=1e-5)
    accuracy = np.mean(read.argmax(axis=1) == validation.labels)
    # Validation in 16 bits used undistorted digits; the accuracy on distorted ones is far lower.
    assert accuracy == pytest.approx(run.load_history()[-1]["val_accuracy"], abs=0.01)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ("flags\t\t: fpu avx512f amx_bf16 amx_tile\n", True),
        ("flags\t\t: fpu avx512_bf16\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        ("model name\t: amx_bf16like\n", False),
        (None, False),
    ],
)
def test_16_bits_are_for_processors_that_have_them(
    facts: str | None, expected: bool, tmp_path: Path
) -> None:
    path = tmp_path / "cpuinfo"
    if facts is not None:
        path.write_text(facts, encoding="utf-8")
    assert has_16_bit_arithmetic(path) is expected


def test_same_seed_same_weights(small_run: Run, tmp_path: Path) -> None:
    again = train("smoke", overrides=SMALL, output=tmp_path / "again", progress=False)

    assert_same_run(again, small_run)


def test_other_seed_other_weights(small_run: Run, tmp_path: Path) -> None:
    overrides = {"training_images": 500, "epochs": 1}
    runs = [
        train("smoke", overrides=overrides, seed=seed, output=tmp_path / str(seed), progress=False)
        for seed in (1, 2)
    ]
    ones, others = map(load_weights, runs)

    assert not np.array_equal(ones[0], others[0])
    assert runs[0].load_history()[0]["val_loss"] != runs[1].load_history()[0]["val_loss"]


def test_finished_run_is_resumed_as_it_is(smoke_run: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in smoke_run.folder.iterdir()}

    assert resume(smoke_run.folder) == smoke_run

    assert {path: path.stat().st_mtime_ns for path in smoke_run.folder.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "expected", "message"),
    [
        ({"recipe": "smok"}, RecipeError, "did you mean 'smoke'"),
        ({"overrides": ["epoch=1"]}, RecipeError, "did you mean 'epochs'"),
        ({"overrides": ["network=[['Flaten', [], {}]]"]}, RecipeError, "Flaten"),
        ({"overrides": ["validation_images=60000"]}, UsageError, "60000"),
        ({"recipe": RECIPES["smoke"], "overrides": ["epochs=1"]}, UsageError, "overrides"),
        ({"data": "/nowhere"}, DataUnavailableError, "nowhere"),
    ],
    ids=str,
)
def test_refused_before_a_folder_is_made(
    mnist: Mnist,
    tmp_path: Path,
    arguments: dict[str, Any],
    expected: type[Exception],
    message: str,
) -> None:
    with pytest.raises(expected, match=message):
        train(**{"recipe": "smoke", "output": tmp_path / "run", "progress": False, **arguments})

    assert list(tmp_path.iterdir()) == []


def test_taken_folder_is_left_alone(mnist: Mnist, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(OutputExistsError, match="exists already"):
        train("smoke", output=tmp_path, progress=False)

    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_folder_below_a_file(mnist: Mnist, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(RunError, match="cannot be created"):
        train("smoke", output=tmp_path / "file" / "run", progress=False)


@pytest.fixture
def unfinished(small_run: Run, tmp_path: Path) -> Run:
    """A copy of the small run, as if it was killed before the card was written."""
    run = Run(Path(shutil.copytree(small_run.folder, tmp_path / "unfinished")))
    run.card.unlink()
    return run


def test_a_run_without_card_is_finished_again(unfinished: Run, small_run: Run) -> None:
    with pytest.raises(ModelError, match="not finished"):
        export(unfinished, "h5")
    unfinished.keras_model.write_bytes(b"half")
    unfinished.onnx_model.unlink()
    (unfinished.folder / ".half.npz").write_bytes(b"half")

    assert_same_run(resume(unfinished.folder, progress=False), small_run)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda whole: whole[:-100], "is damaged"),
        (lambda whole: b"", "is damaged"),
        (lambda whole: random.Random(0).randbytes(len(whole)), "is damaged"),
    ],
    ids=["cut", "empty", "noise"],
)
def test_damaged_checkpoint(
    unfinished: Run,
    damage: Callable[[bytes], bytes],
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = unfinished.folder / "checkpoint.npz"
    path.write_bytes(damage(path.read_bytes()))

    assert main(["train", "--resume", str(unfinished.folder), "--quiet"]) == 3

    error = capsys.readouterr().err
    assert expected in error
    assert str(path) in error
    assert error.count("\n") == 1


def test_checkpoint_of_another_network(unfinished: Run) -> None:
    settings = unfinished.load_settings()
    unfinished.save_settings(replace(settings, recipe=replace(RECIPES["quick"], patience=2)))

    with pytest.raises(RunError, match="does not match the network"):
        resume(unfinished.folder, progress=False)


def test_run_of_another_backend(unfinished: Run) -> None:
    unfinished.save_settings(replace(unfinished.load_settings(), backend="jax"))

    with pytest.raises(RunError, match="KERAS_BACKEND=jax"):
        resume(unfinished.folder, progress=False)


def test_run_of_other_images(unfinished: Run) -> None:
    settings = unfinished.load_settings()
    sha256 = dict.fromkeys(settings.data_sha256, "0" * 64)
    unfinished.save_settings(replace(settings, data_sha256=sha256))

    with pytest.raises(RunError, match="images or teachers in the cache are not those"):
        resume(unfinished.folder, progress=False)


def test_ctrl_c_within_the_process(mnist: Mnist, tmp_path: Path) -> None:
    """As in a notebook, where the kernel gets the signal and continues to run."""
    folder = tmp_path / "run"

    def interrupt() -> None:
        while not count_epochs(folder):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    overrides = {"training_images": 500, "epochs": 1_000}
    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(TrainingInterrupted, match=f"--resume {folder}"):
        train("smoke", overrides=overrides, output=folder, progress=False)
    thread.join()

    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopped_run_is_resumed(
    small_run: Run, start_training: StartTraining, tmp_path: Path, stop: signal.Signals
) -> None:
    folder = tmp_path / "run"
    process = start_training("smoke", *SMALL_ARGUMENTS, "--output", str(folder), "--quiet")
    wait_until(process, lambda: count_epochs(folder) >= 1)

    process.send_signal(stop)
    output, error = process.communicate(timeout=60)

    assert process.returncode == 130, error
    assert output == ""
    assert error.count("\n") == 1
    assert f"inkdigits train --resume {folder}" in error
    assert not Run(folder).is_finished
    assert_same_run(resume(folder, progress=False), small_run)


def holds_temporary(folder: Path, suffix: str) -> bool:
    return any(path.name != ".lock" for path in folder.glob(f".*{suffix}"))


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "before the first epoch": lambda folder: (folder / "settings.json").exists(),
    "after the first epoch": lambda folder: count_epochs(folder) >= 1,
    "while a checkpoint is written": lambda folder: holds_temporary(folder, ".npz"),
    "while the model is written": lambda folder: (folder / "curves.png").exists(),
    "before the card": lambda folder: (folder / "model.onnx").exists(),
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", [*MOMENTS, "at random"])
def test_killed_run_is_resumed(
    small_run: Run, start_training: StartTraining, tmp_path: Path, moment: str
) -> None:
    folder = tmp_path / "run"
    process = start_training("smoke", *SMALL_ARGUMENTS, "--output", str(folder), "--quiet")
    if moment in MOMENTS:
        wait_until(process, lambda: MOMENTS[moment](folder))
    else:
        wait_until(process, lambda: MOMENTS["before the first epoch"](folder))
        time.sleep(random.uniform(0, 3))

    process.kill()
    process.communicate()

    run = resume(folder, progress=False)
    assert_same_run(run, small_run)


@pytest.mark.slow
def test_second_process_is_refused(
    small_run: Run, start_training: StartTraining, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    arguments = ["smoke", "--set", "epochs=1000", "--output", str(folder), "--quiet"]
    process = start_training(*arguments)
    wait_until(process, lambda: count_epochs(folder) >= 1)

    with pytest.raises(RunError, match="another process"):
        resume(folder, progress=False)

    assert process.poll() is None
    process.kill()
    process.communicate()
    with Run(folder).locked():  # released although the process was killed
        pass


@pytest.mark.slow
def test_full_disk(small_run: Run, start_training: StartTraining, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    # Larger writes fail, as on a full disk.
    arguments = ["smoke", *SMALL_ARGUMENTS, "--output", str(folder), "--quiet"]
    process = start_training(*arguments, max_file_bytes=100_000)
    output, error = process.communicate(timeout=120)

    assert process.returncode == 4, error
    assert output == ""
    assert "checkpoint.npz cannot be written" in error
    assert error.count("\n") == 1
    assert {path.name for path in folder.iterdir()} <= {"settings.json", ".lock"}

    assert_same_run(resume(folder, progress=False), small_run)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB, which has space for two checkpoints but not for the models."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_full_disk_at_the_end(
    small_run: Run, tiny_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_disk / "run"
    arguments = ["train", "smoke", *SMALL_ARGUMENTS, "--output", str(folder), "--quiet"]

    assert main(arguments) == 4

    error = capsys.readouterr().err
    assert "cannot be written" in error
    assert error.count("\n") == 1
    assert not Run(folder).is_finished
    assert not holds_temporary(folder, "")

    subprocess.run(["mount", "-o", "remount,size=8m", str(tiny_disk)], check=True)
    assert_same_run(resume(folder, progress=False), small_run)
