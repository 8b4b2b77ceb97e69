from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from inkdigits.cli import main
from inkdigits.cli.export import FORMAT_ALIASES, FORMAT_NAMES
from inkdigits.training import FORMATS, Run

Fail = Callable[..., str]


def test_the_path_of_the_exported_model_is_printed(
    smoke_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(smoke_run.folder), "--format", "h5", "--output", "net.h5"]) == 0

    assert capsys.readouterr().out == "net.h5\n"
    assert Path("net.h5").is_file()


def test_every_format_is_known() -> None:
    assert set(FORMAT_NAMES) == {*FORMATS, "hub"}  # which is a folder with more than a model


def test_every_alias_stands_for_a_format() -> None:
    assert set(FORMAT_ALIASES) == {"tflite", "saved_model", "tf"}
    assert set(FORMAT_ALIASES.values()) <= set(FORMAT_NAMES)


def test_an_unknown_format_is_refused_with_all_known_ones(fail: Fail) -> None:
    assert fail("export", "nowhere", "--format", "pickle") == (
        "argument --format: unknown format 'pickle': expected one of keras, h5, onnx, onnx-int8, "
        "savedmodel, litert, hub; see 'inkdigits export --help'"
    )


def test_a_source_without_model_is_named(fail: Fail) -> None:
    assert "nowhere" in fail("export", "nowhere", "--format", "h5")
