"""The models of a comparison: found by their names, loaded, and measured in size."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inkdigits.errors import DataUnavailableError, ModelError, UsageError
from inkdigits.evaluation.baselines import BASELINES, fit_baseline
from inkdigits.recognition import DEFAULT_MODEL, DEFAULT_TILE_MODEL, Recognizer
from inkdigits.recognition.card import Card, ReaderCard, is_reader_card, locate_card
from inkdigits.recognition.model_sources import ModelSource
from inkdigits.suggestions import ask_for, find_nearest

DEFAULT_NAME: Final = "default"
"""Name of the model that comes with inkdigits."""

JOINT: Final = "+"
"""Between the names of the members of an ensemble."""

_EXPECTED_MODEL: Final = (
    "a run folder, a .onnx, .keras, .h5 or .tflite file, or the folder of a SavedModel"
)
_CURVES: Final = ("epoch", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class Size:
    """The size of a model.

    Attributes:
        parameters: Number of parameters; None if unknown.
        n_bytes: Bytes of the model files; None for a recognizer, which has no file.
        lacks_reader: Whether the reader that finds the digits for the model is not counted.
    """

    parameters: int | None
    n_bytes: int | None
    lacks_reader: bool = False


@dataclass(frozen=True, eq=False)
class ComparedModel:
    """A model of a comparison.

    Attributes:
        name: The name that it was given with.
        recognizer: The loaded model.
        members: The files, folders or recognizers that it consists of; several for an ensemble.
    """

    name: str
    recognizer: Recognizer
    members: tuple[Path | Recognizer, ...]

    @property
    def classifies_tiles(self) -> bool:
        """False for a reader from a file, which has no network for tiles of its own."""
        (first, *others) = self.members
        is_file = isinstance(first, Path) and first != DEFAULT_MODEL
        return bool(others) or not is_file or self.recognizer.judges_tiles

    def measure_size(self, *, on_tiles: bool) -> Size:
        """Returns the size of the network whose accuracy is measured.

        On pictures, the reader that finds the digits for a network for tiles is not counted.

        Args:
            on_tiles: Whether tiles are classified. The model that comes with inkdigits has a
                network for tiles beside its reader.
        """
        sizes = [_measure_member(member, on_tiles=on_tiles) for member in self.members]
        return Size(
            parameters=_add([size.parameters for size in sizes]),
            n_bytes=_add([size.n_bytes for size in sizes]),
            lacks_reader=not on_tiles and self.recognizer.judges_tiles,
        )

    def load_curves(self) -> list[dict[str, float]]:
        """Returns the validation figures in a run's `history.csv`.

        Returns:
            A row for each epoch, with the keys "epoch", "val_loss" and "val_accuracy"; none for
            readers, which are not validated after each epoch, and for models without a run.
        """
        (first, *others) = self.members
        if others or isinstance(first, Recognizer):
            return []
        try:
            with (first / "history.csv").open(newline="", encoding="utf-8") as file:
                return [{key: float(row[key]) for key in _CURVES} for row in csv.DictReader(file)]
        except (OSError, KeyError, TypeError, ValueError):
            return []


def find_models(sources: Sequence[ModelSource]) -> dict[str, tuple[Path | Recognizer, ...]]:
    """Finds the members of each model, and checks that they exist, without loading them.

    Args:
        sources: At least one model, as in `Recognizer.load`. In a name, "default" is the model
            that comes with inkdigits, "knn", "svm" and "random-forest" are baselines of
            scikit-learn, and "+" joins the members of an ensemble, unless a file or folder has this
            name. A single model is compared with the model that comes with
            inkdigits.

    Returns:
        The names of the models to their members.

    Raises:
        ModelError: A file or folder does not exist; the message suggests similar names.
        UsageError: No model is given, or the same model twice.
    """
    if not sources:
        raise UsageError("no models to compare: expected two or more, or one and the default model")
    found: dict[str, tuple[Path | Recognizer, ...]] = {}
    for source in sources if len(sources) > 1 else (*sources, DEFAULT_MODEL):
        name = _name_model(source)
        if name in found:
            raise UsageError(f"the model {name} is given twice: expected different models")
        found[name] = _find_members(source)
        for member in found[name]:
            if isinstance(member, Path) and not _is_baseline(member):
                check_exists(member, "model", _EXPECTED_MODEL)
    return found


def load_model(name: str, members: Sequence[Path | Recognizer]) -> ComparedModel:
    """Loads a model that `find_models` has found; errors as in `Recognizer.load`.

    A baseline is fitted; errors as in `fit_baseline`.
    """
    found = tuple(
        fit_baseline(str(member)) if isinstance(member, Path) and _is_baseline(member) else member
        for member in members
    )
    return ComparedModel(name, Recognizer.load(list(found)), found)


def check_exists(path: Path, kind: str, expected: str) -> None:
    """Checks that a path exists.

    Args:
        path: The path.
        kind: What it stands for, such as "model".
        expected: What is expected, for the message.

    Raises:
        ModelError: A model does not exist; the message suggests similar names in its folder.
        DataUnavailableError: Something else does not exist.
    """
    if path.exists():
        return
    neighbours = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    if kind == "model" and path.parent == Path():
        neighbours += [DEFAULT_NAME, *BASELINES]
    nearest = [str(path.parent / name) for name in find_nearest(path.name, neighbours)]
    message = f"no {kind} at {path}: {ask_for(nearest) if nearest else f'expected {expected}'}"
    raise ModelError(message) if kind == "model" else DataUnavailableError(message)


def _is_baseline(path: Path) -> bool:
    return str(path) in BASELINES and not path.exists()


def _name_model(source: ModelSource) -> str:
    if isinstance(source, Recognizer):
        card = source.card if source.judges_tiles else source.reader.card
        return f"{card.recipe.get('name')}-{card.seed}"
    if isinstance(source, str | os.PathLike):
        return DEFAULT_NAME if Path(source) == DEFAULT_MODEL else str(Path(source))
    return JOINT.join(map(_name_model, source))


def _find_members(source: ModelSource) -> tuple[Path | Recognizer, ...]:
    if isinstance(source, Recognizer):
        return (source,)
    if not isinstance(source, str | os.PathLike):
        return tuple(member for one in source for member in _find_members(one))
    path = Path(source)
    if path.exists():
        return (path,)
    if str(path) == DEFAULT_NAME:
        return (DEFAULT_MODEL,)
    return tuple(Path(part) for part in os.fspath(source).split(JOINT) if part)


def _measure_member(member: Path | Recognizer, *, on_tiles: bool) -> Size:
    if isinstance(member, Recognizer):
        is_network = on_tiles or member.judges_tiles
        return Size(_read_parameters(member.card if is_network else member.reader.card), None)
    if member == DEFAULT_MODEL and on_tiles:
        member = DEFAULT_TILE_MODEL
    path = member / "model.onnx" if (member / "model.onnx").is_file() else member
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    card = locate_card(path)
    known = _read_parameters(ReaderCard.load(card) if is_reader_card(card) else Card.load(card))
    return Size(
        parameters=_count_in_onnx(path) if known is None else known,
        n_bytes=sum(file.stat().st_size for file in files),
    )


def _read_parameters(card: Card | ReaderCard) -> int | None:
    """Returns the number of parameters that a card states; None if it does not."""
    return int(card.figures["parameters"]) if "parameters" in card.figures else None


def _count_in_onnx(path: Path) -> int | None:
    """Counts the numbers that an ONNX file stores, for a model whose card lacks their number.

    Constants such as the scale of the pixels count, too. None for other files and without onnx.
    """
    if path.suffix != ".onnx":
        return None
    try:
        import onnx
    except ImportError:  # from the extra `train`
        return None
    graph = onnx.load(path).graph
    constants = [node for node in graph.node if node.op_type == "Constant"]
    tensors = [*graph.initializer, *(item.t for node in constants for item in node.attribute)]
    kinds = ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE", "INT8", "UINT8")  # not shapes and indices
    weights = {onnx.TensorProto.DataType.Value(kind) for kind in kinds}
    return int(sum(math.prod(tensor.dims) for tensor in tensors if tensor.data_type in weights))


def _add(values: Sequence[int | None]) -> int | None:
    """Returns the sum; None if a value is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
