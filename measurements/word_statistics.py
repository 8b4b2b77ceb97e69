"""Estimates the constants of `inkdigits.recognition.words` on drawn pages.

The pages are written with digits and fonts that the networks were not trained on. The kinds of
words, and the class frequencies of each, are those of a mixture of unigrams with three kinds,
fitted by expectation maximisation to the words that the marks of a page form. The two constants of
the cover are a logistic regression on the boxes that the reader finds in numbers.

    python measurements/word_statistics.py --pages 3000 --json
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import fetch_fonts
from inkdigits.recognition import DEFAULT_MODEL
from inkdigits.recognition.detection import Candidates, Detector
from inkdigits.recognition.lines import order_marks, split_words
from inkdigits.recognition.opencv import cv2
from inkdigits.recognition.selection import select_by_words
from inkdigits.recognition.words import measure_cover
from inkdigits.results.alphabet import DIGITS, NO_MARK
from inkdigits.synthesis.pages import DrawnPage, draw_pages
from inkdigits.training.recipes.reader_recipe import READER_RECIPES
from inkdigits.training.samples.context_rows import label_boxes
from inkdigits.training.samples.detector_targets import READABLE_PX
from inkdigits.training.samples.page_batches import Source

GROUPS: Final = ("digits", "point", "comma", "dash", "slash", "plus", "other")
_N_ROUNDS: Final = 200
_START: Final = ((0.75, 0.98), (0.1, 0.01), (0.15, 0.5))
"""Share of each kind of word, and of the digits in it, from which the fit starts."""
_LEAST: Final = 1e-3
"""Limit of the predicted probability of no mark, whose logarithm is taken."""


class Counts(NamedTuple):
    """What a batch of pages has.

    Attributes:
        ends: Number of first and last marks by word and group of classes, (n, 7).
        inside: Number of the other marks of each word, (n, 7).
        alone: Number of marks that are words of their own, (7,).
        boxes: Boxes in numbers: cover, predicted probability of no mark, and whether it is none.
    """

    ends: NDArray[np.float64]
    inside: NDArray[np.float64]
    alone: NDArray[np.float64]
    boxes: NDArray[np.float64]


def count_page(page: DrawnPage, detector: Detector) -> Counts:
    """Counts the classes in the words of a page, and the boxes that the reader finds in numbers."""
    counted = page.sure & (page.heights >= READABLE_PX[0])
    boxes, labels = page.boxes[counted].astype(np.float32), page.labels[counted]
    groups = np.maximum(labels - len(DIGITS) + 1, 0)  # all digits are the first group
    rows: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    alone = np.zeros(len(GROUPS))
    numbers, order = order_marks(boxes)
    for number in range(int(numbers.max(initial=-1)) + 1):
        line = order[numbers[order] == number]
        for indices in split_words(boxes[line]):
            word = groups[line[indices]]
            if len(word) == 1:
                alone[word[0]] += 1
            else:
                rows.append((word[[0, -1]], word[1:-1]))
    ends, inside = (
        np.array([np.bincount(row[part], minlength=len(GROUPS)) for row in rows], np.float64)
        for part in (0, 1)
    )
    return Counts(
        ends.reshape(-1, len(GROUPS)),
        inside.reshape(-1, len(GROUPS)),
        alone,
        _list_boxes(page, detector(page.picture).list_candidates()),
    )


def _list_boxes(page: DrawnPage, found: Candidates) -> NDArray[np.float64]:
    beside = ~found.fills
    boxes, probabilities = found.boxes[beside], found.probabilities[beside]
    candidates = Candidates(boxes, probabilities, np.zeros(len(boxes), np.bool_))
    selected, weighed = select_by_words(candidates)
    cover = measure_cover(boxes, weighed, selected)
    labels = label_boxes(page, boxes, probabilities)
    counted = np.isfinite(cover) & (labels >= 0)
    rows = cover, probabilities[:, NO_MARK], labels == NO_MARK
    return np.stack([row[counted].astype(np.float64) for row in rows], axis=1)


def count_pages(task: tuple[int, int]) -> Counts:
    """Draws pages and counts.

    Args:
        task: Seed, and number of pages.
    """
    seed, n = task
    cv2.setNumThreads(1)
    random = np.random.default_rng(seed)
    scribes = Source(READER_RECIPES["reader-large"], seed).open_validation(random)
    detector = Detector(DEFAULT_MODEL, n_threads=1)
    # One at a time: pages that are drawn together have the same writing.
    pages = (page for _ in range(n) for page in draw_pages(scribes, random, 1))
    return join([count_page(page, detector) for page in pages])


def join(counts: Sequence[Counts]) -> Counts:
    """Joins the counts of several batches."""
    ends, inside, alone, boxes = zip(*counts, strict=True)
    return Counts(
        np.concatenate(ends), np.concatenate(inside), np.sum(alone, axis=0), np.concatenate(boxes)
    )


def fit_kinds(counts: Counts) -> list[dict[str, object]]:
    """Fits the kinds of words: a mixture of unigrams, by expectation maximisation."""
    shares = np.array([share for share, _ in _START])
    rest = (1 - np.array([digits for _, digits in _START])) / np.array([30.0, 1.0, 2.0])
    inside = np.stack([np.full(len(GROUPS), few) for few in rest])
    inside[:, 0] = [digits for _, digits in _START]
    inside[1:, -1] = 1 - inside[1:, :-1].sum(axis=1).clip(0, 0.9)
    ends = inside.copy()
    for _ in range(_N_ROUNDS):
        scores = np.log(shares) + counts.inside @ np.log(inside).T + counts.ends @ np.log(ends).T
        kinds = np.exp(scores - scores.max(axis=1, keepdims=True))
        kinds /= kinds.sum(axis=1, keepdims=True)
        shares = kinds.mean(axis=0)
        inside, ends = (kinds.T @ given + 0.5 for given in (counts.inside, counts.ends))
        inside, ends = (given / given.sum(axis=1, keepdims=True) for given in (inside, ends))
    return [
        {"share": share, "ends": _name(first), "inside": _name(others)}
        for share, first, others in zip(shares.tolist(), ends, inside, strict=True)
    ]


def fit_cover(boxes: NDArray[np.float64]) -> dict[str, float | int]:
    """Fits how the log odds of no mark change with the cover, by Newton's method."""
    cover, predicted, is_none = boxes.T
    odds = np.log(predicted.clip(_LEAST, 1 - _LEAST) / (1 - predicted.clip(_LEAST, 1 - _LEAST)))
    terms = np.stack([np.ones(len(cover)), cover], axis=1)
    constants = np.zeros(2)
    before = _compute_loss(odds, is_none)
    for _ in range(30):
        shares = 1 / (1 + np.exp(-odds - terms @ constants))
        curvature = (terms * (shares * (1 - shares))[:, np.newaxis]).T @ terms
        constants = constants + np.linalg.solve(curvature, terms.T @ (is_none - shares))
    errors = np.sqrt(np.diag(np.linalg.inv(curvature)))
    return {
        "n_boxes": len(cover),
        "bias": float(constants[0]),
        "bias_error": float(errors[0]),
        "slope": float(constants[1]),
        "slope_error": float(errors[1]),
        "loss_before": before,
        "loss": _compute_loss(odds + terms @ constants, is_none),
    }


def _compute_loss(odds: NDArray[np.float64], is_none: NDArray[np.float64]) -> float:
    return float(np.mean(np.logaddexp(0, odds) - is_none * odds))


def _name(frequencies: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(GROUPS, frequencies.tolist(), strict=True))


def main() -> None:
    """Runs the measurement and prints its result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pages", type=int, default=3000, help="number of pages to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    fetch_fonts("validation")
    started = time.perf_counter()
    cores = os.cpu_count() or 1
    tasks = [(options.seed + n, len(range(n, options.pages, cores))) for n in range(cores)]
    with ProcessPoolExecutor(cores) as executor:
        counts = join(list(executor.map(count_pages, tasks)))
    every = counts.ends.sum(axis=0) + counts.inside.sum(axis=0) + counts.alone
    result = {
        "n_pages": options.pages,
        "n_words": len(counts.ends),
        "kinds": fit_kinds(counts),
        "frequencies": _name(every / every.sum()),
        "cover": fit_cover(counts.boxes),
        "seconds": round(time.perf_counter() - started, 1),
    }
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['n_words']:,} words on {options.pages:,} pages")
    for name in ("kinds", "frequencies", "cover"):
        print(f"{name}: {json.dumps(result[name])}")


if __name__ == "__main__":
    main()
