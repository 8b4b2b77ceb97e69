from __future__ import annotations

from pathlib import Path

import pytest

from inkdigits.cli import exit_status, main
from inkdigits.training import Run

FAILURES = (
    exit_status.USAGE,
    exit_status.INPUT,
    exit_status.OUTPUT,
    exit_status.MISSING_EXTRA,
)


class FailingCommand:
    """Runs commands that must fail with one line on stderr and nothing on stdout.

    Attributes:
        status: The exit status of the last command.
    """

    status: int | None = None

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> str:
        """Returns the message, without "inkdigits: " and the end of the line."""
        self.status = main(arguments)
        assert self.status in FAILURES
        printed = self._capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("inkdigits: ")
        assert printed.err.count("\n") == 1
        return printed.err.removeprefix("inkdigits: ").removesuffix("\n")


@pytest.fixture
def fail(capsys: pytest.CaptureFixture[str]) -> FailingCommand:
    return FailingCommand(capsys)


@pytest.fixture(autouse=True)
def _working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands may write into the current folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model(smoke_run: Run) -> list[str]:
    """Options that read with the smoke network."""
    return ["--model", str(smoke_run.folder)]
