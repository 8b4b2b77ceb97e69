"""--verbose shows tracebacks and times; without it, an error is one line."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from inkdigits.cli import main
from inkdigits.cli.messages import show_log


def test_times_go_to_stderr(
    pictures: dict[str, Path], model: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(pictures["seven"]), *model, "--verbose"]) == 0

    printed = capsys.readouterr()
    assert printed.out.startswith("7  (")
    loading, reading, whole = printed.err.splitlines()
    assert re.fullmatch(r"inkdigits: loading the model took \d+\.\d{3} s", loading)
    assert re.fullmatch(r"inkdigits: read 1 pictures in \d+\.\d s, \d+\.\d{3} s each", reading)
    assert re.fullmatch(r"inkdigits: inkdigits predict took \d+\.\d{3} s", whole)


def test_an_error_shows_its_traceback_before_its_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["predict", "nowhere.png", "--model", "nowhere"]

    assert main([*command, "--verbose"]) == 3
    verbose = capsys.readouterr().err
    assert main(command) == 3
    usual = capsys.readouterr().err

    assert "Traceback (most recent call last):" in verbose
    assert verbose.endswith(usual)
    assert usual.count("\n") == 1


def test_the_next_command_is_not_verbose(
    pictures: dict[str, Path], model: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", str(pictures["seven"]), *model]
    main([*command, "--verbose"])
    capsys.readouterr()

    assert main(command) == 0

    assert capsys.readouterr().err == ""


def test_what_the_package_logs_is_printed_as_a_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = logging.getLogger("inkdigits.training.runs")
    with show_log(verbose=False):
        logger.info("replaced in %s", "runs/mine")
        logger.debug("a detail")
    logger.info("after the command")

    assert capsys.readouterr().err == "inkdigits: replaced in runs/mine\n"
