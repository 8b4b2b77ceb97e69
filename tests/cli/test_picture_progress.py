from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from inkdigits.cli import picture_progress
from inkdigits.cli.messages import show_log
from inkdigits.cli.picture_progress import follow_readings
from inkdigits.recognition import Reading


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Replaces stderr by a terminal. Not before the test itself, where pytest replaces it again."""
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "100"), ("LINES", "40")):
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(picture_progress, "DELAY_S", 0.0)

    def replace_stderr() -> Terminal:
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return replace_stderr


@pytest.fixture
def readings() -> list[Reading]:
    return [Reading((), reason="no ink", source=f"{number}.png") for number in range(5)]


def strip_controls(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_terminal_gets_a_bar_with_seconds_per_picture(
    open_terminal: Callable[[], Terminal], readings: list[Reading]
) -> None:
    terminal = open_terminal()

    assert list(follow_readings(iter(readings), 5)) == readings

    shown = strip_controls(terminal.getvalue())
    assert re.search(r"reading .* 5/5 \d+\.\d\d s per picture", shown)
    assert re.search(r"\n\r?inkdigits: read 5 pictures in \d+\.\d s, \d+\.\d{3} s each\n$", shown)


def test_further_pages_of_a_document_are_counted(
    open_terminal: Callable[[], Terminal], readings: list[Reading]
) -> None:
    terminal = open_terminal()
    pages = [replace(reading, source="a.pdf", page=n) for n, reading in enumerate(readings, 1)]

    list(follow_readings([*pages, readings[0]], 2))

    counts = re.findall(r"(\d+)/(\d+)", strip_controls(terminal.getvalue()))
    assert counts[-1] == ("6", "6")
    assert all(int(done) <= int(total) for done, total in counts)


def test_a_short_prediction_shows_no_bar(
    open_terminal: Callable[[], Terminal],
    readings: list[Reading],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = open_terminal()
    monkeypatch.setattr(picture_progress, "DELAY_S", 60.0)

    list(follow_readings(readings, 5))

    assert terminal.getvalue() == ""


def test_a_file_gets_no_bar(
    readings: list[Reading],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(picture_progress, "DELAY_S", 0.0)

    list(follow_readings(readings, 5))

    assert capsys.readouterr().err == ""


def test_verbose_tells_the_time_of_all(
    readings: list[Reading], capsys: pytest.CaptureFixture[str]
) -> None:
    with show_log(verbose=True):
        list(follow_readings(readings, 5))

    assert re.fullmatch(
        r"inkdigits: read 5 pictures in \d+\.\d s, \d+\.\d{3} s each\n", capsys.readouterr().err
    )
