"""Classifiers of scikit-learn on MNIST's pixels, to compare networks with.

They are fitted when they are asked for: k nearest neighbours, a support vector machine and a random
forest, as scikit-learn sets them by default.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import fetch_mnist
from inkdigits.errors import MissingExtraError
from inkdigits.recognition import Recognizer
from inkdigits.recognition.card import Card

_SEED: Final = 0


@dataclass(frozen=True)
class Baseline:
    """A classifier of scikit-learn.

    Attributes:
        summary: What it is.
        module: Its module.
        name: Its class.
        settings: Arguments of the class.
        images: Number of MNIST's training images that it learns; the first ones.
    """

    summary: str
    module: str
    name: str
    settings: Mapping[str, Any]
    images: int = 60_000


BASELINES: Final[Mapping[str, Baseline]] = {
    "knn": Baseline(
        "the five nearest neighbours", "sklearn.neighbors", "KNeighborsClassifier", {"n_jobs": -1}
    ),
    # All 60,000 take many minutes, because the time grows with the square of their number.
    "svm": Baseline(
        "a support vector machine with radial basis functions, of 10,000 images",
        "sklearn.svm",
        "SVC",
        {"decision_function_shape": "ovr"},
        images=10_000,
    ),
    "random-forest": Baseline(
        "a random forest of 100 trees",
        "sklearn.ensemble",
        "RandomForestClassifier",
        {"n_jobs": -1, "random_state": _SEED},
    ),
}


def fit_baseline(name: str) -> Recognizer:
    """Fits a baseline on MNIST's training images.

    Args:
        name: A key of `BASELINES`.

    Returns:
        A recognizer of tiles. Its probabilities are those of the classifier; a support vector
        machine has none, and the softmax of its scores stands for them.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        DataFormatError, DataUnavailableError: MNIST is incomplete or cannot be downloaded.
    """
    baseline = BASELINES[name]
    try:
        kind: Callable[..., Any] = getattr(importlib.import_module(baseline.module), baseline.name)
    except ImportError as error:
        raise MissingExtraError(
            f"the baseline {name} needs scikit-learn, which is not installed; run: pip install "
            '"inkdigits[sklearn]"'
        ) from error
    mnist = fetch_mnist()
    training = mnist.train.take(np.arange(baseline.images))
    model = kind(**baseline.settings).fit(_scale(training.images), training.labels)
    card = Card(
        recipe={"name": name, "summary": baseline.summary},
        seed=_SEED,
        data_sha256=dict(mnist.sha256),
        versions={"scikit-learn": importlib.import_module("sklearn").__version__},
    )
    return Recognizer(PixelNetwork(model), card)


class PixelNetwork:
    """A classifier of pixels as a network for tiles."""

    def __init__(self, model: Any) -> None:
        """Wraps a fitted classifier of scikit-learn whose classes are 0 to 9."""
        self._model = model

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns probabilities, float32, shape (n, 10); arguments as in `Network`."""
        pixels = _scale(tiles)
        if hasattr(self._model, "predict_proba"):
            return np.asarray(self._model.predict_proba(pixels), np.float32)
        scores = self._model.decision_function(pixels)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


def _scale(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns tiles as rows of pixels from 0 to 1."""
    return np.asarray(tiles.reshape(len(tiles), -1) / 255, np.float32)
