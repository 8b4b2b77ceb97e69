from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from inkdigits.evaluation.lockstep import SHEET_SIZE, Measurement, Picture, PictureSet, measure
from inkdigits.evaluation.suite_result import PictureRow
from inkdigits.recognition import Recognizer

N = 400


def measure_numbers(
    recognizer: Recognizer, answer: Callable[[int, int], str], *, n_rows: int = 1
) -> Measurement:
    """Two models on pictures whose first pixel is their number, which is what is written.

    `answer` takes the number of the model and of the picture.
    """
    models = [recognizer, recognizer.adapt()]

    def read(model: Recognizer, pictures: Sequence[Picture]) -> list[tuple[str, float]]:
        numbers = [int(np.asarray(picture).flat[0]) for picture in pictures]
        return [(answer(models.index(model), number), 0.5) for number in numbers]

    rows = tuple(
        PictureRow(
            f"row {row}",
            N // n_rows,
            [(np.array([[n]], np.uint16), str(n)) for n in range(row, N, n_rows)],
        )
        for row in range(n_rows)
    )
    return measure(PictureSet("numbers", "numbers", rows, read), models, lambda done, n: None)


def test_all_models_read_the_same_pictures(read_always: Callable[..., Recognizer]) -> None:
    measured = measure_numbers(read_always(1), lambda model, n: str(n + model), n_rows=4)

    assert len(measured.pictures) == N
    for picture in measured.pictures:
        first, second = picture.answers
        assert (first.text, first.is_right) == (picture.true, True)
        assert (second.text, second.is_right) == (str(int(picture.true) + 1), False)
    assert Counter(picture.row for picture in measured.pictures) == {
        f"row {row}": N // 4 for row in range(4)
    }
    assert [len(times) for times in measured.seconds] == [32, 32]  # eight of each row


def test_a_sheet_shows_pictures_that_decide_between_models_first(
    read_always: Callable[..., Recognizer],
) -> None:
    """Ten pictures are read correctly by one model, forty wrongly by both."""

    def answer(model: int, number: int) -> str:
        if number < 10:
            return str(number) if model else "x"
        return f"{model}" if number < 50 else str(number)

    shown = measure_numbers(read_always(1), answer).shown

    assert len(shown) == SHEET_SIZE
    assert {int(picture.true) for picture, _ in shown[:10]} == set(range(10))
    assert all(10 <= int(picture.true) < 50 for picture, _ in shown[10:])


def test_a_sheet_is_a_sample_of_all_disputed_pictures(
    read_always: Callable[..., Recognizer],
) -> None:
    shown = measure_numbers(read_always(1), lambda model, n: str(n) if model else "x").shown

    numbers = [int(picture.true) for picture, _ in shown]
    assert len(set(numbers)) == SHEET_SIZE
    assert [int(np.asarray(pixels).flat[0]) for _, pixels in shown] == numbers
    assert min(numbers) < N // 4  # neither the first ones alone nor the last ones
    assert max(numbers) > 3 * N // 4
    assert not any(picture.answers[0].is_right for picture, _ in shown)
