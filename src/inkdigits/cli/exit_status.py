"""Exit statuses of the program."""

from typing import Final

OK: Final = 0
NO_DIGIT: Final = 1
"""At least one picture shows no digit."""
DATA_INCOMPLETE: Final = 1
"""`inkdigits data` finds files missing or damaged."""
ERROR: Final = 2
INTERRUPTED: Final = 130
"""Ctrl-C: 128 + SIGINT, as shells report it."""
BROKEN_PIPE: Final = 141
"""128 + SIGPIPE. A constant because Windows has no `signal.SIGPIPE`."""
