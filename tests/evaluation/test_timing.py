from __future__ import annotations

import time

import pytest

from inkdigits.evaluation.timing import time_in_turn


@pytest.mark.parametrize(
    ("n_turns", "n_calls", "n_warming", "expected"),
    [
        (3, 1, 0, "ABABAB"),
        (3, 1, 1, "AABBABAB"),
        (2, 2, 1, "AAABBBAAABBB"),
        (1, 3, 0, "AAABBB"),
    ],
)
def test_each_in_its_turn(n_turns: int, n_calls: int, n_warming: int, expected: str) -> None:
    called: list[str] = []
    seconds = time_in_turn(
        {"A": lambda: called.append("A"), "B": lambda: called.append("B")},
        n_turns=n_turns,
        n_calls=n_calls,
        n_warming=n_warming,
        rest_s=0,
    )

    assert "".join(called) == expected
    assert {name: len(times) for name, times in seconds.items()} == {
        "A": n_turns * n_calls,
        "B": n_turns * n_calls,
    }


def test_time_is_that_of_the_call() -> None:
    seconds = time_in_turn(
        {"short": lambda: None, "long": lambda: time.sleep(0.03)}, n_turns=2, rest_s=0.01
    )

    assert max(seconds["short"]) < 0.03 <= min(seconds["long"])
