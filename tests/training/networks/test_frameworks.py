from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest

from inkdigits.errors import UsageError
from inkdigits.training.networks.frameworks import hold_native_stderr, load_keras

ABSENT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from inkdigits.cli import main
sys.exit(main(["train", "smoke"]))
"""


def test_an_unknown_backend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "pytorch")

    with pytest.raises(UsageError, match="KERAS_BACKEND=pytorch: expected tensorflow, torch or"):
        load_keras()


def test_a_backend_that_is_not_installed_names_its_extra(
    python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    ended = python("-c", ABSENT, KERAS_BACKEND="torch")

    assert ended.returncode == 5
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert "torch is not installed" in ended.stderr
    assert 'pip install "inkdigits[torch]"' in ended.stderr


def fail_with_a_reason() -> None:
    with hold_native_stderr():
        os.write(2, b"the reason\n")
        raise ZeroDivisionError


def test_native_stderr_is_shown_only_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with hold_native_stderr():
        os.write(2, b"about the delegate\n")
    with pytest.raises(ZeroDivisionError):
        fail_with_a_reason()

    assert capfd.readouterr().err == "the reason\n"
