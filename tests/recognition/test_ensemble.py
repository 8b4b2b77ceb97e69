from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import LabelledImages
from inkdigits.errors import UsageError
from inkdigits.recognition import Recognizer, add_shifts, combine
from inkdigits.recognition.calibration import calibrate, keep_digits
from inkdigits.recognition.card import LABELS, NONE
from inkdigits.training import Run


@pytest.fixture(scope="module")
def members(smoke_run: Run) -> tuple[Recognizer, Recognizer]:
    """A network of ten outputs and one of eleven."""
    return Recognizer.load(smoke_run.folder), Recognizer.load()


def with_temperature(recognizer: Recognizer, temperature: float) -> Recognizer:
    card = replace(recognizer.card, temperature=temperature)
    return Recognizer(recognizer.network, card)


def test_an_ensemble_returns_the_mean_of_calibrated_probabilities(
    members: tuple[Recognizer, Recognizer], test_slice: LabelledImages
) -> None:
    tiles = test_slice.images[:50]
    coarse, fine = with_temperature(members[0], 3), with_temperature(members[0], 0.5)
    raw = members[0].network(tiles)
    expected: NDArray[np.float64] = (calibrate(raw, 3) + calibrate(raw, 0.5).astype(float)) / 2

    both = combine([coarse, fine])

    np.testing.assert_allclose(both.classify(tiles), expected, atol=1e-6)
    assert both.card.recipe == {"name": "ensemble", "members": ["smoke-0", "smoke-0"]}


def test_a_not_a_digit_class_that_only_some_members_have_is_not_used(
    members: tuple[Recognizer, Recognizer], test_slice: LabelledImages
) -> None:
    tiles = test_slice.images[:50]
    both = combine(members)
    shares = [
        keep_digits(calibrate(keep_digits(m.network(tiles)), m.card.temperature)) for m in members
    ]
    np.testing.assert_allclose(both.classify(tiles), np.mean(shares, axis=0), atol=1e-6)
    assert both.card.labels == LABELS
    assert both.card.refusal_threshold == 0


def test_a_not_a_digit_class_that_all_members_have_is_used(
    members: tuple[Recognizer, Recognizer],
) -> None:
    both = combine([members[1], members[1]])
    assert both.card.labels == (*LABELS, NONE)
    assert both.card.refusal_threshold == pytest.approx(members[1].card.refusal_threshold)


def test_an_empty_ensemble_is_rejected() -> None:
    with pytest.raises(UsageError, match="at least one model"):
        combine([])


def test_shifts_move_the_tile_by_up_to_one_pixel(
    members: tuple[Recognizer, Recognizer], test_slice: LabelledImages
) -> None:
    tiles = np.pad(test_slice.images[:40, 1:-1, 1:-1], ((0, 0), (1, 1), (1, 1)))  # may be rolled
    member = with_temperature(members[0], 2)
    rolled = [np.roll(tiles, (y, x), (1, 2)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    expected = np.mean([member.classify(moved) for moved in rolled], axis=0)

    shifted = add_shifts(member)

    np.testing.assert_allclose(shifted.classify(tiles), expected, atol=1e-6)
    assert np.abs(shifted.classify(tiles) - member.classify(tiles)).max() > 0.01
    assert shifted.card.figures == member.card.figures


def test_shifts_keep_the_not_a_digit_class(
    members: tuple[Recognizer, Recognizer], test_slice: LabelledImages
) -> None:
    shifted = add_shifts(members[1])
    assert shifted.network(test_slice.images[:3]).shape == (3, 11)
    assert shifted.read(test_slice.images[0]).text == str(test_slice.labels[0])
