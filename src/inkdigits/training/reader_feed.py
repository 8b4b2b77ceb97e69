"""Batches for the reader's networks, drawn in processes beside the fit.

A batch depends on the seed and its number alone, so that a resumed fit sees the same.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.data import fetch_mnist, split_validation
from inkdigits.data.fonts import load_fonts
from inkdigits.data.photographs import load_photographs
from inkdigits.synthesis.pages import draw_page
from inkdigits.synthesis.scribes import DigitBank, Scriptorium
from inkdigits.training.reader_recipes import ReaderRecipe
from inkdigits.training.reader_targets import build_targets, cut_windows

Part = Literal["detector", "judge"]
Batch = tuple[NDArray[Any], NDArray[Any]]

_AHEAD: Final = 4
"""Batches drawn ahead for each process."""
_STREAMS: Final = {"detector": 1, "judge": 2}
"""Keep the random numbers of the parts apart."""


@dataclass(frozen=True)
class Source:
    """What pages are drawn from.

    Attributes:
        recipe: Gives sizes.
        seed: Of all pages.
        data: Folder of MNIST, or None for the cache.
    """

    recipe: ReaderRecipe
    seed: int
    data: Path | None = None

    def open(self) -> Scriptorium:
        """Loads MNIST and fonts, and prepares the glyphs: half a minute."""
        mnist = fetch_mnist(directory=self.data, progress=False)
        training, _ = split_validation(mnist.train, self.recipe.validation_images, self.seed)
        random = np.random.default_rng([self.seed, 0])
        fonts = load_fonts("training")
        return Scriptorium(
            DigitBank(training, self.recipe.glyphs, random),
            [font.path for font in fonts if font.kind == "handwriting"],
            [font.path for font in fonts if font.kind == "printed"],
            [photograph.path for photograph in load_photographs()],
        )


_opened: dict[str, Any] = {}
"""In a drawing process: its source and what it opened."""


def _start(source: Source) -> None:
    cv2.setNumThreads(1)
    _opened.update(source=source, scribes=source.open())


def _draw(part: Part, index: int) -> Batch:
    source: Source = _opened["source"]
    return draw_batch(part, source, _opened["scribes"], index)


def draw_batch(part: Part, source: Source, scribes: Scriptorium, index: int) -> Batch:
    """Draws one batch.

    Args:
        part: For which network.
        source: Gives seed and sizes.
        scribes: Who writes.
        index: Number of the batch.

    Returns:
        For the detector, uint8 pictures (n, 256, 256) and float16 targets (n, 64, 64, 23); for the
        judge, float16 windows (n, 48, 48) and int64 classes (n,).
    """
    recipe = source.recipe
    random = np.random.default_rng([source.seed, _STREAMS[part], index])
    if part == "detector":
        pages = [draw_page(scribes, random) for _ in range(recipe.page_batch)]
        return np.stack([page.picture for page in pages]), np.stack(list(map(build_targets, pages)))
    windows: list[NDArray[np.float32]] = []
    classes: list[NDArray[np.int64]] = []
    while sum(map(len, classes)) < recipe.window_batch:
        cut, labels = cut_windows(draw_page(scribes, random), random)
        few = random.permutation(len(labels))[: recipe.window_batch // 5]  # no page is the batch
        windows.append(cut[few])
        classes.append(labels[few])
    n = recipe.window_batch
    return np.concatenate(windows)[:n].astype(np.float16), np.concatenate(classes)[:n]


def draw_batches(part: Part, source: Source, indices: range, n_processes: int) -> Iterator[Batch]:
    """Draws batches in other processes, and gives them in the order of their numbers."""
    context = multiprocessing.get_context("spawn")  # forks of TensorFlow's threads would hang
    executor = ProcessPoolExecutor(n_processes, context, _start, (source,))
    ahead: deque[Future[Batch]] = deque()
    try:
        for index in indices:
            ahead.append(executor.submit(_draw, part, index))
            if len(ahead) > _AHEAD * n_processes:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
