from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inkdigits.data import Mnist
from inkdigits.errors import DataFormatError
from inkdigits.evaluation.reviewed import RELABELLED, UNDECIDED, score_reviewed


def answer(digits: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities of one who is certain of these digits."""
    return np.eye(10, dtype=np.float32)[digits]


def test_who_says_what_the_labels_say_is_wrong_ten_times(mnist: Mnist) -> None:
    accuracy = score_reviewed(answer(mnist.test.labels), mnist.test.labels)
    assert accuracy == pytest.approx(1 - 10 / 9_995)


def test_who_says_what_people_say_is_right(mnist: Mnist) -> None:
    digits = mnist.test.labels.copy()
    for index, digit in RELABELLED.items():
        assert digits[index] != digit  # or it would be no correction
        digits[index] = digit
    for index in UNDECIDED:
        digits[index] = (digits[index] + 1) % 10  # whatever is said of these does not count
    assert score_reviewed(answer(digits), mnist.test.labels) == 1


def test_other_images_have_no_review() -> None:
    with pytest.raises(DataFormatError, match=r"\(20,\)"):
        score_reviewed(answer(np.zeros(20, np.uint8)), np.zeros(20, np.uint8))
