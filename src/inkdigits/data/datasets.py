"""Data sets in MNIST's form: what their ten classes are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from inkdigits.errors import UsageError
from inkdigits.suggestions import describe_unknown

DIGIT_NAMES: Final = tuple(map(str, range(10)))

DATASETS: Final[Mapping[str, tuple[str, ...]]] = {
    "mnist": DIGIT_NAMES,
    "qmnist": DIGIT_NAMES,
    "emnist-digits": DIGIT_NAMES,
    "fashion-mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "kmnist": ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
}
"""Name of each data set to the names of its classes: Xiao et al. (2017) for Fashion-MNIST, Clanuwat
et al. (2018) for Kuzushiji-MNIST."""

_OTHER_CLASSES: Final = {"emnist-letters": 26, "emnist-balanced": 47, "emnist-byclass": 62}


def get_class_names(dataset: str) -> tuple[str, ...]:
    """Returns the names of a data set's classes, in the order of their labels.

    Args:
        dataset: A key of `DATASETS`.

    Raises:
        UsageError: The data set is unknown, or has more than ten classes.
    """
    if dataset in _OTHER_CLASSES:
        raise UsageError(
            f"{dataset} has {_OTHER_CLASSES[dataset]} classes: networks for tiles have ten; "
            f"expected one of {', '.join(DATASETS)}"
        )
    if dataset not in DATASETS:
        raise UsageError(describe_unknown("dataset", dataset, list(DATASETS)))
    return DATASETS[dataset]
