"""Ensembles: the mean over several networks, or over several shifts of a tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.recognition.calibration import calibrate, keep_digits
from inkdigits.recognition.recognizer import Recognizer


class MeanNetwork:
    """The mean of several networks' calibrated probabilities (Hansen and Salamon, 1990)."""

    def __init__(self, members: Sequence[Recognizer]) -> None:
        """Uses the networks of recognizers, which must have the same labels."""
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
        """Uses the network of a recognizer."""
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
    """A network without its not-a-digit class."""

    def __init__(self, member: Recognizer) -> None:
        """Uses the network of a recognizer."""
        self._member = member

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Network.__call__`, always without the not-a-digit class."""
        return keep_digits(self._member.network(tiles), self._member.card.n_classes)


def combine(members: Sequence[Recognizer]) -> Recognizer:
    """Combines several recognizers into one, which returns the mean of their probabilities.

    Args:
        members: At least one recognizer. If only some of them have a not-a-digit class, it is not
            used.

    Returns:
        A recognizer whose card lists the members and has no figures.

    Raises:
        UsageError: `members` is empty, or has members with different names of classes.
    """
    if not members:
        raise UsageError("an ensemble needs at least one model, got none")
    if len({member.card.class_names for member in members}) > 1:
        raise UsageError("the models of an ensemble have different classes: expected the same")
    if len({member.card.labels for member in members}) > 1:
        members = [
            Recognizer(
                DigitNetwork(member),
                replace(member.card, labels=member.card.class_labels, refusal_threshold=0.0),
                limits=member.limits,
                device=member.device,
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
    first = members[0]
    return Recognizer(MeanNetwork(members), card, limits=first.limits, device=first.device)


def add_shifts(member: Recognizer) -> Recognizer:
    """Adds test-time augmentation: each tile is classified at nine shifts of up to one pixel.

    Classification takes nine times as long. Test-time augmentation goes back to Krizhevsky et al.
    (2012), who used the mean over crops of a picture.

    Args:
        member: The recognizer to extend.

    Returns:
        A recognizer with the same reader and threshold. Its network for tiles classifies the
        digits, also if the reader classified them before. Its card is the same, except for the
        temperature, which is already applied.
    """
    card = replace(member.card, temperature=1.0)
    return member.adapt(network=ShiftedNetwork(member), card=card, judges_tiles=True)
