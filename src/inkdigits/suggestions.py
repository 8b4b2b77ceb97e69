"""Suggestions for misspelt names, for error messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def find_nearest(name: str, known: Iterable[str]) -> list[str]:
    """Returns the known names that are most similar to a name: none, or up to three."""
    import difflib  # takes time to load, and only errors need it

    return difflib.get_close_matches(name, list(known))


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
    nearest = find_nearest(name, known)
    hint = ask_for(nearest) if nearest else f"expected one of {', '.join(known)}"
    return f"unknown {kind} {name!r}: {hint}"
