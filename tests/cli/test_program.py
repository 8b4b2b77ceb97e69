from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import inkdigits
from inkdigits.cli import main
from inkdigits.cli.program import COMMANDS
from inkdigits.training.recipes import READER_RECIPES, RECIPES

Fail = Callable[..., str]
Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []], ids=" ".join)
def test_help_lists_each_command_with_its_summary(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    printed = capsys.readouterr().out
    assert ended.value.code == 0
    listed = " ".join(printed.partition("\ncommands:\n")[2].split())
    assert all(f"{name} {summary}" in listed for name, summary in COMMANDS.items())


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    printed = capsys.readouterr()
    assert ended.value.code == 0
    assert printed.out.startswith(f"usage: inkdigits {command} ")
    assert f"\n  inkdigits {command}" in printed.out.partition("\nexamples:\n")[2]
    assert printed.err == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["trian"], "unknown command 'trian': did you mean 'train'?"),
        (["predcit", "a.png"], "unknown command 'predcit': did you mean 'predict'?"),
        (
            ["xyzzy"],
            f"unknown command 'xyzzy': expected one of {', '.join(COMMANDS)}; "
            "see 'inkdigits --help'",
        ),
        (["version"], "unknown command 'version': did you mean 'inkdigits --version'?"),
        (["help"], "unknown command 'help': did you mean 'inkdigits --help'?"),
        (
            ["--shifts", "a.png"],
            "option '--shifts' belongs to evaluate, predict, batch: name the command first, as in "
            "'inkdigits evaluate --shifts ...'",
        ),
        (["--verion"], "unknown option '--verion' for 'inkdigits': did you mean '--version'?"),
        (["--xyzzy"], "unknown option '--xyzzy' for 'inkdigits'; see 'inkdigits --help'"),
        (["--xyzzy", "train"], "unknown option '--xyzzy' for 'inkdigits'; see 'inkdigits --help'"),
        (
            ["-"],
            f"unknown command '-': expected one of {', '.join(COMMANDS)}; see 'inkdigits --help'",
        ),
        (["--"], "unknown option '--' for 'inkdigits'; see 'inkdigits --help'"),
    ],
    ids=str,
)
def test_a_misspelt_command_or_option_gets_a_suggestion(
    arguments: list[str], expected: str, fail: Fail
) -> None:
    assert fail(*arguments) == expected


def test_a_picture_in_place_of_the_command_is_told_how_to_be_read(
    fail: Fail, tmp_path: Path
) -> None:
    (tmp_path / "seven.png").touch()

    assert fail("seven.png") == (
        "unknown command 'seven.png': did you mean 'inkdigits predict seven.png'?"
    )


@pytest.mark.parametrize("option", ["--threshold", "--threshold=0.8"])
def test_an_option_before_its_command_is_told_where_it_belongs(option: str, fail: Fail) -> None:
    assert fail(option, "predict", "a.png") == (
        "option '--threshold' must follow the command: inkdigits predict --threshold ..."
    )


def test_python_m_inkdigits_is_the_command(python: Python) -> None:
    ended = python("-m", "inkdigits", "recipes")

    assert ended.returncode == 0
    names = [line.split()[0] for line in ended.stdout.splitlines()]
    assert names == [*RECIPES, *READER_RECIPES]
    assert ended.stderr == ""


def test_version_is_printed_alone(python: Python) -> None:
    ended = python("-m", "inkdigits", "--version")

    assert (ended.stdout, ended.stderr) == (f"inkdigits {inkdigits.__version__}\n", "")


def test_the_process_of_a_wrong_command_ends_with_status_2_and_one_line(python: Python) -> None:
    ended = python("-m", "inkdigits", "train", "clasic")

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert re.fullmatch(r"inkdigits: .*'clasic'.*\n", ended.stderr)


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent differently there")
def test_ctrl_c_ends_with_status_130_and_one_line() -> None:
    code = (
        "import os, signal, sys\n"
        # Processes that a shell started in the background ignore the signal.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import inkdigits.cli.recipes as recipes\n"
        "from inkdigits.cli import main\n"
        "recipes.run = lambda options: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.exit(main(['recipes']))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 130
    assert (ended.stdout, ended.stderr) == ("", "inkdigits: stopped\n")


@pytest.mark.skipif(os.name == "nt", reason="pipes are closed differently there")
@pytest.mark.parametrize("arguments", [["recipes"], ["--help"], ["predict", "--help"]], ids=str)
def test_a_closed_pipe_ends_with_status_141_and_silently(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "inkdigits", *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)

    assert ended.stderr == ""
    assert ended.returncode == 141


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="needs bash")
def test_head_may_close_the_output() -> None:
    command = f"set -o pipefail; {sys.executable} -m inkdigits recipes --json | head -1"
    ended = subprocess.run(
        ["/bin/bash", "-c", command], capture_output=True, text=True, check=False
    )

    assert ended.stdout == "[\n"
    assert ended.stderr == ""
    assert ended.returncode in (0, 141)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["recipes"], ["--help"]], ids=str)
def test_a_full_disk_ends_with_status_4_and_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "inkdigits", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert ended.returncode == 4
    assert "No space left" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_name_that_is_too_long_ends_with_one_line(fail: Fail) -> None:
    assert "File name too long" in fail("evaluate", "x" * 300)
