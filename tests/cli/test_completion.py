"""The script of bash runs in a real bash; scripts of other shells are at least parsed by theirs."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from inkdigits.cli import main
from inkdigits.cli.completion import SHELL_NAMES
from inkdigits.cli.evaluate import SUITE_NAMES
from inkdigits.cli.program import COMMANDS, build_command_parser
from inkdigits.training.recipes import READER_RECIPES, RECIPES

Complete = Callable[[str], list[str]]

# Calls the function that `complete` has registered, as bash does when Tab is pressed.
PRESS_TAB = """
source "$1"
read -ra COMP_WORDS <<< "$2"
[[ $2 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
registered=($(complete -p inkdigits))
for index in "${!registered[@]}"; do
  [[ ${registered[index]} == -F ]] && "${registered[index + 1]}"
done
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The file of each shell's script, as the command prints it."""
    folder = tmp_path_factory.mktemp("scripts")
    files = {}
    for shell in SHELL_NAMES:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            assert main(["completion", shell]) == 0
        files[shell] = folder / f"inkdigits.{shell}"
        files[shell].write_text(printed.getvalue(), encoding="utf-8")
    return files


@pytest.fixture
def complete_in_bash(scripts: dict[str, Path]) -> Complete:
    """Returns what bash offers after the beginning of a command line."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")

    def complete(line: str) -> list[str]:
        ended = subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", PRESS_TAB, "bash", str(scripts["bash"]), line],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert ended.stderr == ""
        return ended.stdout.split()

    return complete


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("inkdigits ", list(COMMANDS)),
        ("inkdigits tr", ["train"]),
        ("inkdigits train --se", ["--set", "--seed"]),
        ("inkdigits train ", [*RECIPES, *READER_RECIPES]),
        ("inkdigits recipes classic-s", ["classic-small-batch"]),
        ("inkdigits evaluate --suite ", list(SUITE_NAMES)),
        ("inkdigits predict --digits ", ["all", "one"]),
        ("inkdigits export runs --format onnx", ["onnx", "onnx-int8"]),
        ("inkdigits benchmark latency --json s", ["size"]),
        ("inkdigits completion ", list(SHELL_NAMES)),
    ],
)
def test_bash_completes_commands_options_and_names(
    line: str, offered: list[str], complete_in_bash: Complete
) -> None:
    assert complete_in_bash(line) == offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("inkdigits predict ", {"scans", "seven.png"}),
        ("inkdigits predict seven.png --json sc", {"scans"}),
        ("inkdigits predict --csv ", {"scans", "seven.png"}),
        ("inkdigits evaluate scans ", {"scans", "seven.png"}),
        ("inkdigits train small --teacher scans ", {"scans", "seven.png"}),
        ("inkdigits train --resume ", {"scans"}),
        ("inkdigits data --data ", {"scans", "seven.png"}),
        ("inkdigits serve --keep-corrections ", {"scans"}),
    ],
)
def test_bash_completes_files_and_folders(
    line: str, offered: set[str], complete_in_bash: Complete, tmp_path: Path
) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "seven.png").touch()

    assert set(complete_in_bash(line)) == offered


@pytest.mark.parametrize("shell", SHELL_NAMES)
def test_each_shell_accepts_its_script(shell: str, scripts: dict[str, Path]) -> None:
    script = scripts[shell].read_text(encoding="utf-8")
    assert all(name in script for name in (*COMMANDS, *SUITE_NAMES, *RECIPES))

    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    ended = subprocess.run(
        [shell, "-n", str(scripts[shell])], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("shell", "marker"), [("zsh", '"*:picture or PDF file'), ("tcsh", "'p/*/f/'")]
)
def test_every_picture_is_completed_and_not_only_the_first(
    shell: str, marker: str, scripts: dict[str, Path]
) -> None:
    assert marker in scripts[shell].read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes_names(scripts: dict[str, Path]) -> None:
    code = "source $argv[1]; complete -C 'inkdigits evaluate --suite m'"

    ended = subprocess.run(
        ["fish", "--no-config", "-c", code, str(scripts["fish"])],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert [line.split("\t")[0] for line in ended.stdout.splitlines()] == ["marks", "mnist"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_argument_that_is_a_path_names_a_kind_that_shells_complete(command: str) -> None:
    paths = [
        action
        for action in build_command_parser(command)._actions
        if getattr(action.type, "__name__", "") in ("Path", "parse_picture_path")
    ]

    assert {path.metavar for path in paths} <= {"DIR", "FILE", "MODEL", "PATH", "PICTURE", "RUN"}


def test_help_says_how_to_install_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["completion", "--help"])

    printed = capsys.readouterr().out
    assert all(f"\n  inkdigits completion {shell} > ~/" in printed for shell in SHELL_NAMES)


def test_an_unknown_shell_is_refused(fail: Callable[..., str]) -> None:
    assert fail("completion", "cmd") == (
        "argument SHELL: unknown shell 'cmd': expected one of bash, zsh, tcsh, fish; "
        "see 'inkdigits completion --help'"
    )
