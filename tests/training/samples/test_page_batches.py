"""Batches drawn in other processes: the same in each process, and with clear errors."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

from inkdigits.data import Mnist
from inkdigits.data.fonts import Font
from inkdigits.errors import InkdigitsError, RunError
from inkdigits.recognition import DEFAULT_MODEL
from inkdigits.recognition.detection import Detector
from inkdigits.synthesis.scribes import Scriptorium
from inkdigits.training import READER_RECIPES
from inkdigits.training.samples import page_batches
from inkdigits.training.samples.page_batches import Part, Source, draw_batch, draw_batches

RECIPE = replace(
    READER_RECIPES["reader-quick"],
    detector_pages=24,
    judge_windows=80,
    page_batch=2,
    window_batch=20,
    glyphs=150,
    validation_images=200,
)


@pytest.fixture(scope="module")
def source(mnist: Mnist, training_fonts: tuple[Font, ...]) -> Source:
    return Source(RECIPE, 3)


@pytest.fixture(scope="module")
def opened(source: Source) -> Scriptorium:
    return source.open()


def list_drawing_processes() -> list[BaseProcess]:
    """The running processes that this test has spawned; other tests may leave some behind."""
    spawned = [child for child in multiprocessing.active_children() if child not in EARLIER]
    return [child for child in spawned if is_running(child)]


def is_running(process: BaseProcess) -> bool:
    """Unlike `is_alive`, this is also right while the executor joins the process."""
    return not multiprocessing.connection.wait([process.sentinel], 0)


EARLIER: set[BaseProcess] = set()


@pytest.fixture(autouse=True)
def note_earlier_processes() -> None:
    EARLIER.clear()
    EARLIER.update(multiprocessing.active_children())


def test_batch_of_pages(source: Source, opened: Scriptorium) -> None:
    pictures, targets = draw_batch("detector", source, opened, 0)

    assert pictures.shape == (2, 256, 256)
    assert pictures.dtype == np.uint8
    assert targets.shape == (2, 64, 64, 23)
    assert targets.dtype == np.float16


def test_batch_of_found_boxes(source: Source) -> None:
    wanted = replace(source, recipe=replace(RECIPE, context_batch=3))
    scribes = source.open_validation(np.random.default_rng(0))

    rows, labels = draw_batch("context", wanted, scribes, 0, Detector(DEFAULT_MODEL))

    assert rows.shape == (3, 48, 21)
    assert labels.shape == (3, 48)
    assert ((labels == -1) | (rows[..., 2] > 0)).all()
    assert (labels >= 0).any()
    with pytest.raises(ValueError, match="expected `find`"):
        draw_batch("context", wanted, scribes, 0)


def test_blank_pages_of_the_context_network(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_batches, "_BLANK_SHARE", 1.0)
    wanted = replace(source, recipe=replace(RECIPE, context_batch=6))
    scribes = source.open_validation(np.random.default_rng(0), photographs=True)
    assert scribes.photographs

    rows, labels = draw_batch("context", wanted, scribes, 0, Detector(DEFAULT_MODEL))

    assert (labels[rows[..., 2] > 0] == 16).all()
    assert (labels[rows[..., 2] == 0] == -1).all()


@pytest.mark.parametrize(
    ("part", "size"), [("judge", 5), ("judge", 20), ("judge", 33), ("picture-judge", 20)]
)
def test_batch_of_windows(source: Source, opened: Scriptorium, part: Part, size: int) -> None:
    wanted = replace(source, recipe=replace(RECIPE, window_batch=size))

    windows, classes = draw_batch(part, wanted, opened, 0)

    assert windows.shape == (size, 48, 48)
    assert windows.dtype == np.float16
    assert classes.shape == (size,)
    assert classes.dtype == np.int64
    assert ((classes >= 0) & (classes <= 16)).all()


def test_processes_draw_the_batches_of_their_numbers(source: Source, opened: Scriptorium) -> None:
    """A resumed run does not begin with the first batch."""
    drawn = list(draw_batches("judge", source, range(5, 9), 2))

    assert len(drawn) == 4
    for index, (windows, classes) in zip(range(5, 9), drawn, strict=True):
        expected_windows, expected_classes = draw_batch("judge", source, opened, index)
        np.testing.assert_array_equal(windows, expected_windows)
        np.testing.assert_array_equal(classes, expected_classes)
    assert not list_drawing_processes()


def test_error_of_a_process_is_raised_here(mnist: Mnist, tmp_path: Path) -> None:
    lost = Source(RECIPE, 3, tmp_path / "nowhere")

    with pytest.raises(InkdigitsError, match="nowhere"):
        list(draw_batches("judge", lost, range(3), 1))
    assert not list_drawing_processes()


def test_death_of_a_process_is_one_clear_error(source: Source) -> None:
    batches = draw_batches("judge", source, range(1_000), 1)
    next(batches)
    (process,) = list_drawing_processes()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)

    with pytest.raises(RunError, match=r"has died.*--resume"):
        list(batches)
    assert not list_drawing_processes()


def test_stopping_while_batches_are_sent(source: Source) -> None:
    """A process that is ended in the middle of a message would leave its reader waiting forever."""

    def stop_early() -> None:
        with page_batches._start_processes(source, 3) as executor:
            sent = [executor.submit(np.zeros, 8_000_000, np.uint8) for _ in range(40)]
            sent[0].result()

    thread = threading.Thread(target=stop_early, daemon=True)
    thread.start()
    thread.join(60)

    assert not thread.is_alive()
    assert not list_drawing_processes()


def test_stopping_does_not_wait_for_what_is_drawn(source: Source) -> None:
    """It does not wait for a process that is still opening its fonts, either."""
    started = time.monotonic()
    batches = draw_batches("judge", source, range(1_000), 1)
    next(batches)
    opening = time.monotonic() - started
    children = list_drawing_processes()

    started = time.monotonic()
    batches.close()

    assert time.monotonic() - started < max(2.0, opening)
    assert not any(map(is_running, children))
