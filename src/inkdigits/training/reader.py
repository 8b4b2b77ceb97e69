"""Training a reader: both networks on drawn pages, put together into one graph, with its card.

A run of a reader is a folder like that of a tile network:

settings.json    recipe, seed, hashes of the data, versions
history.csv      a row every 50 steps of each network
detector.npz     all that its fit goes on from; judge.npz likewise
model.onnx       the reader: a picture in, boxes, classes and scores out
model.json       its card; written last, so where it is the run is whole
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx

from inkdigits.data import fetch_mnist
from inkdigits.data.fonts import fetch_fonts, list_font_packages
from inkdigits.data.photographs import fetch_photographs
from inkdigits.errors import RunError, TrainingInterrupted
from inkdigits.files import write_text_whole, write_whole
from inkdigits.recognition.card import ReaderCard
from inkdigits.training.export import convert_to_onnx
from inkdigits.training.frameworks import load_keras
from inkdigits.training.interruption import sigterm_as_interrupt
from inkdigits.training.reader_feed import Part, Source
from inkdigits.training.reader_fit import PartFit, fit_part
from inkdigits.training.reader_graph import ReaderSettings, build_reader
from inkdigits.training.reader_recipes import KIND, ReaderRecipe, load_reader_recipe
from inkdigits.training.reader_report import ReaderReport
from inkdigits.training.reader_validation import choose_settings, draw_validation
from inkdigits.training.runs import Run, list_versions

PARTS: tuple[Part, ...] = ("detector", "judge")


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
        DataFormatError, DataUnavailableError: MNIST, a font or a photograph cannot be had whole.
        OutputExistsError, RunError, OutputError: The run folder is taken or cannot be written.
        TrainingInterrupted: Ctrl-C or SIGTERM; `resume` continues the run.
        MissingExtraError: Keras or onnx is not installed.
    """
    load_keras()
    sha256 = _gather(data, progress=progress)
    run = Run.create(None if output is None else Path(output), recipe.name)
    with run.locked():
        settings = {
            "recipe": recipe.to_json(),
            "seed": seed,
            "data_sha256": sha256,
            "data": None if data is None else str(data),
            "backend": load_keras().backend.backend(),
            "versions": dict(list_versions()),
        }
        write_text_whole(run.folder / "settings.json", json.dumps(settings, indent=2) + "\n")
        return _fit(run, recipe, settings, progress=progress)


def is_reader_run(run: Run) -> bool:
    """Whether a run is one of a reader."""
    try:
        settings = json.loads((run.folder / "settings.json").read_bytes())
        return bool(settings["recipe"].get("kind") == KIND)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def resume_reader(run: Run, *, progress: bool = True) -> Run:
    """Continues the interrupted run of a reader from its last checkpoint.

    Raises:
        RunError: Damaged settings, or other data or another backend than it was started with.
        TrainingInterrupted: As in `train_reader`, as the other errors are.
    """
    path = run.folder / "settings.json"
    try:
        settings = json.loads(path.read_bytes())
        recipe = load_reader_recipe(settings["recipe"])
        backend, sha256 = str(settings["backend"]), dict(settings["data_sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path} cannot be read ({error}): start a new run") from error
    if run.is_finished:
        return run
    if (now := load_keras().backend.backend()) != backend:
        raise RunError(
            f"{run.folder} was started on the {backend} backend and this is {now}: "
            f"set KERAS_BACKEND={backend}"
        )
    if _gather(settings["data"], progress=progress) != sha256:
        raise RunError(
            f"{run.folder} was started on other images or fonts than those of now: bring them "
            "back or start a new run"
        )
    with run.locked():
        return _fit(run, recipe, settings, progress=progress)


def _gather(data: Path | str | None, *, progress: bool) -> dict[str, str]:
    """Fetches what pages are drawn from; file name to hash."""
    sha256 = dict(fetch_mnist(directory=data, progress=progress).sha256)
    fetch_fonts("training", progress=progress)
    fetch_fonts("held-out", progress=progress)
    fetch_photographs()
    for package in list_font_packages():
        sha256 |= package.sha256
    return sha256


def _fit(run: Run, recipe: ReaderRecipe, settings: Mapping[str, Any], *, progress: bool) -> Run:
    data = settings["data"]
    source = Source(recipe, int(settings["seed"]), None if data is None else Path(data))
    started = time.monotonic()
    report = ReaderReport(run.folder, recipe, enabled=progress)
    try:
        with sigterm_as_interrupt():
            cores = os.cpu_count() or 1
            fits = {
                part: fit_part(part, source, run.folder, n_processes=cores, report=report.add)
                for part in PARTS
            }
            report.say("choosing weight, temperature and threshold on validation pages")
            figures = {"fit_seconds": round(time.monotonic() - started, 1), "cores": cores}
            finish_reader(run, fits, source, settings, figures)
    except KeyboardInterrupt:
        raise TrainingInterrupted(
            "stopped; at most the last two minutes are lost: continue with 'inkdigits train "
            f"--resume {run.folder}'"
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
    """Writes the reader of two fitted networks, and last of all its card."""
    build = prepare_build({part: fit.network for part, fit in fits.items()})
    with tempfile.TemporaryDirectory(dir=run.folder) as folder:
        chosen, threshold, measured = choose_settings(build, draw_validation(source), Path(folder))
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
        threshold=threshold,
    ).save(run.card)


def prepare_build(networks: Mapping[Part, Any]) -> Callable[[ReaderSettings], onnx.ModelProto]:
    """Converts both networks once; returns what assembles a reader of them with some settings."""
    from inkdigits.training.reader_networks import build_detector, build_judge

    converted = {}
    for part, network in networks.items():
        plain = build_detector() if part == "detector" else build_judge()
        plain.set_weights(network.get_weights())
        converted[part] = convert_to_onnx(plain)
    return lambda settings: build_reader(converted["detector"], converted["judge"], settings)
