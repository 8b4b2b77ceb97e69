"""What a mark on a page can be: the classes that the reader tells apart."""

from __future__ import annotations

from typing import Final

DIGITS: Final = tuple("0123456789")
MARK_KINDS: Final = ("point", "comma", "dash", "slash", "plus", "other")
"""Kinds of marks that are not digits, in the order of their classes; "other" is any other sign."""

CLASS_NAMES: Final = (*DIGITS, *MARK_KINDS)
"""The name of each class of the reader; its index is the class."""

POINT, COMMA, DASH, SLASH, PLUS, OTHER = range(len(DIGITS), len(CLASS_NAMES))
N_CLASSES: Final = len(CLASS_NAMES)
NO_MARK: Final = N_CLASSES
"""Index of the probability that a box holds no mark, part of one, or several."""

CHARACTERS: Final = {POINT: ".", COMMA: ",", DASH: "-", SLASH: "/", PLUS: "+"}
"""How marks other than digits are written in a text."""
