from __future__ import annotations

import json

import pytest

from inkdigits.cli import main


def test_complete_data_are_listed_with_status_0(
    mnist: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("MNIST in ")
    assert "whole    train-images-idx3-ubyte" in printed.out
    assert printed.err == ""

    assert main(["data", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["whole"] is True
    assert {file["state"] for file in found["files"]} == {"whole"}


def test_incomplete_data_end_with_status_1_and_the_command_that_fetches_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["data", "--data", "nowhere"]) == 1

    printed = capsys.readouterr()
    assert printed.out.count("missing") == 4
    assert printed.err == (
        "inkdigits: MNIST is incomplete: download it with 'inkdigits data --fetch --data nowhere'\n"
    )
