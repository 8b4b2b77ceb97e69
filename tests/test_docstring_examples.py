"""The examples in docstrings print what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import inkdigits

SOURCE = Path(inkdigits.__file__).parent


def list_modules() -> list[str]:
    """The modules with an example; their names, without importing them."""
    return [
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(SOURCE.rglob("*.py"))
        if ">>> " in path.read_text(encoding="utf-8")
    ]


def test_there_are_examples() -> None:
    assert "inkdigits.recognition.prediction" in list_modules()


@pytest.mark.parametrize("name", list_modules())
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SOURCE.parents[1])  # the examples read the sample pictures

    failed, tried = doctest.testmod(importlib.import_module(name), verbose=False)

    assert tried > 0
    assert failed == 0, "see the printed difference"
