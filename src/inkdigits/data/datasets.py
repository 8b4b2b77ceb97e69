"""Data sets in MNIST's form: what their classes are called, and which labels stand for them."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from inkdigits.errors import UsageError
from inkdigits.suggestions import describe_unknown

DIGIT_NAMES: Final = tuple(map(str, range(10)))
MAX_CLASSES: Final = 256
"""Labels are single bytes."""

_CAPITALS: Final = tuple(string.ascii_uppercase)
# EMNIST merges the small letters that look like their capitals in all splits but "byclass".
_MERGED: Final = (*DIGIT_NAMES, *_CAPITALS, *"abdefghnqrt")

DATASETS: Final[Mapping[str, tuple[str, ...]]] = {
    "mnist": DIGIT_NAMES,
    "qmnist": DIGIT_NAMES,
    "emnist-digits": DIGIT_NAMES,
    "fashion-mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "kmnist": ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    "emnist-letters": _CAPITALS,
    "emnist-balanced": _MERGED,
    "emnist-bymerge": _MERGED,
    "emnist-byclass": (*DIGIT_NAMES, *_CAPITALS, *string.ascii_lowercase),
}
"""Name of each data set to the names of its classes: Xiao et al. (2017) for Fashion-MNIST, Clanuwat
et al. (2018) for Kuzushiji-MNIST, Cohen et al. (2017) for EMNIST."""

_FIRST_LABELS: Final[Mapping[str, int]] = {"emnist-letters": 1}
"""Label of the first class in the published files, where it is not 0."""


@dataclass(frozen=True)
class Classes:
    """What the labels of a data set stand for.

    Attributes:
        names: Name of each class, in the order of the labels.
        first_label: Label of the first class in files; in memory, labels start at 0.
    """

    names: tuple[str, ...] = DIGIT_NAMES
    first_label: int = 0

    @property
    def last_label(self) -> int:
        """Label of the last class in files."""
        return self.first_label + len(self.names) - 1

    @property
    def are_digits(self) -> bool:
        """Whether these are the ten digits."""
        return self.names == DIGIT_NAMES


DIGITS: Final = Classes()


def get_class_names(dataset: str) -> tuple[str, ...]:
    """Returns the names of a data set's classes, in the order of their labels.

    Args:
        dataset: A key of `DATASETS`.

    Raises:
        UsageError: The data set is unknown.
    """
    if dataset not in DATASETS:
        problem = describe_unknown("dataset", dataset, list(DATASETS))
        raise UsageError(f"{problem}; or name a folder with a subfolder for each class")
    return DATASETS[dataset]


def find_classes(names: tuple[str, ...]) -> Classes:
    """Returns the classes with these names, and the labels that files have for them.

    Args:
        names: The names, in the order of the labels; empty for digits.
    """
    for dataset, first in _FIRST_LABELS.items():
        if DATASETS[dataset] == names:
            return Classes(names, first)
    return Classes(names) if names else DIGITS
