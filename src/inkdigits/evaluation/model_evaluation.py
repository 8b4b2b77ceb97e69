"""`evaluate`: measures one model or several on tiles, on labelled pictures or on a suite."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

from inkdigits.errors import UsageError
from inkdigits.evaluation.evaluation_result import Evaluation
from inkdigits.evaluation.labelled_pictures import PictureEvaluation, evaluate_pictures
from inkdigits.evaluation.rejection_curve import DEFAULT_TARGET
from inkdigits.evaluation.report_files import evaluate_tiles, write_picture_report
from inkdigits.evaluation.suite_result import SuiteResult
from inkdigits.evaluation.suites import SUITES
from inkdigits.recognition import DEFAULT_MODEL, Recognizer
from inkdigits.recognition.model_sources import ModelSource
from inkdigits.recognition.reading_options import Digits, expects_one_digit
from inkdigits.suggestions import describe_unknown


@overload
def evaluate(
    model: ModelSource = ...,
    *,
    data: Path | str | None = ...,
    ensemble: bool = ...,
    shifts: bool = ...,
    output: Path | str | None = ...,
) -> Evaluation: ...


@overload
def evaluate(
    model: ModelSource = ...,
    *,
    suite: str,
    ensemble: bool = ...,
    shifts: bool = ...,
    threshold: float | None = ...,
    limit: int | None = ...,
) -> SuiteResult: ...


@overload
def evaluate(
    model: ModelSource = ...,
    *,
    pictures: Path | str,
    ensemble: bool = ...,
    shifts: bool = ...,
    digits: Digits = ...,
    threshold: float | None = ...,
    target: float | None = ...,
    output: Path | str | None = ...,
) -> PictureEvaluation: ...


# A tuple, or with `ensemble` a single result. `Any` spares callers, who know it, a cast.
@overload
def evaluate(
    first: ModelSource,
    second: ModelSource,
    /,
    *others: ModelSource,
    suite: str | None = ...,
    pictures: Path | str | None = ...,
    data: Path | str | None = ...,
    ensemble: bool = ...,
    shifts: bool = ...,
    digits: Digits = ...,
    threshold: float | None = ...,
    target: float | None = ...,
    limit: int | None = ...,
    output: Path | str | None = ...,
) -> Any: ...


def evaluate(
    *models: ModelSource,
    suite: str | None = None,
    pictures: Path | str | None = None,
    data: Path | str | None = None,
    ensemble: bool = False,
    shifts: bool = False,
    digits: Digits = "all",
    threshold: float | None = None,
    target: float | None = None,
    limit: int | None = None,
    output: Path | str | None = None,
    model: ModelSource | None = None,
) -> Any:
    """Measures models, with the same recognizer that reads pictures.

        inkdigits.evaluate("runs/quick")                           # on MNIST's test images
        inkdigits.evaluate("runs/quick", pictures="my-pictures")   # on labelled pictures
        inkdigits.evaluate(suite="corruptions", limit=1000)        # on a suite
        small, best = inkdigits.evaluate("runs/small", "runs/best")

    All models are loaded before the first one is measured.

    Args:
        models: Models as in `Recognizer.load`. Default: the model that comes with inkdigits.
        suite: A key of `SUITES`. Excludes `pictures`.
        pictures: A folder of labelled pictures, as in `evaluate_pictures`. With neither `suite` nor
            `pictures`, the models classify test images as tiles.
        data: Test images, as in `evaluate_tiles`; None: MNIST's. For tiles only.
        ensemble: Whether to measure the mean of all models as one model.
        shifts: As in `Recognizer.load`.
        digits: As in `evaluate_pictures`. For `pictures` only.
        threshold: As in `Recognizer.load`. For `pictures` and `suite` only.
        target: As in `evaluate_pictures`; None: 0.99. For `pictures` only.
        limit: Number of pictures in each row of the suite; None: all. For `suite` only.
        output: Folder of the report; with several models, each has a subfolder. None writes no
            report. Not for `suite`.
        model: A single model, instead of `models`.

    Returns:
        For each model an `Evaluation` of tiles, a `PictureEvaluation` or a `SuiteResult`: itself
        for one model, a tuple for several.

    Raises:
        UsageError: Options that do not go together, an unknown suite or an invalid value; or a
            reader, which reads whole pictures, is to classify tiles.
        ModelError: A model cannot be loaded.
        DataFormatError, DataUnavailableError: The images or pictures are missing or damaged.
        OutputError: The report cannot be written.
        MissingExtraError: A framework, matplotlib or scikit-learn is needed but not installed.
    """
    if model is not None:
        if models:
            raise UsageError("model is for a single model: pass several by position, without it")
        models = (model,)
    _check(
        suite=suite,
        pictures=pictures,
        data=data,
        digits=digits,
        threshold=threshold,
        target=target,
        limit=limit,
        output=output,
    )
    sources: Sequence[Any] = models or [DEFAULT_MODEL]
    if ensemble:
        sources = [list(sources)]
    recognizers = [Recognizer.load(one, shifts=shifts, threshold=threshold) for one in sources]
    results: list[Evaluation | PictureEvaluation | SuiteResult] = []
    if suite is not None:
        results += [SUITES[suite](recognizer, limit=limit) for recognizer in recognizers]
        return results[0] if len(results) == 1 else tuple(results)
    folders = _name_folders(sources, output)
    if pictures is None:
        for source, recognizer in zip(sources, recognizers, strict=True):
            _check_classifies_tiles(source, recognizer)
        for recognizer, folder in zip(recognizers, folders, strict=True):
            results.append(evaluate_tiles(recognizer, data=data, output=folder))
        return results[0] if len(results) == 1 else tuple(results)
    for recognizer, folder in zip(recognizers, folders, strict=True):
        evaluation = evaluate_pictures(
            pictures,
            recognizer,
            digits=digits,
            target=DEFAULT_TARGET if target is None else target,
        )
        if folder is not None:
            write_picture_report(evaluation, folder, limits=recognizer.limits)
        results.append(evaluation)
    return results[0] if len(results) == 1 else tuple(results)


def _check(
    *,
    suite: str | None,
    pictures: Path | str | None,
    data: Path | str | None,
    digits: Digits,
    threshold: float | None,
    target: float | None,
    limit: int | None,
    output: Path | str | None,
) -> None:
    """Raises UsageError for options that do not go together."""
    if suite is not None and suite not in SUITES:
        raise UsageError(describe_unknown("suite", suite, SUITES))
    if suite is not None and pictures is not None:
        raise UsageError("pictures and suite exclude each other: give one of them")
    if expects_one_digit(digits) and pictures is None:
        raise UsageError("digits='one' requires pictures: name a folder of labelled pictures")
    if target is not None and pictures is None:
        raise UsageError("target requires pictures: name a folder of labelled pictures")
    if limit is not None and suite is None:
        raise UsageError("limit requires suite: name a suite")
    if suite is None and pictures is None:
        if threshold is not None:
            raise UsageError("threshold requires pictures or suite: tiles are not rejected")
    elif data is not None:
        raise UsageError("data is for test images as tiles: leave pictures and suite out")
    if suite is not None and output is not None:
        raise UsageError("suite writes no report: leave output out, and use to_json")


def _check_classifies_tiles(source: object, recognizer: Recognizer) -> None:
    # The default model has a network for tiles beside its reader. A recognizer with another reader
    # has the same network, but a figure of that network would say nothing about that reader.
    if recognizer.judges_tiles or recognizer.has_default_reader:
        return
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else "the recognizer"
    raise UsageError(
        f"{name} reads whole pictures, not tiles: evaluate it with suite='mnist', another suite, "
        "or pictures"
    )


def _name_folders(sources: Sequence[Any], output: Path | str | None) -> list[Path | None]:
    """Returns the folder of each model's report; None for no report."""
    if output is None or len(sources) == 1:
        return [None if output is None else Path(output)] * len(sources)
    folders: list[Path | None] = []
    for number, source in enumerate(sources, start=1):
        name = f"model-{number}"
        if isinstance(source, str | os.PathLike):
            # Models of several runs share a name, so the name of their folder goes first.
            name = "-".join(Path(source).resolve().parts[-2:])
        folders.append(Path(output) / name)
    return folders
