"""What benchmarks share: how much is done, a trained network in its forms, a folder for files."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inkdigits.benchmark.timing import run_process
from inkdigits.data import LabelledImages, fetch_mnist
from inkdigits.recognition.network import Network, OnnxNetwork
from inkdigits.training import Run, export
from inkdigits.training.loading import load_keras_model


@dataclass(frozen=True)
class Sizes:
    """How much a benchmark does.

    Attributes:
        n_turns: Times that each has its turn.
        n_calls: Calls in each turn where single tiles are read.
        n_seeds: Trainings of each recipe.
        overrides: Of the recipes that are trained, texts `field=value`.
        n_tiles: Tiles that are read at once, at most 10,000.
        keras_batches: Batch sizes that Keras is tried with.
        streams: Lengths of the streams of tiles, in tiles.
        folders: Numbers of pictures in the folders that are read.
        matrix_side: Of the product that the machine's limit is taken from.
    """

    n_turns: int
    n_calls: int
    n_seeds: int
    overrides: tuple[str, ...]
    n_tiles: int
    keras_batches: tuple[int, ...]
    streams: tuple[int, ...]
    folders: tuple[int, ...]
    matrix_side: int


FULL = Sizes(
    n_turns=7,
    n_calls=100,
    n_seeds=5,
    overrides=(),
    n_tiles=10_000,
    keras_batches=(32, 128, 256, 500, 1_000, 2_500, 10_000),
    streams=(1_000, 10_000, 100_000, 1_000_000),
    folders=(1_000, 10_000),
    matrix_side=2_048,
)

SLICE = Sizes(
    n_turns=2,
    n_calls=3,
    n_seeds=1,
    overrides=("epochs=1", "training_images=600", "validation_images=100"),
    n_tiles=200,
    keras_batches=(100, 200),
    streams=(20, 60),
    folders=(3, 6),
    matrix_side=128,
)


@dataclass(frozen=True)
class Training:
    """A training that was timed.

    Attributes:
        run: What it left.
        fit_s: Seconds of the fit alone.
        process_s: Seconds of the whole process, imports and data included.
        test_accuracy: On MNIST's test images, 0 to 1.
    """

    run: Run
    fit_s: float
    process_s: float
    test_accuracy: float


@dataclass(frozen=True, eq=False)
class Workplace:
    """Where benchmarks find what they need; made when first asked for, then kept.

    Attributes:
        folder: Empty, for files.
        sizes: How much is done.
        model: The folder of the run whose network is read with; None: `quick` is trained for it.
    """

    folder: Path
    sizes: Sizes = FULL
    model: Path | None = None

    @cached_property
    def test(self) -> LabelledImages:
        """MNIST's test images."""
        return fetch_mnist(progress=False).test

    @cached_property
    def tiles(self) -> LabelledImages:
        """The tiles that are read at once."""
        return self.test.take(np.arange(self.sizes.n_tiles))

    @cached_property
    def run(self) -> Run:
        """The run whose network is read with."""
        if self.model is not None:
            return Run.open(self.model)
        return self.train("quick", 0).run

    @property
    def network_name(self) -> str:
        """The recipe of that network."""
        return str(self.run.load_settings().recipe.name)

    @cached_property
    def networks(self) -> dict[str, Network]:
        """The same network in the forms that ONNX Runtime reads, as `export` writes them."""
        forms = {"onnx": "float32", "onnx-int8": "int8"}
        return {
            name: OnnxNetwork(export(self.run, form, output=self.folder / f"{name}{suffix}"))
            for (form, name), suffix in zip(forms.items(), (".onnx", ".int8.onnx"), strict=True)
        }

    @cached_property
    def keras_network(self) -> Any:
        """The same network in Keras."""
        return load_keras_model(self.run.keras_model)

    @cached_property
    def picture(self) -> Path:
        """A picture of 300 × 220 pixels with the first test digit, dark on white."""
        path = self.folder / "picture.png"
        self.draw(0, (300, 220), 168).save(path)
        return path

    @cached_property
    def pairs(self) -> Sequence[tuple[Training, Training]]:
        """The recipes `quick` and `dropout`, trained in turn, seed by seed."""
        return [
            (self.train("quick", seed), self.train("dropout", seed))
            for seed in range(self.sizes.n_seeds)
        ]

    def train(self, recipe: str, seed: int) -> Training:
        """Trains a recipe in a process of its own, and measures what comes of it."""
        folder = self.folder / f"{recipe}-{seed}-{time.monotonic_ns()}"
        command = [sys.executable, "-m", "inkdigits", "train", recipe, "--seed", str(seed)]
        command += ["--output", str(folder), "--quiet", "--json"]
        command += [word for override in self.sizes.overrides for word in ("--set", override)]
        started = time.perf_counter()
        printed = run_process(command)
        process_s = time.perf_counter() - started
        run = Run.open(folder)
        accuracy = measure_accuracy(OnnxNetwork(run.onnx_model), self.test)
        return Training(run, json.loads(printed)["figures"]["fit_seconds"], process_s, accuracy)

    def draw(self, index: int, size: tuple[int, int], side: int) -> Image.Image:
        """A test digit, dark on white, in the middle of a picture.

        Args:
            index: Of the test image; beyond the last it begins anew.
            size: Width and height of the picture in pixels.
            side: Of the tile in the picture, in pixels.
        """
        tile = Image.fromarray(255 - self.test.images[index % len(self.test)])
        picture = Image.new("L", size, 255)
        place = ((size[0] - side) // 2, (size[1] - side) // 2)
        picture.paste(tile.resize((side, side), Image.Resampling.BICUBIC), place)
        return picture


def measure_accuracy(network: Network, labelled: LabelledImages) -> float:
    """Share of the images whose most likely digit is the right one, 0 to 1."""
    return measure_agreement(network(labelled.images), labelled)


def measure_agreement(probabilities: Any, labelled: LabelledImages) -> float:
    """Share of the images whose most likely digit, of ten, is the right one, 0 to 1."""
    return float(np.mean(np.asarray(probabilities)[:, :10].argmax(axis=1) == labelled.labels))
