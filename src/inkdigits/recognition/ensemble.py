"""Several judgements that count as one: of several networks, or of a tile in several places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.recognition.calibration import calibrate, keep_digits
from inkdigits.recognition.card import LABELS
from inkdigits.recognition.recognizer import Recognizer


class MeanNetwork:
    """The mean of several networks' calibrated probabilities (Hansen and Salamon, 1990)."""

    def __init__(self, members: Sequence[Recognizer]) -> None:
        """Takes the networks of recognizers whose labels are the same."""
        self._members = members

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Network.__call__`."""
        shares = [
            calibrate(member.network(tiles), member.card.temperature) for member in self._members
        ]
        return np.asarray(np.mean(shares, axis=0, dtype=np.float64), np.float32)


class ShiftedNetwork:
    """The mean of a network's calibrated probabilities over shifts of the tile by one pixel."""

    def __init__(self, member: Recognizer) -> None:
        """Takes the network of a recognizer."""
        self._member = member

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Network.__call__`."""
        padded = np.pad(tiles, ((0, 0), (1, 1), (1, 1)))
        height, width = tiles.shape[1:]
        shares = [
            calibrate(
                self._member.network(
                    np.ascontiguousarray(padded[:, row : row + height, column : column + width])
                ),
                self._member.card.temperature,
            )
            for row in range(3)
            for column in range(3)
        ]
        return np.asarray(np.mean(shares, axis=0, dtype=np.float64), np.float32)


class DigitNetwork:
    """A network without its output for what is no digit."""

    def __init__(self, member: Recognizer) -> None:
        """Takes the network of a recognizer."""
        self._member = member

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Network.__call__`, always of shape (n, 10)."""
        return keep_digits(self._member.network(tiles))


def combine(members: Sequence[Recognizer]) -> Recognizer:
    """Makes one recognizer of several, which takes the mean of their probabilities.

    Args:
        members: At least one. Where only some of them know what is no digit, none is asked.

    Returns:
        A recognizer whose card names the members, and whose figures are none.

    Raises:
        UsageError: There is no member.
    """
    if not members:
        raise UsageError("an ensemble of no models cannot read: name at least one")
    if len({member.card.labels for member in members}) > 1:
        members = [
            Recognizer(
                DigitNetwork(member),
                replace(member.card, labels=LABELS, refusal_threshold=0.0),
                limits=member.limits,
            )
            for member in members
        ]
    cards = [member.card for member in members]
    names = [f"{card.recipe.get('name')}-{card.seed}" for card in cards]
    card = replace(
        cards[0],
        recipe={"name": "ensemble", "members": names},
        figures={},
        temperature=1.0,
        refusal_threshold=float(np.mean([card.refusal_threshold for card in cards])),
    )
    return Recognizer(MeanNetwork(members), card, limits=members[0].limits)


def add_shifts(member: Recognizer) -> Recognizer:
    """Makes a recognizer judge each tile in nine places: as it is, and one pixel off each way.

    Reading takes nine times as long. Such test-time augmentation goes back to Krizhevsky et al.
    (2012), who took the mean over crops of a picture.

    Args:
        member: What judges.

    Returns:
        A recognizer with the same card, but for its temperature, which is already applied.
    """
    card = replace(member.card, temperature=1.0)
    return Recognizer(ShiftedNetwork(member), card, limits=member.limits)
