from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import ImageFont

from inkdigits.errors import MissingExtraError, UsageError
from inkdigits.recognition.framing import is_framed
from inkdigits.synthesis import held_out_marks
from inkdigits.synthesis.held_out_marks import HELD_OUT_KINDS, generate_held_out


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
        (held_out_marks._LETTERS, held_out_marks._LETTER_FONTS),
        (held_out_marks._SIGNS, (held_out_marks._SIGN_FONT,)),
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
    characters = set(held_out_marks._LETTERS) | set(held_out_marks._SIGNS)
    assert not characters & set("BDGIOQSZbgijloqsuyzδξЗзЧчЭэ∃⊥0123456789")


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"marks 'cats': expected.*letters of fonts"):
        generate_held_out("cats", 1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("kind", "module"),
    [("letters of fonts", "matplotlib"), ("photographs", "sklearn.datasets")],
)
def test_what_is_not_installed_is_named(
    kind: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out_marks._load_font.cache_clear()
    held_out_marks._load_photographs.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match="pip install"):
        generate_held_out(kind, 1, np.random.default_rng(0))
