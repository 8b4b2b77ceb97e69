"""`DigitClassifier` is an estimator of scikit-learn.

`measurements/estimator_checks.py` runs all checks of scikit-learn, which take minutes.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import inkdigits
from inkdigits import DigitClassifier
from inkdigits.data import Mnist
from inkdigits.errors import RecipeError, UsageError
from inkdigits.training.fit.digit_classifier import _build_averages


@pytest.fixture(scope="module")
def fitted(mnist: Mnist) -> DigitClassifier:
    few = mnist.train.take(np.arange(3_000))
    classifier = DigitClassifier("smoke", epochs=3, random_state=0)
    assert classifier.fit(few.images.reshape(-1, 784), few.labels) is classifier
    return classifier


def test_it_learns_digits(fitted: DigitClassifier, mnist: Mnist) -> None:
    held_out = mnist.train.images[-500:]
    labels = mnist.train.labels[-500:]

    assert fitted.score(held_out.reshape(-1, 784), labels) > 0.8
    probabilities = fitted.predict_proba(held_out)  # of shape (n, 28, 28)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (fitted.predict(held_out) == probabilities.argmax(axis=1)).all()
    assert fitted.n_features_in_ == 784
    assert len(fitted.history_) == 3


def test_classifying_changes_nothing(fitted: DigitClassifier, mnist: Mnist) -> None:
    before = {name: id(value) for name, value in vars(fitted).items()}

    fitted.predict(mnist.test.images[:2])

    assert {name: id(value) for name, value in vars(fitted).items()} == before


def test_probabilities_hardly_depend_on_the_batch(fitted: DigitClassifier, mnist: Mnist) -> None:
    """They differ by rounding, which two checks of scikit-learn do not allow for."""
    images = mnist.test.images[:30]
    whole = fitted.predict_proba(images)

    one_by_one = np.concatenate([fitted.predict_proba(image[np.newaxis]) for image in images])
    np.testing.assert_allclose(one_by_one, whole, atol=1e-6)
    np.testing.assert_allclose(fitted.predict_proba(images[::-1]), whole[::-1], atol=1e-6)


def test_it_survives_pickling(fitted: DigitClassifier, mnist: Mnist) -> None:
    few = mnist.test.images[:20]

    again = pickle.loads(pickle.dumps(fitted))

    np.testing.assert_array_equal(again.predict_proba(few), fitted.predict_proba(few))


def test_clones_are_unfitted_and_pipelines_set_its_settings(fitted: DigitClassifier) -> None:
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(np.zeros((1, 784)))

    pipeline = make_pipeline(FunctionTransformer(), copy)
    pipeline.set_params(digitclassifier__learning_rate=0.5)
    assert copy.learning_rate == 0.5


def test_small_images_with_names_and_the_same_seed() -> None:
    """The digits of 8 × 8 pixels that come with scikit-learn, called by words."""
    from sklearn.datasets import load_digits

    digits = load_digits(n_class=3)
    words = np.array(["zero", "one", "two"])[digits.target]
    state = np.random.get_state(legacy=False)["state"]["key"]

    one, two = (
        DigitClassifier("smoke", epochs=3, batch_size=32, random_state=7).fit(digits.data, words)
        for _ in range(2)
    )

    assert list(one.classes_) == ["one", "two", "zero"]
    assert one.score(digits.data, words) > 0.95
    np.testing.assert_array_equal(one.predict_proba(digits.data), two.predict_proba(digits.data))
    np.testing.assert_array_equal(np.random.get_state(legacy=False)["state"]["key"], state)


@pytest.mark.parametrize(("side", "size"), [(8, 28), (28, 28), (56, 28), (3, 2)])
def test_resizing_keeps_the_mean(side: int, size: int) -> None:
    row = np.random.default_rng(0).random(side)

    resized = _build_averages(side, size) @ row

    assert resized.mean() == pytest.approx(row.mean())
    if side % size == 0:
        np.testing.assert_allclose(resized, row.reshape(size, -1).mean(axis=1))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"recipe": "quik"}, RecipeError, "quick"),
        ({"recipe": "reader"}, UsageError, "reads whole pictures"),
        ({"recipe": "dropout"}, UsageError, "stops early"),
        ({"recipe": "smoke", "epochs": 0}, RecipeError, "epochs"),
    ],
)
def test_invalid_settings(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        DigitClassifier(**settings).fit(np.eye(4), [0, 1, 0, 1])


def test_more_classes_than_digits() -> None:
    labels = np.repeat(np.arange(12), 2)
    stripes = np.kron(np.eye(12), np.full((1, 12), 255))  # 12 × 12 pixels, one row of them white

    fitted = DigitClassifier("smoke", epochs=1, batch_size=8).fit(stripes[labels], labels)

    assert fitted.predict_proba(stripes).shape == (12, 12)
    with pytest.raises(UsageError, match="y has 257 classes: expected at most 256"):
        DigitClassifier("smoke").fit(np.eye(2)[np.arange(514) % 2], np.repeat(np.arange(257), 2))
    assert inkdigits.DigitClassifier is DigitClassifier
