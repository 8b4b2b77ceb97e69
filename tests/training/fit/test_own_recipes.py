"""Runs trained by a user's own file, with callbacks, other losses and optimizers."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inkdigits.data import Mnist
from inkdigits.errors import MissingExtraError, UsageError
from inkdigits.recognition import Recognizer
from inkdigits.training import Run, export, load_recognizer, resume, train

FIELDS = """
training_images = 600
validation_images = 300
batch_size = 50
epochs = 2
learning_rate = 0.02
"""
TOML = (
    FIELDS
    + """
optimizer = "sgd(momentum=0.9)"
loss = "categorical_crossentropy(label_smoothing=0.1)"
class_weight = "balanced"
network = ['Conv2D(8, 5, strides=2, activation="relu")', "Flatten", "Dropout(0.1)", "Dense(10)"]
"""
)
PYTHON = (
    FIELDS
    + """
import pathlib
pathlib.Path(__file__).with_suffix(".ran").touch()
import keras
from keras import layers

def build_model():
    pixels = keras.Input((28, 28, 1))
    wide = layers.Conv2D(8, 5, strides=2, activation="relu")(pixels)
    more = layers.Conv2D(8, 3, padding="same", activation="relu")(wide)
    joined = layers.Dropout(0.1)(layers.Add()([wide, more]))
    return keras.Model(pixels, layers.Dense(10)(layers.Flatten()(joined)))
"""
)


@pytest.mark.parametrize(("name", "text"), [("my.toml", TOML), ("my.py", PYTHON)])
def test_a_run_of_ones_own_file_is_used_like_any_other(
    name: str, text: str, mnist: Mnist, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    caplog.set_level(logging.INFO, logger="inkdigits")

    run = train(path, output=tmp_path / "run", progress=False)

    assert "Rescaling by 1/255; Reshape to (28, 28, 1); Softmax" in caplog.text
    settings = run.load_settings()
    assert settings.recipe_sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (run.folder / f"recipe{path.suffix}").read_text(encoding="utf-8") == text
    path.unlink()
    (ran := path.with_suffix(".ran")).unlink(missing_ok=True)

    recognizer = Recognizer.load(run.folder)
    tiles = mnist.test.images[:1_000]
    assert np.mean(recognizer.classify(tiles).argmax(axis=1) == mnist.test.labels[:1_000]) > 0.5
    exported = load_recognizer(export(run, "h5"))
    np.testing.assert_allclose(exported.network(tiles), recognizer.network(tiles), atol=1e-4)
    assert export(run, "onnx-int8").is_file()

    # Without its models and last epochs, it is trained again to the same figures, without the file.
    figures = json.loads(run.card.read_bytes())["figures"]
    run.card.unlink()
    (run.folder / "checkpoint.npz").unlink()
    again = json.loads(resume(run.folder, progress=False).card.read_bytes())["figures"]
    assert {**again, "fit_seconds": 0} == {**figures, "fit_seconds": 0}
    assert not list(tmp_path.rglob("*.ran"))
    assert not ran.exists()


def test_callbacks_are_told_of_one_training(mnist: Mnist, tmp_path: Path) -> None:
    import keras

    seen: list[Any] = []

    class Note(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            seen.append(("begin", self.params["epochs"], self.params["steps"]))

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            seen.append(("epoch", epoch))

        def on_test_end(self, logs: Any = None) -> None:
            seen.append("validated")

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append((epoch, sorted(logs)))

        def on_train_end(self, logs: Any = None) -> None:
            seen.append("end")

    path = tmp_path / "my.toml"
    path.write_text(TOML, encoding="utf-8")
    stop = keras.callbacks.EarlyStopping("val_loss", min_delta=100, patience=1)
    run = train(path, epochs=5, callbacks=[Note(), stop], output=tmp_path / "run", progress=False)

    names = ["accuracy", "loss", "val_accuracy", "val_loss"]
    epochs = [(("epoch", number), "validated", (number, names)) for number in range(2)]
    assert seen == [("begin", 5, 12), *epochs[0], *epochs[1], "end"]
    assert run.is_finished
    assert len(run.load_history()) == 2


def test_tensorboard_gets_the_figures_of_each_epoch(
    mnist: Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"output": tmp_path / "run", "progress": False, "tensorboard": True}
    fields = {"training_images": 200, "validation_images": 100, "epochs": 1}
    run = train("smoke", **options, **fields)  # type: ignore[arg-type]

    assert run.load_settings().tensorboard
    written = {path.parent.name for path in (run.folder / "tensorboard").rglob("events.*")}
    assert written == {"train", "validation"}
    assert "tensorboard/" in run.clear()

    import sys

    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match='pip install "tensorboard"'):
        train("smoke", **{**options, "output": tmp_path / "other"})  # type: ignore[arg-type]
    assert not (tmp_path / "other").exists()


def test_other_objects_are_no_callbacks(mnist: Mnist, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="callbacks contains 'mine'; expected objects of keras"):
        train("smoke", callbacks=["mine"], output=tmp_path / "run", progress=False)
    with pytest.raises(UsageError, match="leave callbacks, tensorboard, mlflow and live out"):
        train("reader", callbacks=["mine"], output=tmp_path / "run")

    assert not (tmp_path / "run").exists()


def test_settings_of_older_runs_are_still_read(smoke_run: Run, tmp_path: Path) -> None:
    values = json.loads((smoke_run.folder / "settings.json").read_bytes())
    for name in ("recipe_sha256", "tensorboard"):
        del values[name]
    for name in ("optimizer", "loss", "class_weight"):
        del values["recipe"][name]
    (tmp_path / "settings.json").write_text(json.dumps(values))

    assert Run(tmp_path).load_settings() == smoke_run.load_settings()
