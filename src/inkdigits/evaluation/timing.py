"""Measures competitors in turn, so that other load on the machine slows all of them equally."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

# Pause in seconds. The threads of some frameworks keep spinning for a while after a call, on cores
# that the next competitor needs.
REST_S = 0.05


def time_in_turn(
    contenders: Mapping[str, Callable[[], object]],
    *,
    n_turns: int,
    n_calls: int = 1,
    n_warming: int = 1,
    rest_s: float = REST_S,
) -> dict[str, tuple[float, ...]]:
    """Calls all competitors in turn, A B A B …, and measures the time of each call.

    Args:
        contenders: Names to the functions to call.
        n_turns: Number of turns per competitor.
        n_calls: Number of timed calls per turn.
        n_warming: Number of calls without timing before the timed ones: in every turn if it has
            several timed calls, otherwise in the first turn only.
        rest_s: Pause in seconds before each turn of a competitor.

    Returns:
        Names to the seconds of the timed calls, in order.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(n_turns):
        for name, call in contenders.items():
            time.sleep(rest_s)
            for _ in range(n_warming if n_calls > 1 or turn == 0 else 0):
                call()
            for _ in range(n_calls):
                started = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - started)
    return {name: tuple(values) for name, values in seconds.items()}
