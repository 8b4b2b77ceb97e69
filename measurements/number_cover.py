"""Estimates how the odds of no mark depend on how much of a box in a number other marks cover.

The pages are drawn with digits and fonts that the networks were not trained on. The boxes are those
that the reader finds in their numbers. The two constants, which `inkdigits.recognition.words` has,
are a logistic regression.

    python measurements/number_cover.py --pages 2000 --json
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import fetch_fonts
from inkdigits.recognition import DEFAULT_MODEL
from inkdigits.recognition.detection import Candidates, Detector
from inkdigits.recognition.opencv import cv2
from inkdigits.recognition.selection import select_by_words
from inkdigits.recognition.words import measure_cover
from inkdigits.results.alphabet import NO_MARK
from inkdigits.synthesis.pages import DrawnPage, draw_pages
from inkdigits.training.recipes.reader_recipe import READER_RECIPES
from inkdigits.training.samples.context_rows import label_boxes
from inkdigits.training.samples.page_batches import Source

_LEAST: Final = 1e-3
"""Limit of the predicted probability of no mark, whose logarithm is taken."""
_N_STEPS: Final = 30


def list_boxes(page: DrawnPage, found: Candidates) -> NDArray[np.float64]:
    """Returns the boxes in the numbers of a page.

    Args:
        page: The page.
        found: What the reader finds on it.

    Returns:
        float64, shape (n, 3): cover, predicted probability of no mark, and 1 if there is none.
    """
    beside = ~found.fills
    boxes, probabilities = found.boxes[beside], found.probabilities[beside]
    candidates = Candidates(boxes, probabilities, np.zeros(len(boxes), np.bool_))
    selected, weighed = select_by_words(candidates)
    cover = measure_cover(boxes, weighed, selected)
    labels = label_boxes(page, boxes, probabilities)
    counted = np.isfinite(cover) & (labels >= 0)
    rows = cover, probabilities[:, NO_MARK], labels == NO_MARK
    return np.stack([row[counted].astype(np.float64) for row in rows], axis=1)


def read_pages(task: tuple[int, int]) -> NDArray[np.float64]:
    """Draws pages and lists their boxes.

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
    return np.concatenate(
        [list_boxes(page, detector(page.picture).list_candidates()) for page in pages]
    )


def fit_cover(boxes: NDArray[np.float64]) -> dict[str, float | int]:
    """Fits how the log odds of no mark change with the cover, by Newton's method.

    Args:
        boxes: As `list_boxes` returns them.

    Returns:
        Number of boxes; bias and slope with their standard errors; and the mean negative log
        likelihood without and with them.
    """
    cover, predicted, is_none = boxes.T
    odds = np.log(predicted.clip(_LEAST, 1 - _LEAST) / (1 - predicted.clip(_LEAST, 1 - _LEAST)))
    terms = np.stack([np.ones(len(cover)), cover], axis=1)
    constants = np.zeros(2)
    for _ in range(_N_STEPS):
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
        "loss_before": _compute_loss(odds, is_none),
        "loss": _compute_loss(odds + terms @ constants, is_none),
    }


def _compute_loss(odds: NDArray[np.float64], is_none: NDArray[np.float64]) -> float:
    return float(np.mean(np.logaddexp(0, odds) - is_none * odds))


def main() -> None:
    """Runs the measurement and prints its result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pages", type=int, default=2000, help="number of pages to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    fetch_fonts("validation")
    started = time.perf_counter()
    cores = os.cpu_count() or 1
    tasks = [(options.seed + n, len(range(n, options.pages, cores))) for n in range(cores)]
    with ProcessPoolExecutor(cores) as executor:
        boxes = np.concatenate(list(executor.map(read_pages, tasks)))
    result = {
        "n_pages": options.pages,
        **fit_cover(boxes),
        "seconds": round(time.perf_counter() - started, 1),
    }
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print("\n".join(f"{name:12} {value:.6g}" for name, value in result.items()))


if __name__ == "__main__":
    main()
