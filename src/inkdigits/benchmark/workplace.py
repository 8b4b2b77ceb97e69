"""The data, models and sizes that the benchmarks share."""

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

from inkdigits.benchmark.processes import run_process
from inkdigits.data import LabelledImages, fetch_mnist
from inkdigits.recognition.network import Network, OnnxNetwork
from inkdigits.training import Run, export
from inkdigits.training.model_files.loading import load_keras_model


@dataclass(frozen=True)
class Sizes:
    """The sizes of the benchmarks.

    Attributes:
        n_turns: Number of turns per competitor.
        n_calls: Number of calls per turn for single tiles.
        n_seeds: Number of trainings per recipe.
        overrides: Overrides of the recipes that are trained, as strings `field=value`.
        n_tiles: Number of tiles for the throughput, at most 10,000.
        keras_batches: Batch sizes to try with Keras.
        streams: Lengths of the streams, in tiles.
        folders: Numbers of pictures in the folders.
        matrix_side: Side of the matrices whose product measures the processor's limit.
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
    """A timed training.

    Attributes:
        run: The finished run.
        fit_s: Time of the fit alone, in seconds.
        process_s: Time of the whole process, including imports and data, in seconds.
        test_accuracy: Accuracy on MNIST's test images, 0 to 1.
    """

    run: Run
    fit_s: float
    process_s: float
    test_accuracy: float


@dataclass(frozen=True, eq=False)
class Workplace:
    """The data and models of the benchmarks, prepared on first use and then kept.

    Attributes:
        folder: An empty folder for files.
        sizes: The sizes of the benchmarks.
        model: The folder of the run whose network is measured; None: `quick` is trained for it.
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
        """The tiles for measuring the throughput."""
        return self.test.take(np.arange(self.sizes.n_tiles))

    @cached_property
    def run(self) -> Run:
        """The run whose network is measured."""
        if self.model is not None:
            return Run.open(self.model)
        return self.train("quick", 0).run

    @property
    def network_name(self) -> str:
        """The name of the recipe of that network."""
        return str(self.run.load_settings().recipe.name)

    @cached_property
    def networks(self) -> dict[str, Network]:
        """The same network for ONNX Runtime, exported in float32 and in int8."""
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
        """Trains a recipe in a separate process, and measures its time and accuracy."""
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
        """Draws a test digit, dark on white, in the middle of a picture.

        Args:
            index: Index of the test image; counted modulo the number of test images.
            size: Width and height of the picture in pixels.
            side: Side of the tile in the picture, in pixels.
        """
        tile = Image.fromarray(255 - self.test.images[index % len(self.test)])
        picture = Image.new("L", size, 255)
        place = ((size[0] - side) // 2, (size[1] - side) // 2)
        picture.paste(tile.resize((side, side), Image.Resampling.BICUBIC), place)
        return picture


def measure_accuracy(network: Network, labelled: LabelledImages) -> float:
    """Returns the fraction of images whose most probable digit is correct, 0 to 1."""
    return measure_agreement(network(labelled.images), labelled)


def measure_agreement(probabilities: Any, labelled: LabelledImages) -> float:
    """Returns the fraction of rows whose most probable digit is correct, 0 to 1.

    Args:
        probabilities: Shape (n, 10) or (n, 11); an eleventh column is ignored.
        labelled: The images and their labels.
    """
    return float(np.mean(np.asarray(probabilities)[:, :10].argmax(axis=1) == labelled.labels))
