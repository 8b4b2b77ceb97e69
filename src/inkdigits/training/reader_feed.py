"""Batches for the reader's networks, drawn in processes beside the fit.

A batch depends on the seed and its number alone, so that a resumed fit sees the same.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, fetch_mnist, load_mnist, split_validation
from inkdigits.data.fonts import load_fonts
from inkdigits.data.photographs import load_photographs
from inkdigits.errors import RunError
from inkdigits.recognition.detection import Detector
from inkdigits.synthesis.pages import DrawnPage, draw_pages
from inkdigits.synthesis.scribes import DigitBank, Scriptorium
from inkdigits.training.reader_recipes import ReaderRecipe
from inkdigits.training.reader_targets import build_targets, cut_windows, frame_page

Part = Literal["detector", "judge"]
Batch = tuple[NDArray[Any], NDArray[Any]]

_AHEAD: Final = 4
"""Batches drawn ahead for each process: pages differ in how long they take."""
_STREAMS: Final = {"detector": 1, "judge": 2}
"""Keep the random numbers of the parts apart."""
_PAGE_SHARE: Final = 3
"""At most a third of a batch of windows is of one page: no page is the batch."""
_FOUND_SHARE: Final = 0.5
"""Of the pages whose windows the judge sees, a detector is asked on so many, as that takes longer
than drawing them; on those without marks always, as every find on them is wrong."""
_ONE_WRITING: Final = 2
"""Pages of one writing, on other papers."""


@dataclass(frozen=True)
class Source:
    """What pages are drawn from.

    Attributes:
        recipe: Gives sizes.
        seed: Of all pages.
        data: Folder of MNIST, or None for the cache.
        finder: A reader whose finds the judge learns from too; None: none.
    """

    recipe: ReaderRecipe
    seed: int
    data: Path | None = None
    finder: Path | None = None

    def split_digits(self) -> tuple[LabelledImages, LabelledImages]:
        """MNIST's digits to write training pages with, and those to validate with."""
        mnist = fetch_mnist(progress=False) if self.data is None else load_mnist(self.data)
        return split_validation(mnist.train, self.recipe.validation_images, self.seed)

    def open(self) -> Scriptorium:
        """Loads MNIST and fonts, and prepares the glyphs: half a minute."""
        training, _ = self.split_digits()
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
    """Prepares a drawing process; what may fail waits for `_draw`, whose errors are handed on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the fit, which ends this process
    cv2.setNumThreads(1)
    _opened["source"] = source
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when the fit was killed, as nobody else would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _draw(part: Part, index: int) -> Batch:
    source: Source = _opened["source"]
    if "scribes" not in _opened:
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
        part: For which network.
        source: Gives seed and sizes.
        scribes: Who writes.
        index: Number of the batch.
        find: What finds the boxes that the judge learns from beside the true ones.

    Returns:
        For the detector, uint8 pictures (n, 256, 256) and float16 targets (n, 64, 64, 23); for the
        judge, float16 windows (n, 48, 48) and int64 classes (n,).
    """
    recipe = source.recipe
    random = np.random.default_rng([source.seed, _STREAMS[part], index])
    if part == "detector":
        pages: list[DrawnPage] = []
        while len(pages) < recipe.page_batch:
            pages += draw_pages(scribes, random, min(_ONE_WRITING, recipe.page_batch - len(pages)))
        pages = [frame_page(page, random) for page in pages]
        return np.stack([page.picture for page in pages]), np.stack(list(map(build_targets, pages)))
    windows: list[NDArray[np.float32]] = []
    classes: list[NDArray[np.int64]] = []
    n = recipe.window_batch
    while sum(map(len, classes)) < n:
        for page in draw_pages(scribes, random, _ONE_WRITING):
            found = None
            if find is not None and (not len(page.boxes) or random.random() < _FOUND_SHARE):
                found = find(page.picture)
            cut, labels = cut_windows(page, random, found)
            few = random.permutation(len(labels))[: n // _PAGE_SHARE]
            windows.append(cut[few])
            classes.append(labels[few])
    return np.concatenate(windows)[:n].astype(np.float16), np.concatenate(classes)[:n]


def draw_batches(part: Part, source: Source, indices: range, n_processes: int) -> Generator[Batch]:
    """Draws batches in other processes, and gives them in the order of their numbers.

    Args:
        part: For which network.
        source: Of the pages.
        indices: Numbers of the batches.
        n_processes: Processes that draw; they end with this iterator, or with this process.

    Raises:
        RunError: A drawing process died; whatever it raised is raised here.
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
                "a process that draws pages has died, as when memory runs out: free some and "
                "continue the run with --resume (a script that trains needs "
                "'if __name__ == \"__main__\":' around it)"
            ) from error


@contextmanager
def _start_processes(source: Source, n_processes: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that draw, of which none is left at the end, whatever it was doing."""
    context = multiprocessing.get_context("spawn")  # forks of TensorFlow's threads would hang
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(n_processes, context, _start, (source,))
    try:
        yield executor
    finally:
        # Half a minute may pass until one that is opening its source would look up.
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        executor.shutdown(cancel_futures=True)
