"""Taking times in turn, so that whatever else the machine does slows everyone alike."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from inkdigits.errors import InkdigitsError

# Frameworks leave their threads spinning for a while after each call, on cores that the next one
# needs.
REST_S = 0.05


def time_in_turn(
    contenders: Mapping[str, Callable[[], object]],
    *,
    n_turns: int,
    n_calls: int = 1,
    n_warming: int = 1,
    rest_s: float = REST_S,
) -> dict[str, tuple[float, ...]]:
    """Calls everyone in turn, A B A B …, and takes the time of each call.

    Args:
        contenders: Name to what is called.
        n_turns: How often each has its turn.
        n_calls: Calls of each in one turn, each timed.
        n_warming: Calls of each that are not timed, at the start of every turn of several calls,
            otherwise before the first turn alone.
        rest_s: Seconds of silence before each turn of each.

    Returns:
        Name to the seconds of each timed call, in order.
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


def run_process(command: Sequence[str | Path], *, cwd: Path | None = None) -> str:
    """Runs a process to its end and gives what it printed.

    Raises:
        InkdigitsError: It did not end well.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    # Programs start from compiled modules wherever that was not switched off.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    ended = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        reason = (ended.stderr.strip() or "no message").splitlines()[-1]
        words = " ".join(" ".join(map(str, command)).split())
        raise InkdigitsError(
            f"a process ended with status {ended.returncode} ({reason[:200]}), expected 0: to see "
            f"why, run it by hand: {words[:400]}"
        )
    return ended.stdout
