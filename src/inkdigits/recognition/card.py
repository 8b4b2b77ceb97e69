"""Model cards: JSON files beside the models, with what is needed to use and assess them.

`Card` belongs to a network for tiles, `ReaderCard` to a reader of whole pictures.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from inkdigits.errors import ModelError
from inkdigits.files import read_limited, write_text_whole
from inkdigits.recognition.calibration import MAX_TEMPERATURE, MIN_TEMPERATURE
from inkdigits.recognition.framing import FRAMING_VERSION
from inkdigits.results.alphabet import CLASS_NAMES

CARD_FORMAT = "inkdigits-card-1"
READER_FORMAT = "inkdigits-reader-1"
TILE_SHAPE = (28, 28)
LABELS = tuple(range(10))
MAX_CARD_BYTES = (
    1_000_000  # thirty times the card of a reader, which lists every font and photograph
)
MAX_SEED = 2**32 - 1
MIN_OUTPUTS, MAX_CLASSES = 2, 256  # labels are single bytes
_MAX_DEPTH = 20  # of nested values; a recipe has five levels
NONE = 10  # label of the eleventh output of networks with a not-a-digit class


@dataclass(frozen=True)
class Card:
    """Card of a network for tiles.

    Attributes:
        recipe: The effective recipe, as plain JSON.
        seed: Seed of the weights, the order of the images and dropout.
        data_sha256: Name of each training file to the SHA-256 of its uncompressed IDX bytes.
        versions: Package name to its version during training.
        figures: Measured figures; accuracies are fractions from 0 to 1, times are in seconds.
        temperature: Divisor of the logits before softmax (Guo et al. 2017), fitted on validation
            data.
        framing_version: Version of the framing that the network was trained with.
        input_shape: Height and width of a tile in pixels.
        labels: Label of each network output: the digits 0 to 9, and 10 for the not-a-digit class;
            of other classes than digits, 0 to their number less 1.
        refusal_threshold: Minimum calibrated probability of a digit, 0 to 1; less probable digits
            are rejected. Chosen on validation data.
        format: Format of this card.
        class_names: Name of each label, of networks for other pictures than digits, such as
            Fashion-MNIST's; empty for digits.
    """

    recipe: dict[str, Any]
    seed: int
    data_sha256: dict[str, str]
    versions: dict[str, str]
    figures: dict[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    framing_version: int = FRAMING_VERSION
    input_shape: tuple[int, int] = TILE_SHAPE
    labels: tuple[int, ...] = LABELS
    refusal_threshold: float = 0.0
    format: str = CARD_FORMAT
    class_names: tuple[str, ...] = ()

    @property
    def n_classes(self) -> int:
        """Number of classes, without the not-a-digit class: ten for digits."""
        return len(self.class_names) or len(LABELS)

    @property
    def class_labels(self) -> tuple[int, ...]:
        """Label of each class, without the not-a-digit class."""
        return tuple(range(self.n_classes))

    def check_outputs(self, model: Path, n_outputs: int) -> None:
        """Raises ModelError if a model has another number of outputs than this card has labels."""
        if n_outputs != len(self.labels):
            raise ModelError(
                f"{model} returns {n_outputs} probabilities, but its card has {len(self.labels)} "
                "labels: expected the card that belongs to the model"
            )

    def name_label(self, label: int) -> str:
        """Returns the name of a label: its class, the digit, or "none" for "not a digit"."""
        if not 0 <= label < self.n_classes:
            return "none"
        return self.class_names[label] if self.class_names else str(label)

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Writes the card as JSON; errors as in `inkdigits.files.write_whole`."""
        values = asdict(self)
        if not self.class_names:  # earlier versions read the cards of digits
            del values["class_names"]
        write_text_whole(path, json.dumps(values, indent=2) + "\n", overwrite=overwrite)

    @classmethod
    def load(cls, path: Path) -> Card:
        """Loads a card and checks that this version supports it.

        Raises:
            ModelError: The card is missing, not valid JSON, has a missing, unknown or invalid
                field, or needs another framing, input or labels than this version has.
        """
        values = _load_values(
            path, CARD_FORMAT, {f.name for f in fields(cls)}, optional={"class_names"}
        )
        names = values.get("class_names", [])
        is_named = isinstance(names, list) and len(names) != 1 and len(names) <= MAX_CLASSES
        if not (is_named and all(isinstance(name, str) for name in names) and _is_plain(names)):
            raise ModelError(f"{path} has invalid class_names: expected a text for each label")
        labels = list(range(len(names) or len(LABELS)))
        for name, known_values in (
            ("framing_version", (FRAMING_VERSION,)),
            ("input_shape", (list(TILE_SHAPE),)),
            ("labels", (labels, [*labels, NONE]) if labels == list(LABELS) else (labels,)),
        ):
            _check_known(path, name, values[name], known_values)
        _check_number(path, "temperature", values["temperature"], MIN_TEMPERATURE, MAX_TEMPERATURE)
        _check_number(path, "refusal_threshold", values["refusal_threshold"], 0, 1)
        texts = {"labels": tuple(values["labels"]), "class_names": tuple(names)}
        return cls(**{**values, "input_shape": TILE_SHAPE, **texts})


@dataclass(frozen=True)
class ReaderCard:
    """Card of a reader, which detects and classifies the marks of whole pictures.

    Attributes:
        recipe: The effective recipe, as plain JSON.
        seed: Seed of the weights and of the drawn pages.
        data_sha256: Name of each training data source to its SHA-256.
        versions: Package name to its version during training.
        figures: Measured figures; accuracies are fractions from 0 to 1, times are in seconds.
        threshold: Minimum probability of a digit, 0 to 1; less probable digits are not read. Chosen
            on validation data.
        classes: Name of each class of the reader, in class order.
        format: Format of this card.
    """

    recipe: dict[str, Any]
    seed: int
    data_sha256: dict[str, str]
    versions: dict[str, str]
    figures: dict[str, float] = field(default_factory=dict)
    threshold: float = 0.5
    classes: tuple[str, ...] = CLASS_NAMES
    format: str = READER_FORMAT

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Writes the card as JSON; errors as in `inkdigits.files.write_whole`."""
        write_text_whole(path, json.dumps(asdict(self), indent=2) + "\n", overwrite=overwrite)

    @classmethod
    def load(cls, path: Path) -> ReaderCard:
        """Loads a card and checks that this version supports it.

        Raises:
            ModelError: The card is missing or not a reader's, has a missing, unknown or invalid
                field, or needs other classes than this version has.
        """
        values = _load_values(path, READER_FORMAT, {f.name for f in fields(cls)})
        _check_known(path, "classes", values["classes"], (list(CLASS_NAMES),))
        _check_number(path, "threshold", values["threshold"], 0, 1)
        return cls(**{**values, "classes": tuple(values["classes"])})


def is_reader_card(path: Path) -> bool:
    """Whether a file is the card of a reader; False if it is missing or damaged."""
    try:
        values = json.loads(read_limited(path, MAX_CARD_BYTES))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(values, dict) and values.get("format") == READER_FORMAT


def locate_card(model: Path) -> Path:
    """Returns the path of a model's card: same folder and stem, with the suffix `.json`."""
    return model.with_suffix(".json")


def _load_values(
    path: Path, expected: str, known: set[str], optional: Collection[str] = ()
) -> dict[str, Any]:
    """Loads the fields of a card; checks their names, and the values that both cards have."""
    try:
        values = json.loads(read_limited(path, MAX_CARD_BYTES))
    except FileNotFoundError:
        raise ModelError(
            f"{path} is missing: a model needs its card in the same folder; 'inkdigits train' and "
            "'inkdigits export' write it there, 'inkdigits adopt' does for a model from elsewhere"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} is not a readable card ({error}): export the model again"
        ) from error
    if not isinstance(values, dict) or values.get("format") != expected:
        found = values.get("format") if isinstance(values, dict) else type(values).__name__
        raise ModelError(f"{path} is a card of format {_shorten(found)}: expected {expected!r}")
    if differing := set(values) ^ known ^ (known - set(values)).intersection(optional):
        names = ", ".join(sorted(differing))[:200]
        raise ModelError(f"{path} has missing or unknown fields: {names!r}")
    _check_common_fields(path, values)
    return values


def _check_common_fields(path: Path, values: Mapping[str, Any]) -> None:
    """Raises ModelError if a field that both kinds of card have has an invalid value."""
    recipe, seed, figures = values["recipe"], values["seed"], values["figures"]
    is_named = isinstance(recipe, dict) and isinstance(recipe.get("name", ""), str)
    if not (is_named and _is_plain(recipe)):
        raise ModelError(
            f"{path} has an invalid recipe: expected an object of plain values with a text as name"
        )
    if type(seed) is not int or not 0 <= seed <= MAX_SEED:
        raise ModelError(
            f"{path} has the seed {_shorten(seed)}: expected an integer from 0 to {MAX_SEED}"
        )
    for name in ("data_sha256", "versions"):
        texts = values[name]
        if not (isinstance(texts, dict) and all(isinstance(text, str) for text in texts.values())):
            raise ModelError(f"{path} has invalid {name}: expected an object of texts")
    if not (isinstance(figures, dict) and all(_is_number(value) for value in figures.values())):
        raise ModelError(f"{path} has invalid figures: expected an object of finite numbers")
    if not _is_plain([values["data_sha256"], values["versions"], figures]):
        raise ModelError(f"{path} contains text that is not valid Unicode: export the model again")


def _is_plain(value: object, depth: int = 0) -> bool:
    """Whether every JSON encoder can write a value: finite, 64 bits, Unicode, not deeply nested.

    `json.loads` accepts more: NaN, integers of any length, and unpaired surrogates.
    """
    if isinstance(value, dict):
        return depth < _MAX_DEPTH and all(
            _is_plain(part, depth + 1) for item in value.items() for part in item
        )
    if isinstance(value, list):
        return depth < _MAX_DEPTH and all(_is_plain(part, depth + 1) for part in value)
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, bool) or value is None:
        return True
    return _is_number(value)


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float) and math.isfinite(value)


def _shorten(value: object) -> str:
    """Returns a value as one short line for a message."""
    return repr(value)[:60]


def _check_known(path: Path, name: str, value: object, known_values: tuple[object, ...]) -> None:
    # Compared as JSON, because in Python `True == 1 == 1.0`.
    if json.dumps(value) not in map(json.dumps, known_values):
        raise ModelError(
            f"{path} needs {name} {_shorten(value)}, this version supports "
            f"{' or '.join(map(str, known_values))}: use the inkdigits version that made the "
            "model, or train the model again"
        )


def _check_number(path: Path, name: str, value: object, lowest: float, highest: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not lowest <= value <= highest:  # type: ignore[operator]
        raise ModelError(
            f"{path} has the {name} {_shorten(value)}: expected a number from {lowest:g} to "
            f"{highest:g}"
        )
