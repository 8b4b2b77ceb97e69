"""A network for tiles as an estimator of scikit-learn."""

from __future__ import annotations

import contextlib
import functools
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inkdigits.data import LabelledImages
from inkdigits.errors import MissingExtraError, UsageError
from inkdigits.recognition.card import MAX_CLASSES, TILE_SHAPE
from inkdigits.training.fit.entry_points import choose_recipe
from inkdigits.training.fit.tile_fit import TileFit
from inkdigits.training.fit.tile_report import TileReport
from inkdigits.training.networks.frameworks import has_16_bit_arithmetic, make_deterministic
from inkdigits.training.networks.tile_network import build_network
from inkdigits.training.recipes.tile_recipe import N_DIGITS, Recipe, set_classes
from inkdigits.training.samples.tile_epochs import EpochFeed, encode_targets

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator, ClassifierMixin

_FIELDS: Final = ("epochs", "batch_size", "learning_rate", "optimizer", "augmentation")
_BATCH: Final = 1_000
_WATCHED: Final = 100
"""Images that the training loop validates on; none are held out."""


EXPECTED_FAILED_CHECKS: Final[Mapping[str, str]] = dict.fromkeys(
    ("check_methods_sample_order_invariance", "check_methods_subset_invariance"),
    "The network computes in 32 bits, which round differently in batches of another size or order: "
    "probabilities differ by less than 1e-6, where the check allows 1e-7.",
)
"""Checks of scikit-learn that cannot hold, and why, for `check_estimator`'s argument
`expected_failed_checks`."""


class TileEstimator:
    """A network for tiles as an estimator of scikit-learn.

        from sklearn.model_selection import cross_val_score
        classifier = inkdigits.DigitClassifier("quick", random_state=0)
        cross_val_score(classifier, images, labels)      # images of shape (n, 784)

    It is trained in memory and writes no run; use `train` for a model to export, serve or report
    on. It classifies square images of any size, which are averaged or repeated to 28 × 28 pixels;
    features that are no square are filled up with 0. The lowest and the highest value that `fit`
    sees become 0 and 255.

    It passes scikit-learn's `check_estimator`, except for the checks in `EXPECTED_FAILED_CHECKS`.

    Attributes:
        classes_: The labels, shape (k,), sorted; at most 256.
        n_features_in_: Number of features of an image.
        history_: A row for each epoch, with the keys of a run's history. Its validation figures are
            of the first training images.
        weights_: The weights of the network.
    """

    def __init__(
        self,
        recipe: str | os.PathLike[str] | Recipe = "quick",
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        optimizer: str | None = None,
        augmentation: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        """Notes the settings; `fit` checks them.

        Args:
            recipe: A recipe for tiles, the name of one, or a file, as in `train`.
            epochs: Number of epochs; None: that of the recipe, as for the other fields.
            batch_size: Images per step.
            learning_rate: Highest learning rate.
            optimizer: An optimizer of Keras, as in recipes.
            augmentation: How images vary from epoch to epoch, as in recipes.
            random_state: Seed of the weights, the order of the images and dropout.
            verbose: Whether to report progress on stderr.
        """
        self.recipe = recipe
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.augmentation = augmentation
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803 - as scikit-learn names it
        """Trains the network.

        Args:
            X: Images, shape (n, n_features) or (n, height, width); higher values are more ink.
            y: Labels, shape (n,), of at most 256 classes. The network has ten outputs, or with
                more classes an output for each.

        Returns:
            The classifier.

        Raises:
            ValueError: X or y is invalid, or has more than 256 classes.
            RecipeError: An unknown recipe, or an invalid setting.
        """
        from sklearn.utils import check_random_state
        from sklearn.utils.multiclass import check_classification_targets
        from sklearn.utils.validation import validate_data

        X, y = validate_data(self, _flatten(X), y)  # noqa: N806
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        n_classes = max(len(self.classes_), N_DIGITS)
        if n_classes > MAX_CLASSES:
            raise UsageError(f"y has {n_classes} classes: expected at most {MAX_CLASSES}")
        pixels = np.asarray(X)
        self._low, self._high = float(pixels.min()), float(pixels.max())
        recipe = set_classes(self._choose_recipe(), n_classes)
        training = LabelledImages(self._draw(pixels), labels.astype(np.uint8), n_classes=n_classes)
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31)
        few = training.take(np.arange(min(len(training), _WATCHED)))
        report = TileReport(f"training {recipe.name}", recipe, enabled=bool(self.verbose))
        feed: EpochFeed | None = None
        with _random_state_kept():
            make_deterministic(int(seed))
            try:
                targets = encode_targets(recipe, few.labels.astype(np.int32))
                validation = few.images, targets
                fit = TileFit.start(recipe, int(seed), len(training), validation, None)
                feed = EpochFeed(recipe, training, int(seed), len(fit.noisy_layers))
                while not fit.is_over:
                    fit.run_epoch(feed, report)
                    report.end_epoch(fit.history)
            finally:
                report.close()
                if feed is not None:
                    feed.close()
        self.history_ = fit.history
        self.weights_ = fit.network.get_weights()
        self._recipe = recipe
        self._network = self._build_network()
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Returns the probability of each class.

        Args:
            X: Images, as in `fit`.

        Returns:
            float64, shape (n, k), in the order of `classes_`; each row sums to 1.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: X is invalid, or has another number of features than in `fit`.
        """
        from sklearn.utils.validation import check_is_fitted, validate_data

        check_is_fitted(self)
        X = validate_data(self, _flatten(X), reset=False)  # noqa: N806
        if self._network is None:  # after unpickling
            self._network = self._build_network()
        found = self._network.predict(self._draw(np.asarray(X)), batch_size=_BATCH, verbose=0)
        shares = np.asarray(found, np.float64)[:, : len(self.classes_)]
        # The other outputs of the network stand for classes that y lacks.
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Returns the most probable class of each image; arguments and errors as `predict_proba`.

        Returns:
            Shape (n,), of the type of the labels.
        """
        places = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[places])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = False
        return tags

    def __getstate__(self) -> dict[str, Any]:
        # The network is built again from the weights, which every version of Keras can read.
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        return {**state, "_network": None} if "_network" in state else state

    def _build_network(self) -> Any:
        network = build_network(replace(self._recipe, precision="float32"))
        network.set_weights(self.weights_)
        return network

    def _choose_recipe(self) -> Recipe:
        recipe, _ = choose_recipe(self.recipe, (), {}, options=())
        if not isinstance(recipe, Recipe):
            raise UsageError(f"{recipe.name} reads whole pictures: choose a recipe for tiles")
        fields = {name: getattr(self, name) for name in _FIELDS}
        given = {name: value for name, value in fields.items() if value is not None}
        if recipe.patience is not None:
            raise UsageError(
                f"{recipe.name} stops early, but nothing is held out to stop by: choose another "
                "recipe"
            )
        precision = recipe.precision if has_16_bit_arithmetic() else "float32"
        return replace(recipe, **given, precision=precision)

    def _draw(self, features: NDArray[Any]) -> NDArray[np.uint8]:
        """Returns features as tiles, uint8, shape (n, 28, 28)."""
        n, n_features = features.shape
        side = int(np.ceil(np.sqrt(n_features)))
        span = self._high - self._low
        scaled = (features.astype(np.float64) - self._low) * (255 / span if span else 0)
        square = np.zeros((n, side * side))
        square[:, :n_features] = np.clip(scaled, 0, 255)
        mean = _build_averages(side, TILE_SHAPE[0])
        tiles = mean @ square.reshape(n, side, side) @ mean.T
        return np.asarray(np.round(tiles), np.uint8)


if TYPE_CHECKING:

    class DigitClassifier(TileEstimator, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """As `TileEstimator`, with the methods of scikit-learn's estimators, such as `score`."""

else:  # scikit-learn is imported when the class is first used

    def __getattr__(name: str) -> object:
        if name == "DigitClassifier":
            return _build_class()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def _build_class() -> type:
    """Returns the class, which scikit-learn's own classes are bases of.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.base import BaseEstimator, ClassifierMixin
    except ImportError as error:
        raise MissingExtraError(
            "DigitClassifier needs scikit-learn, which is not installed; run: pip install "
            '"inkdigits[sklearn]"'
        ) from error
    bases = (TileEstimator, ClassifierMixin, BaseEstimator)
    # Pickling finds the class by its module and name.
    content = {"__module__": __name__, "__doc__": TileEstimator.__doc__}
    return type("DigitClassifier", bases, content)


def _flatten(images: Any) -> Any:
    """Returns images of shape (n, height, width) as (n, height · width); others as they are."""
    if isinstance(images, np.ndarray) and images.ndim == 3:
        return images.reshape(len(images), -1)
    return images


def _build_averages(side: int, size: int) -> NDArray[np.float64]:
    """Returns the matrix that resizes `side` pixels to `size`, each the mean of what it covers."""
    edges = np.arange(size + 1) * side / size
    starts = np.maximum(edges[:-1, np.newaxis], np.arange(side))
    ends = np.minimum(edges[1:, np.newaxis], np.arange(side) + 1)
    return np.asarray(np.maximum(ends - starts, 0) * size / side)


@contextlib.contextmanager
def _random_state_kept() -> Iterator[None]:
    """Restores the random generators of the process, which Keras seeds."""
    state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
