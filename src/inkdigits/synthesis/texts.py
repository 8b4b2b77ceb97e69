"""Texts of drawn pages: numbers as people write them, words, letters and signs."""

from __future__ import annotations

from typing import Final

import numpy as np

SIGNS: Final = "=×÷:%#*~<>[]{}€£@&?!()"
LETTERS: Final = "ACEFHJKLMNPRTUVWXYacdefhkmnprtvwx"
"""Letters that do not resemble a digit when they stand alone; O, l, S and others are left out."""
_WORDS: Final = (
    "total name date amount number account street city score time meter phone zip code page "
    "class student teacher hello world test grade room order invoice price qty sum yes no from "
    "to and in Januar Februar Mai Juni Juli August September Oktober November December marzo "
    "abril enero pesos euros dollars nombre fecha firma cuenta importe folio libro parish born "
    "died married Anna Maria Johan Peter Lars Karl Jens Niels Carlos Juan apples bananas milk "
    "bread box kg cm Rue de la Paix Strasse gate weight length solve find value equals plus "
    "minus over answer Marts April Maj Septbr Decbr m mm ml km h min Nr No fol"
)
WORDS: Final = tuple(_WORDS.split())
"""Words beside the numbers of forms, registers, school books and shopping lists."""


def compose_number(random: np.random.Generator) -> str:
    """Returns a random number as people write it: plain, an amount, a date, a meter reading, a sum.

    Args:
        random: Random number generator.
    """

    def digits(low: int, high: int) -> str:
        n = int(random.integers(low, high + 1))
        drawn = random.integers(0, 10, n)
        if random.random() < 0.5:  # the first digits of amounts and counts (Benford, 1938)
            drawn[0] = int(10 ** random.random())
        for index in range(1, n):
            if random.random() < 0.1:  # equal digits touch, and are hard to count
                drawn[index] = drawn[index - 1]
        text = "".join(str(d) for d in drawn)
        if random.random() < 0.2:  # round numbers, because zeros in a row often touch
            zeros = int(random.integers(1, n + 1))
            text = text[: n - zeros] + "0" * zeros
        return text

    kind = random.choice(6, p=(0.42, 0.28, 0.06, 0.08, 0.08, 0.08))
    if kind == 0:
        return digits(1, 8)
    if kind == 1:
        text = digits(3, 6)
        if len(text) > 3 and random.random() < 0.75:
            text = text[:-3] + str(random.choice([".", ".", ".", ",", " "])) + text[-3:]
        ends = ["", "", ".", ",", "-", "—", ".-", ",-", " -", "=", ".=", ",00", ".00", " .", ".--"]
        return str(random.choice(["", "", "", "$", "-", "="])) + text + str(random.choice(ends))
    if kind == 2:
        mark = str(random.choice([".", ".", "-", "-", "/"]))
        return mark.join((digits(1, 2), digits(1, 2), digits(2, 4)))
    if kind == 3:
        return digits(1, 4) + str(random.choice([".", ","])) + digits(1, 3)
    if kind == 4:
        return digits(1, 3) + str(random.choice([".", ".", ")", ":", "°", "'"]))
    operations = ["+", "-", "×", "÷", "/", "*", "x"]
    unknowns = ["", "", "", "", "x", "n"]  # as in 4x + 5 = 21
    parts = [digits(1, 2) + str(random.choice(unknowns))]
    for _ in range(int(random.integers(1, 4))):
        parts += [str(random.choice(operations)), digits(1, 2)]
    if random.random() < 0.6:
        parts += ["=", digits(1, 3)]
    return (" " if random.random() < 0.5 else "").join(parts)
