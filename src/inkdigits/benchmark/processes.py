"""Runs commands, for what is measured in processes of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from inkdigits.errors import InkdigitsError


def run_process(command: Sequence[str | Path], *, cwd: Path | None = None) -> str:
    """Runs a command, and returns what it printed on stdout.

    Raises:
        InkdigitsError: The exit status is not 0.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    # Users run Python with compiled modules, so they are used here even if switched off.
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
            f"a process ended with status {ended.returncode} ({reason[:200]}); expected 0: run it "
            f"by hand to see why: {words[:400]}"
        )
    return ended.stdout
