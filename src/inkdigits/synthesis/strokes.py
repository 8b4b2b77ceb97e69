"""Hands that write digits and marks stroke by stroke, in forms that MNIST does not have.

A hand takes the skeletons of `inkdigits.synthesis.stroke_forms`, displaces their points by its
habits, varies them slightly with every character, and draws them with its pen. Curves are Hermite
splines. Their tangents weight the neighbouring chords by length (Catmull and Rom, 1974, for uneven
chords).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import UsageError
from inkdigits.results.alphabet import CHARACTERS, DIGITS, OTHER
from inkdigits.synthesis.glyphs import GLYPH_HEIGHT, Glyph
from inkdigits.synthesis.stroke_forms import DIGIT_FORMS, FORMS
from inkdigits.synthesis.stroke_paths import Form
from inkdigits.synthesis.stroke_pens import Line, Pen, draw_ink

LABELS: Final[Mapping[str, int]] = (
    dict.fromkeys(FORMS, OTHER)
    | {character: label for label, character in CHARACTERS.items()}
    | {digit: int(digit) for digit in DIGITS}
)
"""Class of each character that a hand can write."""

_STEPS = 8
"""Number of straight pieces per chord. A piece of at most about 3 pixels still looks round."""

_HEIGHT_DEVIATION = 0.04
_HEIGHT_LIMIT = 0.11
"""Standard deviation of a digit's height relative to `GLYPH_HEIGHT`, and its limit. Both keep the
height within the 15 % that `StrokeHand.write` promises."""

_N_HABITS = 61
"""Number of persistent displacements of a hand. It is prime, so that forms share few of them."""


def _hermite() -> NDArray[np.float64]:
    """Returns the weights of start, end, and both tangents: shape (steps, 4)."""
    t = np.arange(_STEPS) / _STEPS
    start = (1 + 2 * t) * (1 - t) ** 2
    return np.stack([start, 1 - start, t * (1 - t) ** 2, t**2 * (t - 1)], axis=1)


_HERMITE = _hermite()


@dataclass(frozen=True, eq=False)
class StrokeHand:
    """A person who writes digits and marks in strokes. Lengths are in digit heights.

    Attributes:
        pen: The pen.
        forms: The preferred form of each character, as index into `FORMS`.
        second_forms: The other form of each character that the hand uses.
        constancy: Probability of the preferred form.
        slant: Tangent of the angle by which characters lean to the right.
        aspect: Factor of the width of characters.
        roundness: Length of the tangents of curves; 1 gives circles for control points on a circle.
        softness: How much corners are rounded, from 0 (sharp) to 1.
        bend: Curvature of vertical lines.
        rise: Tangent of the angle at which horizontal lines rise.
        taper: How much wider characters are at the top than at the base line, as a fraction.
        variation: Standard deviation of control points from one writing to the next.
        tremor: Amplitude of shaking.
        entry: Length of the stroke that leads into a character.
        exit: Length of the stroke that leads out of a character.
        gap: Distance between neighbouring characters of joined writing.
        overlap: Probability that two neighbouring zeros of joined writing overlap.
        zero_size: Height of zeros in joined writing, relative to other digits.
        mark_size: Factor of the size of marks.
        habits: complex128, shape (61,): persistent displacements of control points.
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
    overlap: float
    zero_size: float
    mark_size: float
    habits: Line

    @classmethod
    def draw(cls, random: np.random.Generator) -> StrokeHand:
        """Draws a random hand: about a third are of the 19th century, the others of today.

        Args:
            random: Random number generator.
        """
        old = bool(random.random() < 0.35)
        # The two schools mix: up to a third of a hand's forms come from the other one.
        mixing = random.random() * 0.3
        # Old hands slant by 15 to 40 degrees, as taught in copybooks; those of today by -10 to 30.
        slant = random.uniform(0.25, 0.85) if old else np.clip(random.normal(0.15, 0.2), -0.2, 0.6)
        angular = random.random()
        # A slanted digit has narrower loops, which a thick pen would fill.
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
            # One in five hands shakes, as those of old or tired people.
            tremor=float(random.uniform(0.003, 0.011)) if random.random() < 0.2 else 0.0,
            entry=float(random.uniform(0.03, 0.1)) if random.random() < 0.25 else 0.0,
            exit=float(random.uniform(0.03, 0.12)) if random.random() < 0.25 else 0.0,
            gap=float(random.uniform(0.0, 0.2)),
            overlap=float(random.uniform(0.2, 0.9)) if random.random() < 0.2 else 0.0,
            zero_size=float(random.choice([1.0, random.uniform(0.5, 1.0)])),
            mark_size=float(np.exp(random.normal(0, 0.2))),
            habits=_normals(random, _N_HABITS) * _draw_habit(random),
        )

    def write(self, character: str, random: np.random.Generator, form: str | None = None) -> Glyph:
        """Writes one character.

        Args:
            character: A digit or mark, a key of `LABELS`.
            random: Random number generator for the variation.
            form: Name of the form; None uses one of the hand's own forms.

        Returns:
            The glyph. The height of a digit is `GLYPH_HEIGHT` within 15 %, and its `top` is 0.

        Raises:
            UsageError: The character or the form is unknown.
        """
        lines = self._trace(character, self._form(character, random, form), random)
        ink, corner = draw_ink([(line, self.pen.widths(line)) for line in lines])
        top = 0.0 if character in DIGIT_FORMS else corner.imag / GLYPH_HEIGHT
        return Glyph(ink, top, LABELS[character])

    def write_joined(self, text: str, random: np.random.Generator) -> list[tuple[Glyph, float]]:
        """Writes characters that are joined to their neighbours by ties, or touch them.

        Args:
            text: Digits and marks, keys of `LABELS`.
            random: Random number generator for the variation.

        Returns:
            For each character its glyph, which includes half of each tie, and the distance of its
            left edge from the leftmost ink, in pixels at `GLYPH_HEIGHT`. Ties change the `top` of
            digits. Small zeros stand on the base line.

        Raises:
            UsageError: The text contains an unknown character.
        """
        characters: list[list[Line]] = []
        right = 0.0
        exit_line: Line | None = None
        before = ""
        for character in text:
            lines = self._trace(character, self._joining_form(character, random), random)
            if character == "0":
                size = self.zero_size * random.uniform(0.93, 1.0)
                lines = [size * line + 1j * GLYPH_HEIGHT * (1 - size) for line in lines]
            # The spacing is computed for upright characters, because slanted boxes overlap.
            edges = [line.real + self.slant * (line.imag - GLYPH_HEIGHT) for line in lines]
            left = min(float(edge.min()) for edge in edges)
            width = max(float(edge.max()) for edge in edges) - left
            gap = self.pen.width + GLYPH_HEIGHT * (self.gap + random.normal(0, 0.03))
            if before == character == "0" and random.random() < self.overlap:
                gap, exit_line = -width * random.uniform(0.1, 0.45), None
            before = character
            placed = [line + (right + gap - left) for line in lines]
            if exit_line is not None and (character in DIGIT_FORMS or character == "-"):
                tie = _tie(exit_line, placed[0])
                if tie is None and random.random() < 0.5:
                    # Half of the neighbours without a tie touch each other.
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
        """Returns the named form of a character, or one of the hand's own forms."""
        forms = FORMS.get(character)
        if forms is None:
            known = " ".join(FORMS)
            raise UsageError(f"no stroke form for {character!r}: expected one of {known}")
        if name is None:
            habit = self.forms if random.random() < self.constancy else self.second_forms
            return forms[habit[character]]
        for form in forms:
            if form.name == name:
                return form
        names = ", ".join(form.name for form in forms)
        raise UsageError(f"unknown form {name!r} of {character!r}: expected one of {names}")

    def _joining_form(self, character: str, random: np.random.Generator) -> Form:
        """Returns a form for joined writing, mostly one that leads to the next character."""
        form = self._form(character, random, None)
        tied = [other for other in FORMS[character] if other.tied]
        if not tied or form.tied or random.random() > 0.7:
            return form
        # A hand always ties a digit in the same way. Ties on the base line, which are last in the
        # table, are rarer than those at the top.
        choice = int(abs(self.habits[0].real) * 1e6) % (2 * len(tied) - 1)
        return tied[choice // 2]

    def _trace(self, character: str, form: Form, random: np.random.Generator) -> list[Line]:
        """Returns the centre lines of the strokes, in pixels at `GLYPH_HEIGHT`.

        Digits start at x = 0. With the width of the pen they extend from about y = 0 to
        `GLYPH_HEIGHT`. Marks have their position relative to digits.
        """
        strokes = form.strokes
        points = strokes.points
        count = len(points)
        is_digit = character in DIGIT_FORMS
        # Marks are small, and the same displacement would distort them more.
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
        # Signs that are slanted themselves, or could look like a 1, get half of the slant.
        slant = self.slant * (0.5 if character in "/():" else 1.0) + 0.025 * jitter[2]
        x = x - slant * (y - 1)
        lines = self._curves(form, x + 1j * y)
        if self.tremor:
            lines = [line + self.tremor * _shaking(random, len(line)) for line in lines]
        if self.entry or self.exit:
            lines = self._with_flourishes(lines, is_digit, random)
        pen = self.pen.width
        if not is_digit:
            # Scaling keeps the distance to the base line, so that a large point stays on it.
            size = self.mark_size * GLYPH_HEIGHT
            anchor = 0.96j if character in ".," else 0.5j
            return [(line - anchor) * size + anchor * GLYPH_HEIGHT for line in lines]
        top = min(float(line.imag.min()) for line in lines)
        bottom = max(float(line.imag.max()) for line in lines)
        left = min(float(line.real.min()) for line in lines)
        deviation = float(np.clip(jitter[3] * _HEIGHT_DEVIATION, -_HEIGHT_LIMIT, _HEIGHT_LIMIT))
        size = (GLYPH_HEIGHT * (1 + deviation) - 0.9 * pen) / (bottom - top)
        # The middle of the digit stays at the middle of the line.
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
        """Adds strokes that lead into and out of a digit; marks stay unchanged."""
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


def _draw_habit(random: np.random.Generator) -> float:
    """Draws the deviation of a hand from the forms of its school, in digit heights."""
    habit = random.uniform(0.01, 0.036)
    return float(habit * random.uniform(1, 1.8) if random.random() < 0.2 else habit)


def _choose_forms(random: np.random.Generator, old: bool, mixing: float) -> dict[str, int]:
    """Draws the form of each character, with the frequencies of the hand's school."""
    chosen = {}
    for (character, forms), drawn in zip(FORMS.items(), random.random(len(FORMS)), strict=True):
        own = [form.old if old else form.modern for form in forms]
        other = [form.modern if old else form.old for form in forms]
        shares = np.cumsum((1 - mixing) * np.array(own) + mixing * np.array(other))
        chosen[character] = int(np.searchsorted(shares, drawn * shares[-1], side="right"))
    return chosen


def _normals(random: np.random.Generator, count: int) -> Line:
    """Draws complex normal numbers with standard deviation 1 in both parts."""
    parts = random.standard_normal((2, count))
    return np.asarray(parts[0] + 1j * parts[1])


def _shaking(random: np.random.Generator, count: int) -> Line:
    """Draws the displacements of a shaking pen along a line; they change smoothly."""
    knots = _normals(random, count // 3 + 2)
    return np.interp(np.arange(count) / 3, np.arange(len(knots)), knots)


def _ends_on_the_right(lines: list[Line]) -> bool:
    """Returns whether a character ends in its right half, where a tie can begin."""
    reals = np.concatenate(lines).real
    left, right = float(reals.min()), float(reals.max())
    return float(lines[-1][-1].real) > left + 0.55 * (right - left)


def _tie(before: Line, after: Line) -> Line | None:
    """Returns a tie from the end of a stroke to the start of another, or None if it is too long.

    A tie is about horizontal. A long way up or down would look like a separate stroke, and could
    turn a 3 into a B.
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
