from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ImageFont

from inkdigits.errors import MissingExtraError, UsageError
from inkdigits.evaluation import outliers
from inkdigits.evaluation.outliers import HELD_OUT_KINDS, compute_auroc, generate_held_out
from inkdigits.recognition.framing import is_framed

SCORES = st.lists(st.integers(0, 8).map(lambda step: step / 8), min_size=1, max_size=40)


@pytest.mark.parametrize("kind", HELD_OUT_KINDS)
def test_every_kind_gives_many_different_tiles(kind: str) -> None:
    tiles = generate_held_out(kind, 40, np.random.default_rng(0))
    assert tiles.shape == (40, 28, 28)
    assert tiles.dtype == np.uint8
    assert tiles.any(axis=(1, 2)).all()
    assert len(np.unique(tiles, axis=0)) >= 38
    assert np.mean([is_framed(tile) for tile in tiles]) > 0.8
    patterns = (tiles > 127).reshape(40, -1).astype(int)
    differences = (patterns[:, np.newaxis] != patterns).sum(axis=2)
    assert np.median(differences[~np.eye(40, dtype=bool)]) > 30


@pytest.mark.parametrize("kind", HELD_OUT_KINDS)
def test_every_kind_follows_from_the_chance_alone(kind: str) -> None:
    first = generate_held_out(kind, 3, np.random.default_rng(5))
    again = generate_held_out(kind, 3, np.random.default_rng(5))
    np.testing.assert_array_equal(again, first)
    other = generate_held_out(kind, 3, np.random.default_rng(6))
    assert np.any(other != first)


@pytest.mark.parametrize(
    ("characters", "fonts"),
    [
        (outliers._LETTERS, outliers._LETTER_FONTS),
        (outliers._SIGNS, (outliers._SIGN_FONT,)),
    ],
    ids=["letters", "signs"],
)
def test_the_fonts_have_every_character(characters: str, fonts: tuple[str, ...]) -> None:
    for name in fonts:
        font = ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), 40)
        missing = bytes(font.getmask("\U0010ffff"))
        lacking = [sign for sign in characters if bytes(font.getmask(sign)) == missing]
        assert not lacking, name
    assert len(set(characters)) == len(characters)


def test_no_character_looks_like_a_digit() -> None:
    characters = set(outliers._LETTERS) | set(outliers._SIGNS)
    assert not characters & set("BDGIOQSZbgijloqsuyzδξЗзЧчЭэ∃⊥0123456789")


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'cats' is no kind.*letters of fonts"):
        generate_held_out("cats", 1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("kind", "module"),
    [("letters of fonts", "matplotlib"), ("photographs", "sklearn.datasets")],
)
def test_what_is_not_installed_is_named(
    kind: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outliers._load_font.cache_clear()
    outliers._load_photographs.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match="pip install"):
        generate_held_out(kind, 1, np.random.default_rng(0))


@given(digits=SCORES, others=SCORES)
def test_auroc_is_that_of_scikit_learn(digits: list[float], others: list[float]) -> None:
    expected = sklearn.metrics.roc_auc_score(
        [1] * len(digits) + [0] * len(others), [*digits, *others]
    )
    assert compute_auroc(np.array(digits), np.array(others)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("digits", "others", "expected"),
    [
        ([0.9, 0.8], [0.1, 0.7], 1.0),
        ([0.1], [0.2, 0.3], 0.0),
        ([0.5, 0.5], [0.5], 0.5),
        ([0.9, 0.2], [0.5], 0.5),
        ([np.inf], [-np.inf], 1.0),
    ],
)
def test_auroc_of_clear_cases(digits: list[float], others: list[float], expected: float) -> None:
    assert compute_auroc(np.array(digits), np.array(others)) == expected


@pytest.mark.parametrize(
    ("digits", "others", "named"),
    [
        (np.zeros(0), np.ones(3), "digits"),
        (np.ones(3), np.zeros(0), "outliers"),
        (np.array([0.5, np.nan]), np.ones(3), "digits"),
        (np.ones((3, 1)), np.ones(3), "digits"),
    ],
)
def test_scores_that_cannot_be_compared_are_refused(
    digits: NDArray[np.float64], others: NDArray[np.float64], named: str
) -> None:
    with pytest.raises(UsageError, match=f"scores of the {named}"):
        compute_auroc(digits, others)
