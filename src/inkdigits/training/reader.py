"""Training a reader: both networks on drawn pages, put together into one graph, with its card.

A run of a reader is a folder like that of a tile network:

settings.json    recipe, seed, hashes of the data, versions
history.csv      a row every 50 steps of each network
detector.npz     all that its fit goes on from; judge.npz likewise
finder.onnx      the detector alone, whose finds the judge learns from
weights.npz      the weights of both networks in 16 bits, for other runs to start from
model.onnx       the reader: a picture in, boxes, classes and scores out
model.json       its card; written last, so where it is the run is whole
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import onnx

from inkdigits.data import fetch_mnist, load_mnist
from inkdigits.data.fonts import fetch_fonts, list_font_packages
from inkdigits.data.photographs import fetch_photographs
from inkdigits.errors import RunError, TrainingInterrupted, UsageError
from inkdigits.files import write_text_whole, write_whole
from inkdigits.recognition.card import ReaderCard
from inkdigits.training.export import convert_to_onnx
from inkdigits.training.frameworks import has_16_bit_arithmetic, load_keras
from inkdigits.training.interruption import sigterm_as_interrupt
from inkdigits.training.reader_feed import Part, Source
from inkdigits.training.reader_fit import PartFit, fit_part, save_weights
from inkdigits.training.reader_graph import ReaderSettings, build_reader
from inkdigits.training.reader_graph_levels import LevelSettings
from inkdigits.training.reader_networks import build_detector, build_judge
from inkdigits.training.reader_recipes import ReaderRecipe, load_reader_recipe
from inkdigits.training.reader_report import ReaderReport
from inkdigits.training.reader_validation import THRESHOLD, choose_settings, draw_validation
from inkdigits.training.runs import Run, list_versions

PARTS: Final[tuple[Part, ...]] = ("detector", "judge")

_FINDER_SCORE = 0.05
"""Least score of boxes that the judge learns from: lower than any that the reader shows it."""
_FINDER_ENLARGEMENT = 1.0
"""The finest level of the finder is that at which pages are drawn: twice that takes four times as
long, and the judge sees windows of all sizes at 48 pixels anyway."""


def train_reader(
    recipe: ReaderRecipe,
    *,
    seed: int = 0,
    data: Path | str | None = None,
    output: Path | str | None = None,
    progress: bool = True,
) -> Run:
    """Trains a reader in a new run folder.

    Args:
        recipe: Which.
        seed: Of weights and pages.
        data: A folder with the four IDX files; None: MNIST from the cache, fetched where missing.
        output: The run folder, which must not exist; None: the first free `runs/<recipe>-…`.
        progress: Whether to report to stderr.

    Returns:
        The finished run.

    Raises:
        UsageError: A backend of Keras other than TensorFlow, a seed that is negative, or more
            validation images than images.
        DataFormatError, DataUnavailableError: MNIST, a font or a photograph cannot be had whole.
        OutputExistsError, RunError, OutputError: The run folder is taken or cannot be written, or
            a process that draws pages died.
        TrainingInterrupted: Ctrl-C or SIGTERM; `resume` continues the run.
        MissingExtraError: Keras is not installed.
    """
    backend = _check_backend()
    if not has_16_bit_arithmetic():
        recipe = replace(recipe, precision="float32")
    # What cannot be fetched or split must not leave a folder behind.
    sha256 = _gather(data, progress=progress)
    Source(recipe, seed, None if data is None else Path(data)).split_digits()
    run = Run.create(None if output is None else Path(output), recipe.name)
    with run.locked():
        settings = {
            "recipe": recipe.to_json(),
            "seed": seed,
            "data_sha256": sha256,
            "data": None if data is None else str(data),
            "backend": backend,
            "versions": dict(list_versions()),
        }
        write_text_whole(run.folder / "settings.json", json.dumps(settings, indent=2) + "\n")
        return _fit(run, recipe, settings, progress=progress)


def _check_backend() -> str:
    """The backend of Keras, which must be the one that a reader can be exported from."""
    backend = str(load_keras().backend.backend())
    if backend != "tensorflow":
        raise UsageError(
            f"a reader is trained on TensorFlow, and Keras runs on {backend}: "
            "set KERAS_BACKEND=tensorflow"
        )
    return backend


def resume_reader(run: Run, *, progress: bool = True) -> Run:
    """Continues the interrupted run of a reader from its last checkpoint.

    Raises:
        RunError: Damaged settings or checkpoint, other data than it was started with, or a run
            that another process trains.
        TrainingInterrupted: As in `train_reader`, as the other errors are.
    """
    recipe, settings = _load_settings(run)
    if run.is_finished:
        return run
    _check_backend()
    with run.locked():
        if _gather(settings["data"], progress=progress) != settings["data_sha256"]:
            raise RunError(
                f"{run.folder} was started on other images or fonts than those of now: bring them "
                "back or start a new run"
            )
        return _fit(run, recipe, settings, progress=progress)


def _load_settings(run: Run) -> tuple[ReaderRecipe, dict[str, Any]]:
    """What a run was started with; RunError where that is damaged or of another version."""
    path = run.folder / "settings.json"
    kinds = {"seed": int, "data_sha256": dict, "data": str | None, "versions": dict}
    try:
        settings = json.loads(path.read_bytes())
        for name, kind in kinds.items():
            if not isinstance(settings[name], kind):
                raise ValueError(f"{name} is {settings[name]!r}")
        return load_reader_recipe(settings["recipe"]), settings
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path} cannot be read ({error}): start a new run") from error


def _gather(data: Path | str | None, *, progress: bool) -> dict[str, str]:
    """Fetches what pages are drawn from; file name to hash."""
    mnist = fetch_mnist(progress=progress) if data is None else load_mnist(data)
    sha256 = dict(mnist.sha256)
    fetch_fonts("training", progress=progress)
    fetch_fonts("validation", progress=progress)
    fetch_photographs()
    for package in list_font_packages():
        sha256 |= package.sha256
    return sha256


def _fit(run: Run, recipe: ReaderRecipe, settings: Mapping[str, Any], *, progress: bool) -> Run:
    data = settings["data"]
    source = Source(recipe, int(settings["seed"]), None if data is None else Path(data))
    report = ReaderReport(run.folder, recipe, enabled=progress)
    try:
        with sigterm_as_interrupt():
            cores = os.cpu_count() or 1
            fits: dict[Part, PartFit] = {}
            for part in PARTS:
                fits[part] = fit_part(
                    part, source, run.folder, n_processes=cores, report=report.add
                )
                if part == "detector":  # the judge learns from what it finds
                    finder = write_finder(fits[part].network, run.folder / "finder.onnx")
                    source = replace(source, finder=finder)
            report.say("choosing the temperature on validation pages")
            seconds = sum(fit.seconds for fit in fits.values())
            figures = {"fit_seconds": round(seconds, 1), "cores": cores}
            finish_reader(run, fits, source, settings, figures)
    except KeyboardInterrupt:
        raise TrainingInterrupted(
            f"stopped; nothing is lost: continue with 'inkdigits train --resume {run.folder}'"
        ) from None
    finally:
        report.close()
    return run


def finish_reader(
    run: Run,
    fits: Mapping[Part, PartFit],
    source: Source,
    settings: Mapping[str, Any],
    figures: Mapping[str, float],
) -> None:
    """Writes the reader of two fitted networks, and last of all its card.

    Args:
        run: Where to.
        fits: Both parts, with averaged weights.
        source: Of the pages; others of it are drawn for validation.
        settings: As `settings.json` has them: recipe, seed, data_sha256, versions.
        figures: What the card says besides what is measured here.

    Raises:
        OutputError: The files cannot be written.
    """
    networks = {part: fit.network for part, fit in fits.items()}
    build = prepare_build(networks)
    with tempfile.TemporaryDirectory(dir=run.folder) as folder:
        chosen, measured = choose_settings(build, draw_validation(source), Path(folder))
    save_weights(networks, run.folder / "weights.npz")
    with write_whole(run.onnx_model) as temporary:
        temporary.write_bytes(build(chosen).SerializeToString())
    ReaderCard(
        recipe=dict(settings["recipe"]),
        seed=int(settings["seed"]),
        data_sha256=dict(settings["data_sha256"]),
        versions=dict(settings["versions"]),
        figures={
            **figures,
            **measured,
            "detector_weight": chosen.detector_weight,
            "temperature": chosen.temperature,
            "parameters": sum(fit.network.count_params() for fit in fits.values()),
        },
        threshold=THRESHOLD,
    ).save(run.card)


def write_finder(detector: Any, path: Path) -> Path:
    """Writes a reader without a judge, which finds boxes for the judge to learn from."""
    settings = ReaderSettings(
        levels=LevelSettings(enlargement=_FINDER_ENLARGEMENT),
        detector_weight=1.0,
        least_score=_FINDER_SCORE,
    )
    plain = build_detector()
    plain.set_weights(detector.get_weights())
    with write_whole(path) as temporary:
        model = build_reader(convert_to_onnx(plain), None, settings)
        temporary.write_bytes(model.SerializeToString())
    return path


def prepare_build(networks: Mapping[Part, Any]) -> Callable[[ReaderSettings], onnx.ModelProto]:
    """Converts both networks once.

    Args:
        networks: Keras models of both parts; those in 16 bits are converted to float32.

    Returns:
        A function that assembles a reader of them with some settings.
    """
    converted = {}
    for part, network in networks.items():
        plain = build_detector() if part == "detector" else build_judge()
        plain.set_weights(network.get_weights())
        converted[part] = convert_to_onnx(plain)
    return lambda settings: build_reader(converted["detector"], converted["judge"], settings)
