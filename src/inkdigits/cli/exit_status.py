"""Exit statuses of the program. Each has one meaning, in every command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OK: Final = 0
NO_DIGIT: Final = 1
USAGE: Final = 2
INPUT: Final = 3
OUTPUT: Final = 4
MISSING_EXTRA: Final = 5
FAULT: Final = 70
"""As `EX_SOFTWARE` of sysexits.h."""
INTERRUPTED: Final = 130
"""128 + SIGINT, as shells report it."""
BROKEN_PIPE: Final = 141
"""128 + SIGPIPE. A constant because Windows has no `signal.SIGPIPE`."""

MEANINGS: Final[Mapping[int, str]] = {
    OK: "done",
    NO_DIGIT: "done, but a picture shows no digit",
    USAGE: "wrong call: an unknown command or option, or an invalid value",
    INPUT: "a picture, data, a model or a run is missing, incomplete or damaged",
    OUTPUT: "an output exists already, or cannot be written",
    MISSING_EXTRA: "an optional dependency is not installed; the message names it",
    FAULT: "a fault in inkdigits itself; please report it",
    INTERRUPTED: "stopped by Ctrl-C, or training by SIGTERM",
    BROKEN_PIPE: "the program that reads the output has closed it, as head does",
}
"""What each exit status means, for the help and the docs. If several apply to the pictures of one
call, the highest is returned."""


def describe_statuses() -> str:
    """Returns a line for each exit status, for the end of the help."""
    return "\n".join(f"  {status:>3}  {meaning}" for status, meaning in MEANINGS.items())
