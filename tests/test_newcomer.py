"""The script that follows the first page of the docs, on pages that need no installation."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SHOWN = "fitting   … on 2 cores\nMistakes   92   of 10,000\n7  (> 99.9%)"


@pytest.fixture(scope="module")
def newcomer() -> dict[str, Any]:
    """What `measurements/newcomer.py` defines."""
    return runpy.run_path(str(ROOT / "measurements" / "newcomer.py"))


def follow(newcomer: dict[str, Any], folder: Path, page: str) -> list[Any]:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    place = folder / "checkout"
    place.mkdir()
    outcomes: list[Any] = newcomer["follow"](
        newcomer["list_steps"](page), place, Path(sys.executable)
    )
    return outcomes


def test_the_first_page_installs_reads_trains_and_measures(newcomer: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "start" / "five-minutes.md").read_text(encoding="utf-8")
    steps = newcomer["list_steps"](page)

    assert "pip install '.[train]'" in steps[0].script
    words = ["predict", "predict", "train", "evaluate", "predict"]
    assert all(word in step.script for word, step in zip(words, steps[1:], strict=True))
    assert [bool(step.shown) for step in steps[1:]] == [True, False, True, True, True]


def test_a_block_finds_what_the_one_before_has_made(
    newcomer: dict[str, Any], tmp_path: Path
) -> None:
    page = "```sh\nexport WORD=seven\n```\n\n```console\n$ echo $WORD\nseven\n$ pwd\n```\n"

    outcomes = follow(newcomer, tmp_path, page)

    assert [outcome.problem for outcome in outcomes] == [None, None]
    assert outcomes[1].output.splitlines() == ["seven", str(tmp_path / "checkout")]


def test_python_of_a_page_is_executed_without_the_packages_of_the_caller(
    newcomer: dict[str, Any], tmp_path: Path
) -> None:
    page = (
        "```sh\npython() { python3 -S \"$@\"; }\n```\n```python\nprint('yes')\nimport numpy\n```\n"
    )

    outcomes = follow(newcomer, tmp_path, page)

    assert outcomes[1].output.startswith("yes\n")
    assert "No module named 'numpy'" in outcomes[1].output
    assert outcomes[1].problem == "a command of this block failed"


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ("```sh\nfalse\necho no\n```\n```sh\necho never\n```\n", "a command of this block failed"),
        ("```console\n$ echo 3\n7\n```\n```sh\necho never\n```\n", "the page shows:\n7"),
    ],
)
def test_it_stops_where_the_page_is_wrong(
    newcomer: dict[str, Any], tmp_path: Path, page: str, problem: str
) -> None:
    (outcome,) = follow(newcomer, tmp_path, page)

    assert outcome.problem == problem


@pytest.mark.parametrize(
    ("output", "is_same"),
    [
        ("fitting 98.4 s on 16 cores\nMistakes 101 of 10,000\n7  (98.2%)", True),
        ("a line before\nfitting 2 min on 2 cores\nMistakes 90 of 10,000\n7  (99.0%)\n", True),
        ("fitting 98.4 s on 2 cores\nMistakes 101 of 10,000\n1  (98.2%)", False),
        ("fitting 98.4 s on 2 cores\n7  (98.2%)\nMistakes 101 of 10,000", False),
    ],
)
def test_numbers_that_differ_between_machines(
    newcomer: dict[str, Any], output: str, *, is_same: bool
) -> None:
    assert newcomer["matches"](SHOWN, output) is is_same
