"""Trains a reader: its networks on drawn pages, combined into one graph, and its card.

The run of a reader is a folder like that of a network for tiles:

settings.json    recipe, seed, SHA-256 of the data, versions
history.csv      one row per 50 steps of each network
detector.npz     checkpoint of the detector; those of the other networks are judge.npz,
                 second-judge.npz, picture-judge.npz and context.npz
finder.onnx      the detector alone; the judges are trained on the boxes that it finds
judged.onnx      the reader with these alone; the context network is trained on what it returns
weights.npz      the weights of all networks in 16 bits, for other runs to start from
model.onnx       the reader, from a picture to boxes, classes and scores
model.json       its card; written last, so a folder with it is complete
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from inkdigits.data.fonts import fetch_fonts, list_font_packages
from inkdigits.data.leakage import load_training_data
from inkdigits.data.photographs import fetch_photographs
from inkdigits.errors import RunError, TrainingInterrupted
from inkdigits.files import write_text_whole, write_whole
from inkdigits.recognition.card import ReaderCard
from inkdigits.recognition.detection import Detector
from inkdigits.synthesis.pages import DrawnPage
from inkdigits.training.fit.interruption import sigterm_as_interrupt
from inkdigits.training.fit.reader_fit import PartFit, fit_part, save_weights
from inkdigits.training.fit.reader_report import ReaderReport
from inkdigits.training.fit.reader_validation import (
    THRESHOLD,
    choose_picture_temperature,
    choose_settings,
    draw_validation,
    measure,
)
from inkdigits.training.model_files.context_graph import write_context
from inkdigits.training.model_files.network_graph import write_network
from inkdigits.training.model_files.reader_graph import ReaderSettings, build_reader
from inkdigits.training.model_files.reader_levels import LevelSettings
from inkdigits.training.networks.frameworks import has_16_bit_arithmetic, load_keras
from inkdigits.training.recipes.reader_recipe import ReaderRecipe, load_reader_recipe
from inkdigits.training.runs import Run, list_versions
from inkdigits.training.samples.page_batches import Part, Source

JUDGED = "judged.onnx"
_FINDER_SCORE = 0.05
"""Minimum score of the boxes that the judge is trained on: lower than any score that the reader
accepts."""
_FINDER_ENLARGEMENT = 1.0
"""The finest level of the finder has the scale at which pages are drawn. Twice that would take four
times as long, and the judge sees windows of all sizes at 48 pixels in any case."""


def train_reader(
    recipe: ReaderRecipe,
    *,
    seed: int = 0,
    data: Path | str | None = None,
    output: Path | str | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Run:
    """Trains a reader in a new run folder.

    Args:
        recipe: How the reader is trained.
        seed: Seed of the weights and pages.
        data: A path, as in `train`.
        output: The run folder, which must not exist; None: the first of `runs/<recipe>`,
            `runs/<recipe>-2`, … that does not exist.
        overwrite: As in `train`.
        progress: Whether to report progress on stderr.

    Returns:
        The finished run.

    Raises:
        UsageError: A negative seed, or more validation images than images.
        DataFormatError, DataUnavailableError: MNIST, a font or a photograph is incomplete or cannot
            be downloaded.
        DataLeakageError: All training images in `data` are MNIST's test images.
        OutputExistsError, RunError, OutputError: The run folder exists already or cannot be
            written, or a process that draws pages died.
        TrainingInterrupted: Ctrl-C or SIGTERM; `resume` continues the run.
        MissingExtraError: Keras is not installed.
    """
    if not has_16_bit_arithmetic():
        recipe = replace(recipe, precision="float32")
    # All that can fail because of wrong arguments comes before the folder is created.
    sha256 = _gather(data, progress=progress)
    Source(recipe, seed, None if data is None else Path(data)).split_digits()
    folder = None if output is None else Path(output)
    run = Run.create(folder, recipe.name, overwrite=overwrite)
    with run.locked():
        run.replace()
        settings = {
            "recipe": recipe.to_json(),
            "seed": seed,
            "data_sha256": sha256,
            "data": None if data is None else str(data),
            "backend": str(load_keras().backend.backend()),
            "versions": dict(list_versions()),
        }
        write_text_whole(run.folder / "settings.json", json.dumps(settings, indent=2) + "\n")
        return _fit(run, recipe, settings, progress=progress)


def resume_reader(run: Run, *, progress: bool = True) -> Run:
    """Continues the interrupted run of a reader from its last checkpoint.

    Args:
        run: The run.
        progress: Whether to report progress on stderr.

    Raises:
        RunError: The settings or a checkpoint are damaged, the data has changed since the run was
            started, or another process trains it.
        TrainingInterrupted: Ctrl-C or SIGTERM, as in `train_reader`, which lists the other errors.
    """
    recipe, settings = _load_settings(run)
    if run.is_finished:
        return run
    with run.locked():
        if _gather(settings["data"], progress=progress) != settings["data_sha256"]:
            raise RunError(
                f"the images or fonts are not those that {run.folder} was started with: restore "
                "them or start a new run"
            )
        return _fit(run, recipe, settings, progress=progress)


def _load_settings(run: Run) -> tuple[ReaderRecipe, dict[str, Any]]:
    """Returns the recipe and the settings that a run was started with.

    Raises:
        RunError: The settings are damaged, or written by an incompatible version.
    """
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
    """Downloads the data that pages are drawn from, if missing; returns file name to SHA-256."""
    mnist = load_training_data(data, progress=progress)
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
            for part in list_parts(recipe):
                fits[part] = fit_part(
                    part, source, run.folder, n_processes=cores, report=report.add
                )
                if part == "detector":  # the judges are trained on the boxes that it finds
                    finder = write_finder(fits[part].network, run.folder / "finder.onnx")
                    source = replace(source, finder=finder)
            report.say("choosing the temperature on validation pages")
            pages = draw_validation(source)
            chosen = choose_temperature(run, fits, pages)
            if recipe.picture_windows:
                fits["picture-judge"] = fit_part(
                    "picture-judge",
                    source,
                    run.folder,
                    n_processes=cores,
                    report=report.add,
                    first=fits["judge"].network,
                )
                temperature = choose_picture_temperature(fits["picture-judge"].network, source)
                chosen = replace(chosen, picture_temperature=temperature)
            if recipe.context_pages:
                source = replace(source, finder=run.folder / JUDGED)
                fits["context"] = fit_part(
                    "context", source, run.folder, n_processes=cores, report=report.add
                )
            seconds = sum(fit.seconds for fit in fits.values())
            figures = {"fit_seconds": round(seconds, 1), "cores": cores}
            finish_reader(run, fits, chosen, pages, settings, figures)
    except KeyboardInterrupt:
        raise TrainingInterrupted(
            "stopped after the last step, which is saved: continue with "
            f"'inkdigits train --resume {run.folder}'"
        ) from None
    finally:
        report.close()
    return run


def choose_temperature(
    run: Run, fits: Mapping[Part, PartFit], pages: Sequence[DrawnPage]
) -> ReaderSettings:
    """Chooses the temperature of detector and judges, and writes the reader that they make.

    Args:
        run: The run, in whose folder `judged.onnx` is written.
        fits: The fits of detector and judges, with averaged weights.
        pages: Validation pages.

    Returns:
        The settings of that reader.

    Raises:
        OutputError: The file cannot be written.
    """
    build = prepare_build({part: fit.network for part, fit in fits.items()})
    path = run.folder / JUDGED

    def detect(settings: ReaderSettings) -> Detector:
        with write_whole(path) as temporary:
            temporary.write_bytes(build(settings).SerializeToString())
        return Detector(path)

    chosen = choose_settings(detect, pages)
    detect(chosen)
    return chosen


def finish_reader(
    run: Run,
    fits: Mapping[Part, PartFit],
    chosen: ReaderSettings,
    pages: Sequence[DrawnPage],
    settings: Mapping[str, Any],
    figures: Mapping[str, float],
) -> None:
    """Writes the reader of trained networks and, last, its card.

    Args:
        run: The run to write to.
        fits: The fits of all networks, with averaged weights.
        chosen: The settings that were chosen on validation pages.
        pages: The validation pages, on which the reader is measured.
        settings: The content of `settings.json`: recipe, seed, data_sha256, versions.
        figures: Figures for the card, besides those that are measured here.

    Raises:
        OutputError: The files cannot be written.
    """
    networks = {part: fit.network for part, fit in fits.items()}
    save_weights(networks, run.folder / "weights.npz")
    with write_whole(run.onnx_model) as temporary:
        temporary.write_bytes(prepare_build(networks)(chosen).SerializeToString())
    ReaderCard(
        recipe=dict(settings["recipe"]),
        seed=int(settings["seed"]),
        data_sha256=dict(settings["data_sha256"]),
        versions=dict(settings["versions"]),
        figures={
            **figures,
            **measure(Detector(run.onnx_model), pages),
            "detector_weight": chosen.detector_weight,
            "temperature": chosen.temperature,
            "picture_temperature": chosen.picture_temperature,
            "parameters": sum(fit.network.count_params() for fit in fits.values()),
        },
        threshold=THRESHOLD,
    ).save(run.card)


def write_finder(detector: Any, path: Path) -> Path:
    """Writes a reader without a judge, which finds boxes to train the judges on."""
    settings = ReaderSettings(
        levels=LevelSettings(enlargement=_FINDER_ENLARGEMENT),
        detector_weight=1.0,
        least_score=_FINDER_SCORE,
    )
    with write_whole(path) as temporary:
        model = build_reader(write_network(detector), (), settings)
        temporary.write_bytes(model.SerializeToString())
    return path


def prepare_build(networks: Mapping[Part, Any]) -> Callable[[ReaderSettings], onnx.ModelProto]:
    """Converts the networks once.

    Args:
        networks: Keras models of the detector, of each judge, and perhaps of the picture judge and
            the context network.

    Returns:
        A function that builds a reader from them with given settings.
    """
    converted = {
        part: write_context(network) if part == "context" else write_network(network)
        for part, network in networks.items()
    }
    detector, context = converted.pop("detector"), converted.pop("context", None)
    picture_judge, judges = converted.pop("picture-judge", None), list(converted.values())
    return lambda settings: build_reader(detector, judges, settings, context, picture_judge)


def list_parts(recipe: ReaderRecipe) -> tuple[Part, ...]:
    """Returns the networks that see pictures, in the order of training."""
    judges: tuple[Part, ...] = ("judge", "second-judge") if recipe.second_judge else ("judge",)
    return ("detector", *judges)
