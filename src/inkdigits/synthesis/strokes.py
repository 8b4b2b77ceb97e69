"""Hands that write digits and marks stroke by stroke, in forms that MNIST does not have.

A hand takes the skeletons of `inkdigits.synthesis.stroke_forms`, bends them by its habits, varies
them a little with every character, and draws them with its pen. Curves are Hermite splines whose
tangents weigh the neighbouring chords by their lengths (Catmull and Rom, 1974, for uneven chords).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.recognition.alphabet import CHARACTERS, DIGITS, OTHER
from inkdigits.synthesis.glyphs import GLYPH_HEIGHT, Glyph
from inkdigits.synthesis.stroke_forms import DIGIT_FORMS, FORMS
from inkdigits.synthesis.stroke_paths import Form
from inkdigits.synthesis.stroke_pens import Line, Pen, draw_ink

LABELS: Final[Mapping[str, int]] = (
    dict.fromkeys(FORMS, OTHER)
    | {character: label for label, character in CHARACTERS.items()}
    | {digit: int(digit) for digit in DIGITS}
)
"""The class of each character that a hand writes."""

_STEPS = 8
"""Line pieces per chord: at most about 3 pixels of ink each, which still looks round."""

_HEIGHT_DEVIATION = 0.04
_HEIGHT_LIMIT = 0.11
"""Deviation of a digit's height from `GLYPH_HEIGHT`, and its limit: within the contract's 15 %."""

_N_HABITS = 61
"""Number of persistent displacements of a hand; prime, so that forms share few of them."""


def _hermite() -> NDArray[np.float64]:
    """Returns the weights, shape (steps, 4), of start, end, and the tangents there."""
    t = np.arange(_STEPS) / _STEPS
    start = (1 + 2 * t) * (1 - t) ** 2
    return np.stack([start, 1 - start, t * (1 - t) ** 2, t**2 * (t - 1)], axis=1)


_HERMITE = _hermite()


@dataclass(frozen=True, eq=False)
class StrokeHand:
    """A person who writes digits and marks in strokes.

    Attributes:
        pen: What the hand writes with.
        forms: The preferred form of each character, as index into `FORMS`.
        second_forms: The form that it writes at other times.
        constancy: Probability of the preferred form.
        slant: Tangent of the angle by which characters lean to the right.
        aspect: Factor of the width of characters.
        roundness: Length of the tangents of curves, 1 for circles from round control points.
        softness: How far corners are rounded, from 0 (sharp) to 1.
        bend: Curvature of vertical lines, in heights of a digit.
        rise: Tangent of the angle at which horizontal lines rise.
        taper: How much wider characters are at the top than at the base line, as a fraction.
        variation: Standard deviation of control points from one writing to the next, in heights.
        tremor: Amplitude of shaking, in heights.
        entry: Length of the stroke that leads into a character, in heights.
        exit: Length of the stroke that leads out of it.
        gap: Distance between neighbouring characters of joined writing, in heights.
        zero_size: Height of zeros in joined writing, relative to other digits.
        mark_size: Factor of the size of marks.
        habits: complex128, shape (61,): persistent displacements of control points, in heights.
    """

    pen: Pen
    forms: Mapping[str, int]
    second_forms: Mapping[str, int]
    constancy: float
    slant: float
    aspect: float
    roundness: float
    softness: float
    bend: float
    rise: float
    taper: float
    variation: float
    tremor: float
    entry: float
    exit: float
    gap: float
    zero_size: float
    mark_size: float
    habits: Line

    @classmethod
    def draw(cls, random: np.random.Generator) -> StrokeHand:
        """Draws a hand: about a third of the 19th century, the others of today."""
        old = bool(random.random() < 0.35)
        # Schools mix: up to a third of a hand's forms come from the other one.
        mixing = random.random() * 0.3
        # Old hands slant by 15 to 40 degrees, as their copybooks ask; those of today by -10 to 30.
        slant = random.uniform(0.25, 0.85) if old else np.clip(random.normal(0.15, 0.2), -0.2, 0.6)
        angular = random.random()
        # A slanted digit is narrower across its strokes: a thick pen would close its rings.
        widest = 9.0 / (1 + 0.6 * max(0.0, float(slant)))
        return cls(
            pen=Pen.draw(random, old, widest),
            forms=_choose_forms(random, old, mixing),
            second_forms=_choose_forms(random, old, mixing),
            constancy=float(random.uniform(0.75, 0.97)),
            slant=float(slant),
            aspect=float(np.exp(np.clip(random.normal(-0.05 if old else 0.0, 0.17), -0.28, 0.4))),
            roundness=float(0.75 + 0.35 * angular),
            softness=float(random.uniform(0.0, 0.7) * angular),
            bend=float(random.normal(0, 0.04)),
            rise=float(random.normal(0.02, 0.05)),
            taper=float(random.normal(0, 0.12)),
            variation=float(random.uniform(0.006, 0.026)),
            # Old or tired people shake; most do not.
            tremor=float(random.uniform(0.003, 0.011)) if random.random() < 0.2 else 0.0,
            entry=float(random.uniform(0.03, 0.1)) if random.random() < 0.25 else 0.0,
            exit=float(random.uniform(0.03, 0.12)) if random.random() < 0.25 else 0.0,
            gap=float(random.uniform(0.0, 0.2)),
            zero_size=float(random.choice([1.0, random.uniform(0.5, 1.0)])),
            mark_size=float(np.exp(random.normal(0, 0.2))),
            habits=_normals(random, _N_HABITS) * random.uniform(0.01, 0.036),
        )

    def write(self, character: str, random: np.random.Generator, form: str | None = None) -> Glyph:
        """Writes one character.

        Args:
            character: A digit or mark, a key of `LABELS`.
            random: Source of the variation.
            form: Name of the form to write it in; by default the hand chooses by habit.

        Returns:
            The glyph; a digit is `GLYPH_HEIGHT` high within 15 % and stands at top 0.

        Raises:
            UsageError: The character or the form is unknown.
        """
        lines = self._trace(character, self._form(character, random, form), random)
        ink, corner = draw_ink([(line, self.pen.widths(line)) for line in lines])
        top = 0.0 if character in DIGIT_FORMS else corner.imag / GLYPH_HEIGHT
        return Glyph(ink, top, LABELS[character])

    def write_joined(self, text: str, random: np.random.Generator) -> list[tuple[Glyph, float]]:
        """Writes characters that are tied to their neighbours, or touch them where no tie runs.

        Args:
            text: Digits and marks, keys of `LABELS`.
            random: Source of the variation.

        Returns:
            Each glyph, with its half of the ties, and the distance of its left edge from that of
            the leftmost ink, in pixels at `GLYPH_HEIGHT`. The tops of digits vary with the ties,
            and small zeros stand on the base line.

        Raises:
            UsageError: The text holds an unknown character.
        """
        characters: list[list[Line]] = []
        right = 0.0
        exit_line: Line | None = None
        for character in text:
            lines = self._trace(character, self._joining_form(character, random), random)
            if character == "0":
                size = self.zero_size * random.uniform(0.93, 1.0)
                lines = [size * line + 1j * GLYPH_HEIGHT * (1 - size) for line in lines]
            # Neighbours are spaced as if they stood upright: slanted boxes overlap.
            edges = [line.real + self.slant * (line.imag - GLYPH_HEIGHT) for line in lines]
            left = min(float(edge.min()) for edge in edges)
            width = max(float(edge.max()) for edge in edges) - left
            gap = self.pen.width + GLYPH_HEIGHT * (self.gap + random.normal(0, 0.03))
            placed = [line + (right + gap - left) for line in lines]
            if exit_line is not None and (character in DIGIT_FORMS or character == "-"):
                tie = _tie(exit_line, placed[0])
                if tie is None and random.random() < 0.5:
                    # Neighbours without a tie touch each other in half of the cases.
                    gap = GLYPH_HEIGHT * random.uniform(-0.08, 0.02)
                    placed = [line + (right + gap - left) for line in lines]
                if tie is not None:
                    middle = len(tie) // 2
                    characters[-1][-1] = np.concatenate([characters[-1][-1], tie[: middle + 1]])
                    placed[0] = np.concatenate([tie[middle:], placed[0]])
            right += gap + width
            characters.append(placed)
            tieable = character in DIGIT_FORMS and _ends_on_the_right(placed)
            exit_line = placed[-1] if tieable else None
        written: list[tuple[Glyph, float]] = []
        for character, placed in zip(text, characters, strict=True):
            ink, corner = draw_ink([(line, self.pen.widths(line)) for line in placed])
            glyph = Glyph(ink, corner.imag / GLYPH_HEIGHT, LABELS[character])
            written.append((glyph, corner.real))
        start = min((x for _, x in written), default=0.0)
        return [(glyph, x - start) for glyph, x in written]

    def _form(self, character: str, random: np.random.Generator, name: str | None) -> Form:
        """Returns the named form of a character, or the one that habit chooses."""
        forms = FORMS.get(character)
        if forms is None:
            known = " ".join(FORMS)
            raise UsageError(f"cannot write {character!r} in strokes: expected one of {known}")
        if name is None:
            habit = self.forms if random.random() < self.constancy else self.second_forms
            return forms[habit[character]]
        for form in forms:
            if form.name == name:
                return form
        names = ", ".join(form.name for form in forms)
        raise UsageError(f"no form {name!r} of {character!r}: expected one of {names}")

    def _joining_form(self, character: str, random: np.random.Generator) -> Form:
        """Returns a form for joined writing: mostly one that ends where the next one begins."""
        form = self._form(character, random, None)
        tied = [other for other in FORMS[character] if other.tied]
        if not tied or form.tied or random.random() > 0.7:
            return form
        # A hand ties a digit in one way throughout; ties on the base line, last in the table, are
        # rarer than those on top.
        choice = int(abs(self.habits[0].real) * 1e6) % (2 * len(tied) - 1)
        return tied[choice // 2]

    def _trace(self, character: str, form: Form, random: np.random.Generator) -> list[Line]:
        """Returns the middle lines of the strokes, in pixels at `GLYPH_HEIGHT`.

        Digits start at x = 0 and reach, with the width of the pen, from about y = 0 to
        `GLYPH_HEIGHT`; marks are placed as the hand places them beside digits.
        """
        strokes = form.strokes
        points = strokes.points
        count = len(points)
        is_digit = character in DIGIT_FORMS
        # Marks are small: the same displacement would bend them more.
        scale = 1.0 if is_digit else 0.5
        first = ord(character) * 7 % (_N_HABITS - count) if count < _N_HABITS else 0
        points = points + scale * self.habits[first : first + count]
        points = points + scale * self.variation * _normals(random, count)
        jitter = random.standard_normal(4)
        below = points.imag - 0.5
        middle = float(strokes.points.real.mean())
        factor = (self.aspect + 0.03 * jitter[0]) * (1 - self.taper * below)
        x = (points.real - middle) * factor + self.bend * (1 - 4 * below**2)
        y = points.imag - (self.rise + 0.02 * jitter[1]) * (points.real - middle)
        # Signs that lean by themselves, or would be mistaken for a 1, follow the slant by half.
        slant = self.slant * (0.5 if character in "/():" else 1.0) + 0.025 * jitter[2]
        x = x - slant * (y - 1)
        lines = self._curves(form, x + 1j * y)
        if self.tremor:
            lines = [line + self.tremor * _shaking(random, len(line)) for line in lines]
        if self.entry or self.exit:
            lines = self._with_flourishes(lines, is_digit, random)
        pen = self.pen.width
        if not is_digit:
            # Distances to the base line stay: a large point still stands on it.
            size = self.mark_size * GLYPH_HEIGHT
            anchor = 0.96j if character in ".," else 0.5j
            return [(line - anchor) * size + anchor * GLYPH_HEIGHT for line in lines]
        top = min(float(line.imag.min()) for line in lines)
        bottom = max(float(line.imag.max()) for line in lines)
        left = min(float(line.real.min()) for line in lines)
        deviation = float(np.clip(jitter[3] * _HEIGHT_DEVIATION, -_HEIGHT_LIMIT, _HEIGHT_LIMIT))
        size = (GLYPH_HEIGHT * (1 + deviation) - 0.9 * pen) / (bottom - top)
        # The middle of the digit stays on the middle of the line of writing.
        origin = complex(left * size, top * size - pen / 2 + deviation * GLYPH_HEIGHT / 2)
        return [line * size - origin for line in lines]

    def _curves(self, form: Form, points: Line) -> list[Line]:
        """Returns the curve of each stroke through its control points."""
        strokes = form.strokes
        chords = np.diff(points)
        lengths = np.abs(chords) + 1e-9
        directions = chords / lengths
        length_in, length_out = lengths[strokes.chord_in], lengths[strokes.chord_out]
        arriving, leaving = directions[strokes.chord_in], directions[strokes.chord_out]
        tangents = arriving * length_out + leaving * length_in
        tangents /= np.abs(tangents) + 1e-9
        sharp = strokes.corners * (1 - self.softness)
        starts = (tangents + sharp * (leaving - tangents))[:-1] * (lengths * self.roundness)
        ends = (tangents + sharp * (arriving - tangents))[1:] * (lengths * self.roundness)
        samples = (_HERMITE @ np.stack([points[:-1], points[1:], starts, ends])).T
        return [
            np.append(samples[first:last].ravel(), points[last]) for first, last in strokes.spans
        ]

    def _with_flourishes(
        self, lines: list[Line], is_digit: bool, random: np.random.Generator
    ) -> list[Line]:
        """Adds the strokes that lead into and out of a character."""
        if not is_digit:
            return lines
        steps = np.arange(1, 5) / 4
        curls = random.uniform(-0.9, 0.9, 2)
        lines = list(lines)
        if self.entry:
            first = lines[0]
            back = first[0] - first[2]
            back = back / (abs(back) + 1e-9) * self.entry
            lead = first[0] + back * steps * np.exp(1j * curls[0] * steps)
            lines[0] = np.concatenate([lead[::-1], first])
        if self.exit:
            last = lines[-1]
            on = last[-1] - last[-3]
            on = on / (abs(on) + 1e-9) * self.exit
            lines[-1] = np.concatenate(
                [last, last[-1] + on * steps * np.exp(1j * curls[1] * steps)]
            )
        return lines


def _choose_forms(random: np.random.Generator, old: bool, mixing: float) -> dict[str, int]:
    """Draws the form of each character, by how common it is in the hand's school."""
    chosen = {}
    for (character, forms), drawn in zip(FORMS.items(), random.random(len(FORMS)), strict=True):
        own = [form.old if old else form.modern for form in forms]
        other = [form.modern if old else form.old for form in forms]
        shares = np.cumsum((1 - mixing) * np.array(own) + mixing * np.array(other))
        chosen[character] = int(np.searchsorted(shares, drawn * shares[-1], side="right"))
    return chosen


def _normals(random: np.random.Generator, count: int) -> Line:
    """Draws complex normal numbers, of standard deviation 1 in each part."""
    parts = random.standard_normal((2, count))
    return np.asarray(parts[0] + 1j * parts[1])


def _shaking(random: np.random.Generator, count: int) -> Line:
    """Draws the displacements of a shaking pen along a line: they change within some points."""
    knots = _normals(random, count // 3 + 2)
    return np.interp(np.arange(count) / 3, np.arange(len(knots)), knots)


def _ends_on_the_right(lines: list[Line]) -> bool:
    """Whether a character ends in its right half, from where a tie may lead on."""
    reals = np.concatenate(lines).real
    left, right = float(reals.min()), float(reals.max())
    return float(lines[-1][-1].real) > left + 0.55 * (right - left)


def _tie(before: Line, after: Line) -> Line | None:
    """Returns the line that joins the end of a stroke to the start of another, if one may run.

    A tie runs about on the level: a long way up or down would look like a stroke of its own, and
    make, say, a B of a 3.
    """
    start, end = complex(before[-1]), complex(after[0])
    way = (end - start) / GLYPH_HEIGHT
    if not (-0.15 < way.real < 1.0 and -0.5 < way.imag < 0.3):
        return None
    leaving, arriving = before[-1] - before[-4], after[3] - after[0]
    length = abs(end - start)
    leaving, arriving = (length * step / (abs(step) + 1e-9) for step in (leaving, arriving))
    samples = _HERMITE @ np.array([start, end, leaving, arriving])
    return np.asarray(samples[1:])
