"""The script that executes the Dockerfile; `make try-image` runs it."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
Parse = Callable[[str], list[tuple[str, str]]]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(PROJECT / "tests" / "try_image.py"))


def test_instructions_are_joined_and_comments_left_out(script: dict[str, Any]) -> None:
    parse: Parse = script["parse_dockerfile"]
    text = (
        "# a comment\nFROM python AS build\nRUN one \\\n && two \\\n# inside\n && three\n\nUSER 7\n"
    )

    assert parse(text) == [
        ("FROM", "python AS build"),
        ("RUN", "one && two && three"),
        ("USER", "7"),
    ]


def test_the_dockerfile_is_that_of_an_unprivileged_service(script: dict[str, Any]) -> None:
    parse: Parse = script["parse_dockerfile"]
    steps = parse((PROJECT / "Dockerfile").read_text(encoding="utf-8"))
    names = [name for name, _ in steps]

    assert names.count("FROM") == 2
    assert int(dict(steps)["USER"]) > 0
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert all(name in names for name in ("HEALTHCHECK", "STOPSIGNAL", "EXPOSE"))


def test_files_are_copied_into_the_stage(script: dict[str, Any], tmp_path: Path) -> None:
    stage = script["Stage"](tmp_path, folder="/build")
    stage.locate(".").mkdir(parents=True)
    script["copy"](stage, ["LICENSE", "./"], {}, {"LICENSE"})

    assert (tmp_path / "build" / "LICENSE").read_bytes() == (PROJECT / "LICENSE").read_bytes()
    with pytest.raises(SystemExit, match=r"\.dockerignore leaves it out"):
        script["copy"](stage, ["Makefile", "./"], {}, {"LICENSE"})


def test_the_service_runs_without_rights(script: dict[str, Any], tmp_path: Path) -> None:
    command = script["Stage"](tmp_path, user=10001).wrap(["true"])

    assert command[:2] == ["chroot", str(tmp_path)]
    assert command[command.index("--reuid") + 1] == "10001"
    assert {"--no-new-privs", "--clear-groups", "--bounding-set=-all"} <= set(command)
