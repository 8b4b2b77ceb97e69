"""The classes of marks that the reader distinguishes."""

from __future__ import annotations

from typing import Final

DIGITS: Final = tuple("0123456789")
MARK_KINDS: Final = ("point", "comma", "dash", "slash", "plus", "other")
"""Kinds of marks that are not digits, in class order; "other" is any other sign."""

CLASS_NAMES: Final = (*DIGITS, *MARK_KINDS)
"""Class names of the reader; the index of a name is its class."""

POINT, COMMA, DASH, SLASH, PLUS, OTHER = range(len(DIGITS), len(CLASS_NAMES))
N_CLASSES: Final = len(CLASS_NAMES)
NO_MARK: Final = N_CLASSES
"""Index of the probability that a box contains no mark, part of a mark, or several marks."""

CHARACTERS: Final = {POINT: ".", COMMA: ",", DASH: "-", SLASH: "/", PLUS: "+"}
"""Characters for the marks that are not digits, in a text."""
