"""Comparison of models of any form: accuracy, size and speed side by side, and paired tests."""

from __future__ import annotations

import csv
import io
import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from inkdigits.errors import UsageError
from inkdigits.evaluation.compared_models import (
    ComparedModel,
    Size,
    check_exists,
    find_models,
    load_model,
)
from inkdigits.evaluation.comparison_plots import plot_disagreements, plot_validation
from inkdigits.evaluation.lockstep import (
    ComparedPicture,
    Measurement,
    PictureSet,
    gather_folder,
    gather_suite,
    gather_tiles,
    measure,
)
from inkdigits.evaluation.mcnemar import PairedTest, compare_pair
from inkdigits.evaluation.metrics import compute_interval
from inkdigits.evaluation.plots import save_figure
from inkdigits.evaluation.suite_result import ReportProgress, check_limit
from inkdigits.evaluation.suites import SUITE_PICTURES
from inkdigits.files import write_text_whole
from inkdigits.percentages import format_share
from inkdigits.presentation.data_frames import REAL, TEXT, build_frame
from inkdigits.presentation.figures import build_figure
from inkdigits.recognition.model_sources import ModelSource
from inkdigits.recognition.reading_options import Digits, expects_one_digit
from inkdigits.suggestions import describe_unknown
from inkdigits.text_tables import format_columns

if TYPE_CHECKING:
    from pandas import DataFrame

_UNKNOWN: Final = "–"


@dataclass(frozen=True)
class ModelScore:
    """How well and how fast a model reads the pictures of a set.

    Attributes:
        model: Name of the model.
        n: Number of pictures.
        right: Number of pictures that it read correctly.
        right_by_row: Number of correct pictures and of all pictures, by kind of picture.
        seconds: The timed calls, one picture each, while the models took turns.
        size: Size of the model.
    """

    model: str
    n: int
    right: int
    right_by_row: Mapping[str, tuple[int, int]]
    seconds: tuple[float, ...]
    size: Size

    @property
    def accuracy(self) -> float:
        """Share of the pictures that were read correctly."""
        return self.right / self.n

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy (Wilson, 1927): lower end, upper end."""
        return compute_interval(self.right, self.n)

    @property
    def milliseconds(self) -> float:
        """Median time of one picture."""
        return 1000 * statistics.median(self.seconds)

    def to_json(self) -> dict[str, Any]:
        """Returns the score as numbers, strings and lists."""
        return {
            "model": self.model,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "n": self.n,
            "mistakes": self.n - self.right,
            "milliseconds": self.milliseconds,
            "parameters": self.size.parameters,
            "bytes": self.size.n_bytes,
            "size_without_reader": self.size.lacks_reader,
            "rows": [
                {"name": name, "n": n, "accuracy": right / n}
                for name, (right, n) in self.right_by_row.items()
            ],
        }


@dataclass(frozen=True, eq=False)
class SetComparison:
    """Several models on the same pictures.

    Attributes:
        name: "tiles", the name of a suite, or the path of a folder.
        title: What the pictures are.
        models: Names of the models.
        measurement: What the models read.
        sizes: Sizes of the models.
    """

    name: str
    title: str
    models: tuple[str, ...]
    measurement: Measurement
    sizes: tuple[Size, ...]

    @property
    def pictures(self) -> tuple[ComparedPicture, ...]:
        """All pictures, each with the answers of all models."""
        return self.measurement.pictures

    @property
    def disagreements(self) -> tuple[ComparedPicture, ...]:
        """The pictures on which the models read different texts."""
        return tuple(picture for picture in self.pictures if picture.is_disputed)

    @cached_property
    def scores(self) -> tuple[ModelScore, ...]:
        """The score of each model, in the order of the models."""
        scores = []
        for number, model in enumerate(self.models):
            rows: dict[str, tuple[int, int]] = {}
            for picture in self.pictures:
                right, n = rows.get(picture.row, (0, 0))
                rows[picture.row] = right + picture.answers[number].is_right, n + 1
            scores.append(
                ModelScore(
                    model=model,
                    n=len(self.pictures),
                    right=sum(right for right, _ in rows.values()),
                    right_by_row=rows,
                    seconds=self.measurement.seconds[number],
                    size=self.sizes[number],
                )
            )
        return tuple(scores)

    @cached_property
    def pairs(self) -> tuple[PairedTest, ...]:
        """McNemar's test for each pair of models."""
        is_right = np.array(
            [[answer.is_right for answer in picture.answers] for picture in self.pictures]
        )
        return tuple(
            compare_pair(self.models[one], self.models[two], is_right[:, one], is_right[:, two])
            for one, two in combinations(range(len(self.models)), 2)
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the comparison as numbers, strings and lists, without the single pictures."""
        return {
            "name": self.name,
            "title": self.title,
            "n": len(self.pictures),
            "models": [score.to_json() for score in self.scores],
            "pairs": [pair.to_json() for pair in self.pairs],
            "disagreements": len(self.disagreements),
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """The result of `compare`.

    Attributes:
        models: Names of the models.
        sets: The comparison on each set of pictures.
        curves: Validation loss and accuracy after each epoch, for the models that are runs: rows
            with the keys "epoch", "val_loss" and "val_accuracy".
    """

    models: tuple[str, ...]
    sets: tuple[SetComparison, ...]
    curves: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)

    def __repr__(self) -> str:
        sets = ", ".join(one.name for one in self.sets)
        return f"Comparison({' | '.join(self.models)}, on {sets})"

    def __str__(self) -> str:
        return self.to_table()

    def to_json(self) -> dict[str, Any]:
        """Returns the comparison as numbers, strings and lists, without the single pictures."""
        return {"models": list(self.models), "sets": [one.to_json() for one in self.sets]}

    def to_table(self) -> str:
        """Returns the comparison as text for a terminal: a table of scores and one of pairs."""
        scores: list[list[str] | None] = [
            ["", "Accuracy", "95 % interval", "Mistakes", "ms each", "Parameters", "Bytes"]
        ]
        pairs: list[list[str] | None] = [["", "Only A right", "Only B right", "p (McNemar)"]]
        for one in self.sets:
            scores += [None, [f"{one.title}, {len(one.pictures):,}"]]
            scores += map(_list_score_cells, one.scores)
            pairs += [None, [f"{one.title}, {len(one.disagreements):,} read differently"]]
            pairs += map(_list_pair_cells, one.pairs)
        lines = [*format_columns(scores, "<>>>>>>"), "", *format_columns(pairs, "<>>>")]
        found = [
            score.model for one in self.sets for score in one.scores if score.size.lacks_reader
        ]
        if found:
            names = ", ".join(dict.fromkeys(found))
            lines += [
                "",
                f"Parameters and bytes without the reader, which finds the digits: {names}",
            ]
        return "\n".join(lines)

    def to_csv(self) -> str:
        """Returns what each model read on each picture, as CSV.

        Returns:
            A header and a line for each picture, with the columns `set`, `row`, `picture` and
            `true`, and for each model its name, the name with " right" (1 or 0) and with
            " confidence".
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        suffixes = ("", " right", " confidence")
        columns = [name + suffix for name in self.models for suffix in suffixes]
        writer.writerow(["set", "row", "picture", "true", *columns])
        for one in self.sets:
            for picture in one.pictures:
                cells = [one.name, picture.row, picture.name, picture.true]
                for answer in picture.answers:
                    cells += [answer.text, str(int(answer.is_right)), f"{answer.confidence:.6f}"]
                writer.writerow(cells)
        return text.getvalue()

    def to_pandas(self) -> DataFrame:
        """Returns what each model read on each picture, as a data frame.

        Returns:
            A row for each picture and model, with the columns `set`, `row`, `picture`, `true`,
            `model`, `text`, `right` and `confidence`.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        rows = [
            {
                "set": one.name,
                "row": picture.row,
                "picture": picture.name,
                "true": picture.true,
                "model": model,
                "text": answer.text,
                "right": answer.is_right,
                "confidence": answer.confidence,
            }
            for one in self.sets
            for picture in one.pictures
            for model, answer in zip(self.models, picture.answers, strict=True)
        ]
        texts = dict.fromkeys(("set", "row", "picture", "true", "model", "text"), TEXT)
        return build_frame(rows, {**texts, "right": "boolean", "confidence": REAL})

    def save(self, folder: Path | str) -> None:
        """Writes the comparison to a folder.

        The files are `comparison.json`, `predictions.csv`, a sheet `disagreements-SET.png` for each
        set of pictures, and `curves.png` if a model is a run with a validation after each epoch.

        Args:
            folder: The folder, which may be missing. Files of an earlier comparison are replaced.

        Raises:
            OutputError: A file cannot be written.
            MissingExtraError: matplotlib is not installed.
        """
        folder = Path(folder)
        write_text_whole(folder / "comparison.json", json.dumps(self.to_json(), indent=2) + "\n")
        write_text_whole(folder / "predictions.csv", self.to_csv())
        for name, one in zip(_name_files([one.name for one in self.sets]), self.sets, strict=True):
            figure = plot_disagreements(
                one.title,
                self.models,
                one.measurement.shown,
                n_disputed=len(one.disagreements),
                n=len(one.pictures),
            )
            save_figure(figure, folder / f"disagreements-{name}.png")
        if self.curves:
            save_figure(plot_validation(self.curves), folder / "curves.png")


def compare(
    *models: ModelSource,
    suite: str | Sequence[str] = (),
    pictures: Path | str | Sequence[Path | str] = (),
    data: Path | str | None = None,
    digits: Digits = "all",
    limit: int | None = None,
    output: Path | str | None = None,
    report_progress: ReportProgress = lambda name, done, n: None,
) -> Comparison:
    """Compares models on the same pictures.

    All names are checked, and all models loaded, before anything is measured.

    Args:
        models: Models as in `Recognizer.load`; "default" is the model that comes with inkdigits,
            "knn", "svm" and "random-forest" are classifiers of scikit-learn, fitted on MNIST's
            training images, and "a+b" or a list is an ensemble. A single model is compared with
            the default.
        suite: Names of suites, as in `inkdigits evaluate --suite`.
        pictures: Folders of labelled pictures; see `inkdigits.data.load_labelled_pictures`.
        data: Test images to classify as tiles, as in `evaluate`. With neither suites nor pictures
            nor data, MNIST's test images are classified.
        digits: "one" if each of the labelled pictures shows exactly one digit.
        limit: Takes only the first `limit` test images and the first of each row of a suite; None
            takes all.
        output: A folder for the report; see `Comparison.save`. None writes nothing.
        report_progress: Called with the name of a set, the number of its pictures that all models
            have read, and the number of all its pictures.

    Returns:
        For each set of pictures, the scores of the models and McNemar's test for each pair. The
        accuracy is that over all pictures of a set, so it differs from the mean of the rows of a
        suite with rows of different lengths.

    Raises:
        ModelError: A model does not exist or cannot be loaded.
        DataFormatError, DataUnavailableError: Pictures or test images are missing or damaged.
        MissingExtraError: A model, a suite or the report needs an extra that is not installed.
        OutputError: The report cannot be written.
        UsageError: A suite is unknown, a model is given twice, the limit is less than 1, a reader
            is to classify tiles, or the models have different classes.
    """
    suites = [suite] if isinstance(suite, str) else list(suite)
    folders = [pictures] if isinstance(pictures, str | Path) else list(pictures)
    for name in suites:
        if name not in SUITE_PICTURES:
            raise UsageError(describe_unknown("suite", name, SUITE_PICTURES))
    expects_one_digit(digits)
    check_limit(limit)
    found = find_models(models)
    for folder in folders:
        check_exists(Path(folder), "folder of pictures", "a folder of labelled pictures")
    if output is not None:
        build_figure(1, 1)  # raises MissingExtraError now rather than after hours of reading
    loaded = [load_model(name, members) for name, members in found.items()]
    sets: list[PictureSet] = []
    if data is not None or not (suites or folders):
        sets.append(gather_tiles(data, limit, _find_class_names(loaded, data)))
    sets += [gather_suite(name, limit) for name in dict.fromkeys(suites)]
    sets += [gather_folder(Path(folder), digits=digits) for folder in dict.fromkeys(folders)]
    _check_readers(loaded, sets)
    comparison = Comparison(
        models=tuple(found),
        sets=tuple(_compare_on(one, loaded, report_progress) for one in sets),
        curves={model.name: curves for model in loaded if (curves := model.load_curves())},
    )
    if output is not None:
        comparison.save(output)
    return comparison


def _compare_on(
    pictures: PictureSet, models: Sequence[ComparedModel], report_progress: ReportProgress
) -> SetComparison:
    return SetComparison(
        name=pictures.name,
        title=pictures.title,
        models=tuple(model.name for model in models),
        measurement=measure(
            pictures,
            [model.recognizer for model in models],
            lambda done, n: report_progress(pictures.name, done, n),
        ),
        sizes=tuple(model.measure_size(on_tiles=pictures.on_tiles) for model in models),
    )


def _find_class_names(models: Sequence[ComparedModel], data: Path | str | None) -> tuple[str, ...]:
    """Returns the names of the classes that the models tell apart; empty for digits.

    Raises:
        UsageError: The models have different classes, or others than digits without data.
    """
    first, *others = models
    names = first.recognizer.card.class_names
    for other in others:
        if other.recognizer.card.class_names != names:
            raise UsageError(
                f"{first.name} and {other.name} have different classes: compare models of the same "
                "classes"
            )
    if names and data is None:
        raise UsageError(
            f"the models tell {', '.join(names[:3])}, … apart, not digits: name their test images "
            "with data (--data)"
        )
    return names


def _check_readers(models: Sequence[ComparedModel], sets: Sequence[PictureSet]) -> None:
    """Raises UsageError if a reader is to classify tiles."""
    for model in models:
        if any(one.on_tiles for one in sets) and not model.classifies_tiles:
            raise UsageError(
                f"{model.name} reads whole pictures, not tiles: compare it on a suite, such as "
                "mnist, or on labelled pictures"
            )


def _name_files(names: Sequence[str]) -> list[str]:
    """Returns names of sets as parts of file names, each of them once."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "pictures"
        found.append(plain if plain not in found else f"{plain}-{len(found) + 1}")
    return found


def _list_score_cells(score: ModelScore) -> list[str]:
    lower, upper = score.accuracy_interval
    parameters, n_bytes = (
        _UNKNOWN if value is None else f"{value:,}"
        for value in (score.size.parameters, score.size.n_bytes)
    )
    return [
        score.model,
        format_share(score.accuracy, 2, " %"),
        f"{100 * lower:.2f} to {100 * upper:6.2f} %",
        f"{score.n - score.right:,}",
        f"{score.milliseconds:.2f}",
        parameters,
        n_bytes,
    ]


def _list_pair_cells(pair: PairedTest) -> list[str]:
    p = "< 0.0001" if pair.p_value < 0.0001 else f"{pair.p_value:.4f}"
    return [
        f"{pair.first} (A), {pair.second} (B)",
        f"{pair.only_first_right:,}",
        f"{pair.only_second_right:,}",
        p,
    ]
