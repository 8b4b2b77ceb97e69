"""Suggestions for misspelt names, for error messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

_MIN_SIMILARITY: Final = 0.7
"""Minimum ratio of `difflib`, 0 to 1. At its default of 0.6, "quiet" resembles "suite"."""

_MIN_BEGINNING: Final = 3
"""Minimum number of characters for a name to count as the beginning of another one."""

_MOST: Final = 3
"""Maximum number of suggestions."""


def find_nearest(name: str, known: Iterable[str]) -> list[str]:
    """Returns the known names that a user may have meant: none, or up to three.

    Case, dashes and underscores do not matter. Names that differ only in their digits are not
    suggested: someone who asks for `3.png` does not mean `5.png`.

    Args:
        name: The unknown name.
        known: All valid names.

    Examples:
        >>> find_nearest("trian", ["train", "evaluate"])
        ['train']
    """
    import difflib  # takes time to load, and only errors need it

    wanted = _simplify(name)
    originals: dict[str, str] = {}
    for other in known:
        simple = _simplify(other)
        if simple == wanted or _without_digits(simple) != _without_digits(wanted):
            originals.setdefault(simple, other)
    similar = difflib.get_close_matches(wanted, originals, _MOST, _MIN_SIMILARITY)
    longer = [
        simple
        for simple in originals
        if len(wanted) >= _MIN_BEGINNING and simple.startswith(wanted) and simple not in similar
    ]
    if len(similar) + len(longer) <= _MOST:  # the beginning of many names says nothing
        similar += longer
    return [originals[simple] for simple in similar]


def ask_for(names: Sequence[str]) -> str:
    """Returns a question such as "did you mean 'train' or 'data'?"."""
    return f"did you mean {' or '.join(map(repr, names))}?"


def describe_unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Describes a name that is not among the known ones.

    Args:
        kind: What the name stands for, such as "command".
        name: The unknown name.
        known: All valid names.

    Returns:
        A message such as "unknown command 'trian': did you mean 'train'?".
    """
    known = list(known)
    nearest = find_nearest(name, known)
    hint = ask_for(nearest) if nearest else f"expected one of {', '.join(known)}"
    return f"unknown {kind} {name!r}: {hint}"


def _simplify(name: str) -> str:
    return re.sub(r"[-_]", "", name).casefold()


def _without_digits(name: str) -> str:
    return re.sub(r"\d", "", name)
