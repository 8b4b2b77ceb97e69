"""Batches of drawn pages and windows for the reader's networks, drawn in separate processes.

A batch depends only on the seed and its number, so a resumed run gets the same batches.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, split_validation
from inkdigits.data.fonts import load_fonts
from inkdigits.data.leakage import load_training_data
from inkdigits.data.photographs import load_photographs
from inkdigits.errors import RunError
from inkdigits.recognition.detection import Detector
from inkdigits.recognition.opencv import cv2
from inkdigits.synthesis.pages import DrawnPage, draw_pages
from inkdigits.synthesis.scribes import DigitBank, Scriptorium
from inkdigits.training.recipes.reader_recipe import ReaderRecipe
from inkdigits.training.samples.context_rows import gather_rows
from inkdigits.training.samples.detector_targets import build_targets, frame_page
from inkdigits.training.samples.judge_windows import cut_windows
from inkdigits.training.samples.picture_windows import draw_pictures

Part = Literal["detector", "judge", "second-judge", "picture-judge", "context"]
Batch = tuple[NDArray[Any], NDArray[Any]]

_AHEAD: Final = 4
"""Number of batches drawn ahead per process, because drawing times of pages differ."""
_STREAMS: Final = {"detector": 1, "judge": 2, "second-judge": 4, "context": 5, "picture-judge": 6}
"""Gives each part its own stream of random numbers."""
_PAGE_SHARE: Final = 3
"""A page fills at most a third of a batch of windows, so that each batch has several pages."""
_FOUND_SHARE: Final = 0.5
"""Fraction of the judge's pages on which the detector is run too. Running it takes longer than
drawing the page. On pages without marks it always runs, because every box found there is wrong."""
_CUTS: Final = 2
"""Number of times that windows are cut from a page, each time at other random boxes. Cutting takes
half as long as drawing."""
_END_S: Final = 5.0
"""Seconds for the drawing processes to end by themselves. On two cores, a batch takes under one."""
_BLANK_SHARE: Final = 0.13
"""Fraction of the context network's pages that are blank, beside those among the layouts. Few boxes
are found on a blank page, so more such pages are needed to learn that they show no mark."""
_ONE_WRITING: Final = 2
"""Number of pages with the same writing, on different papers."""


@dataclass(frozen=True)
class Source:
    """The settings and data that pages are drawn from.

    Attributes:
        recipe: Gives the sizes of batches and data sets.
        seed: Seed of all pages.
        data: Folder with MNIST, or None for the cache.
        finder: A reader whose detected boxes the judge is trained on too; None: true boxes only.
            The context network is trained on the boxes of a reader alone.
    """

    recipe: ReaderRecipe
    seed: int
    data: Path | None = None
    finder: Path | None = None

    def split_digits(self) -> tuple[LabelledImages, LabelledImages]:
        """Returns the MNIST digits for training pages, and those for validation pages."""
        mnist = load_training_data(self.data, report=False)
        return split_validation(mnist.train, self.recipe.validation_images, self.seed)

    def open(self) -> Scriptorium:
        """Loads MNIST and the fonts, and prepares the glyphs. Takes half a minute."""
        training, _ = self.split_digits()
        random = np.random.default_rng([self.seed, 0])
        fonts = load_fonts("training")
        return Scriptorium(
            DigitBank(training, self.recipe.glyphs, random),
            [font.path for font in fonts if font.kind == "handwriting"],
            [font.path for font in fonts if font.kind == "printed"],
            [photograph.path for photograph in load_photographs()],
        )

    def open_validation(
        self, random: np.random.Generator, *, photographs: bool = False
    ) -> Scriptorium:
        """Prepares what pages other than those for training are written with.

        These are MNIST's validation digits, handwriting fonts that training does not use, and
        digits drawn stroke by stroke.

        Args:
            random: Chooses the pens of the glyphs.
            photographs: Whether some pages have a photograph as background. There are only those of
                training.
        """
        _, validation = self.split_digits()
        fonts = load_fonts("validation")
        return Scriptorium(
            DigitBank(validation, len(validation), random),
            [font.path for font in fonts if font.kind == "handwriting"],
            [font.path for font in fonts if font.kind == "printed"],
            [photograph.path for photograph in load_photographs()] if photographs else (),
        )


_opened: dict[str, Any] = {}
"""State of a drawing process: the source, and what was opened from it."""


def _start(source: Source) -> None:
    """Prepares a drawing process.

    The source is opened later, in `_draw`, because errors of `_draw` reach the parent process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and ends this process
    cv2.setNumThreads(1)
    _opened["source"] = source
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process if the parent process was killed and could not end it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _draw(part: Part, index: int) -> Batch:
    source: Source = _opened["source"]
    if "scribes" not in _opened:
        # A network is corrected on what it has not seen: it is too sure of its training pages.
        random = np.random.default_rng([source.seed, _STREAMS["context"]])
        if part == "context":
            _opened["scribes"] = source.open_validation(random, photographs=True)
        else:
            _opened["scribes"] = source.open()
        if source.finder is not None:
            _opened["find"] = Detector(source.finder, n_threads=1)
    return draw_batch(part, source, _opened["scribes"], index, _opened.get("find"))


def draw_batch(
    part: Part,
    source: Source,
    scribes: Scriptorium,
    index: int,
    find: Detector | None = None,
) -> Batch:
    """Draws one batch.

    Args:
        part: The network that the batch is for.
        source: Gives the seed and the sizes.
        scribes: Writes the pages.
        index: Number of the batch.
        find: Detector whose boxes the judge is trained on, beside the true boxes.

    Returns:
        For the detector: pictures, uint8, shape (n, 256, 256), grey values 0 to 255; and targets as
        `build_targets` returns them, float16, shape (n, 64, 64, 23). For the judge: standardised
        windows, float16, shape (n, 48, 48); and classes, int64, shape (n,), 0 to 15, or 16 for no
        mark. For the picture judge: the same, as `draw_pictures` returns them. For the context
        network: rows and classes as `gather_rows` returns them.
    """
    recipe = source.recipe
    random = np.random.default_rng([source.seed, _STREAMS[part], index])
    if part == "detector":
        pages: list[DrawnPage] = []
        while len(pages) < recipe.page_batch:
            pages += draw_pages(scribes, random, min(_ONE_WRITING, recipe.page_batch - len(pages)))
        pages = [frame_page(page, random) for page in pages]
        return np.stack([page.picture for page in pages]), np.stack(list(map(build_targets, pages)))
    if part == "context":
        if find is None:
            raise ValueError("the context network is trained on a reader's boxes: expected `find`")
        pages = []
        while len(pages) < recipe.context_batch:
            layout = "blank" if random.random() < _BLANK_SHARE else None
            pages += draw_pages(scribes, random, 1, layout=layout)
        return gather_rows(pages, find, random)
    windows: list[NDArray[np.float32]] = []
    classes: list[NDArray[np.int64]] = []
    n = recipe.window_batch
    if part == "picture-judge":
        pictures, labels = draw_pictures(scribes, n, random)
        return pictures.astype(np.float16), labels
    while sum(map(len, classes)) < n:
        for page in draw_pages(scribes, random, _ONE_WRITING):
            found = None
            if find is not None and (not len(page.boxes) or random.random() < _FOUND_SHARE):
                found = find(page.picture)
            for boxes in (found, *[None] * (_CUTS - 1)):
                cut, labels = cut_windows(page, random, boxes)
                few = random.permutation(len(labels))[: n // _PAGE_SHARE]
                windows.append(cut[few])
                classes.append(labels[few])
    return np.concatenate(windows)[:n].astype(np.float16), np.concatenate(classes)[:n]


def draw_batches(part: Part, source: Source, indices: range, n_processes: int) -> Generator[Batch]:
    """Draws batches in separate processes.

    Args:
        part: The network that the batches are for.
        source: The settings and data to draw from.
        indices: Numbers of the batches.
        n_processes: Number of drawing processes. They end with this iterator, or with the process
            that uses it.

    Yields:
        The batches as `draw_batch` returns them, in the order of `indices`.

    Raises:
        RunError: A drawing process died. An error raised in a drawing process is raised here.
    """
    with _start_processes(source, n_processes) as executor:
        ahead: deque[Future[Batch]] = deque()
        try:
            for index in indices:
                ahead.append(executor.submit(_draw, part, index))
                if len(ahead) > _AHEAD * n_processes:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        except BrokenProcessPool as error:
            raise RunError(
                "a process that draws pages has died, perhaps because memory ran out: free some "
                "memory and continue the run with --resume (a Python script that trains needs "
                "'if __name__ == \"__main__\":')"
            ) from error


@contextmanager
def _start_processes(source: Source, n_processes: int) -> Iterator[ProcessPoolExecutor]:
    """Yields an executor of drawing processes, and ends all of them at the end of the block."""
    context = multiprocessing.get_context("spawn")  # a fork would hang on TensorFlow's threads
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(n_processes, context, _start, (source,))
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        # A process that is terminated while it sends a batch leaves half a message, for whose rest
        # the executor waits forever. So processes may end by themselves first; only one that is
        # still opening its source takes longer.
        deadline = time.monotonic() + _END_S
        # The executor joins them too, and of two threads that join, one can be told that a process
        # still runs that has ended. Its sentinel tells both the truth.
        for process in set(multiprocessing.active_children()) - before:
            remaining_s = max(deadline - time.monotonic(), 0)
            if not multiprocessing.connection.wait([process.sentinel], remaining_s):
                process.terminate()
                multiprocessing.connection.wait([process.sentinel])
            process.join()
