"""Training on Keras' other backends; each is skipped if it is not installed."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from inkdigits.data import Mnist
from inkdigits.recognition import Recognizer
from inkdigits.training import Run, load_recognizer

pytestmark = pytest.mark.slow

OWN_RECIPES = {
    "my.toml": """
training_images = 2000
epochs = 2
optimizer = "lion(weight_decay=0.01)"
class_weight = "balanced"
loss = "categorical_focal_crossentropy"
network = ['Conv2D(8, 5, strides=2, activation="relu")', "Flatten", "Dropout(0.1)", "Dense(10)"]
""",
    "my.py": """
import keras

training_images, epochs, optimizer, learning_rate = 2000, 2, "sgd(momentum=0.9)", 0.05


def build_model():
    pixels = keras.Input((28, 28, 1))
    wide = keras.layers.Conv2D(8, 5, strides=2, activation="relu")(pixels)
    more = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(wide)
    flat = keras.layers.Flatten()(keras.layers.Add()([wide, more]))
    return keras.Model(pixels, keras.layers.Dense(10)(flat))
""",
}
"""Each with another optimizer than Adam; the first with its own loss and class weights."""

SMALL = ("--set", "training_images=2000", "--set", "patience=2", "--quiet")


@pytest.fixture(scope="module", params=["torch", "jax"])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: 'make test-backends' installs and tests it")
    return name


@pytest.fixture(scope="module")
def run(
    backend: str,
    mnist: Mnist,
    python: Callable[..., CompletedProcess[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """A finished run on this backend."""
    folder = tmp_path_factory.mktemp(backend) / "run"
    ended = python(
        "-m", "inkdigits", "train", "smoke", "--quiet", "--output", str(folder),
        KERAS_BACKEND=backend,
    )  # fmt: skip
    assert ended.returncode == 0, ended
    return Run.open(folder)


def test_run_ends_with_every_file(run: Run, backend: str) -> None:
    assert run.is_finished
    assert run.keras_model.is_file()
    assert run.load_settings().backend == backend
    assert backend in json.loads(run.card.read_bytes())["versions"]


def test_network_has_learnt(run: Run, mnist: Mnist) -> None:
    tested = mnist.test.take(range(5_000, 7_000))
    probabilities = Recognizer.load(run.folder).classify(tested.images)

    assert 0.9 < np.mean(probabilities.argmax(axis=1) == tested.labels) < 0.995


def test_onnx_file_is_the_keras_file(run: Run, mnist: Mnist) -> None:
    """The Keras file is loaded on the backend of this process."""
    tiles = mnist.test.images[:500]
    np.testing.assert_allclose(
        load_recognizer(run.onnx_model).network(tiles),
        load_recognizer(run.keras_model).network(tiles),
        atol=1e-4,
    )


def test_killed_run_ends_with_the_same_weights(
    backend: str, python: Callable[..., CompletedProcess[str]], tmp_path: Path, mnist: Mnist
) -> None:
    arguments = ("train", "smoke", *SMALL, "--set", "epochs=3", "--output")
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    python("-m", "inkdigits", *arguments, str(whole), KERAS_BACKEND=backend)
    killed = python(
        "-c",
        "import os, signal, sys\n"
        "from inkdigits.cli import main\n"
        "from inkdigits.training.runs import Run\n"
        "save = Run.save_checkpoint\n"
        "def save_and_die(run, checkpoint):\n"
        "    save(run, checkpoint)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "Run.save_checkpoint = save_and_die\n"
        "main(sys.argv[1:])\n",
        *arguments,
        str(stopped),
        KERAS_BACKEND=backend,
    )
    assert killed.returncode == -9, killed
    ended = python(
        "-m", "inkdigits", "train", "--resume", str(stopped), "--quiet", KERAS_BACKEND=backend
    )
    assert ended.returncode == 0, ended

    checkpoints = [Run(folder).load_checkpoint() for folder in (whole, stopped)]
    assert checkpoints[0] is not None
    assert checkpoints[1] is not None
    for one, other in zip(checkpoints[0].weights, checkpoints[1].weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", sorted(OWN_RECIPES))
def test_a_recipe_of_ones_own_is_trained(
    name: str,
    backend: str,
    mnist: Mnist,
    python: Callable[..., CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    path, folder = tmp_path / name, tmp_path / "run"
    path.write_text(OWN_RECIPES[name], encoding="utf-8")

    ended = python(
        "-m", "inkdigits", "train", str(path), "--quiet", "--output", str(folder),
        KERAS_BACKEND=backend,
    )  # fmt: skip

    assert ended.returncode == 0, ended
    tested = mnist.test.take(range(5_000, 6_000))
    # The ONNX file needs no backend, and the Keras file any.
    read = [
        load_recognizer(model).classify(tested.images)
        for model in (Run(folder).onnx_model, Run(folder).keras_model)
    ]
    np.testing.assert_allclose(read[0], read[1], atol=1e-4)
    assert np.mean(read[0].argmax(axis=1) == tested.labels) > 0.7


def test_a_learning_rate_is_proposed(
    backend: str, python: Callable[..., CompletedProcess[str]], tmp_path: Path, mnist: Mnist
) -> None:
    """The rate of each step comes from a schedule, which every backend follows."""
    ended = python(
        "-m", "inkdigits", "train", "smoke", "--find-learning-rate", "--json", "--quiet",
        "--output", str(tmp_path / "rates"), KERAS_BACKEND=backend,
    )  # fmt: skip

    assert ended.returncode == 0, ended
    found = json.loads(ended.stdout)
    assert found["smoothed"][0] > 2 > min(found["smoothed"])
    assert 1e-4 < found["suggestion"] < 1


def test_run_is_not_resumed_on_another_backend(
    run: Run, backend: str, python: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    (stopped / "settings.json").write_bytes((run.folder / "settings.json").read_bytes())

    ended = python("-m", "inkdigits", "train", "--resume", str(stopped), KERAS_BACKEND="tensorflow")

    assert ended.returncode == 3
    assert ended.stdout == ""
    assert f"KERAS_BACKEND={backend}" in ended.stderr
    assert ended.stderr.count("\n") == 1
