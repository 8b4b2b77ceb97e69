from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
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


def test_incomplete_data_end_with_status_3_and_the_command_that_fetches_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()

    assert main(["data", "--data", "mine"]) == 3

    printed = capsys.readouterr()
    assert printed.out.count("missing") == 4
    assert printed.err == (
        "inkdigits: MNIST is incomplete: download it with 'inkdigits data --fetch --data mine'\n"
    )


@pytest.mark.parametrize(
    ("path", "kind"), [("nowhere", "folder"), ("deep/nowhere", "folder"), ("train.csv", "file")]
)
@pytest.mark.parametrize("command", [["data"], ["train", "smoke"], ["evaluate"]], ids=str)
def test_data_that_do_not_exist_are_named_as_such(
    command: list[str], path: str, kind: str, fail: Callable[..., str], tmp_path: Path
) -> None:
    assert fail(*command, "--data", path) == (
        f"no such {kind}: {path}; name data that exist, or leave --data out for MNIST"
    )
    assert list(tmp_path.iterdir()) == []


def test_own_data_are_named_by_path_and_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "own.npz", x_test=np.zeros((3, 28, 28), np.uint8), y_test=[1, 2, 3])

    assert main(["data", "--data", "own.npz"]) == 0

    printed = capsys.readouterr()
    assert printed.out == (
        "own.npz (NumPy archive own.npz)\n"
        "  training images           0\n"
        "  test images               3\n"
        "  these are own data, not MNIST\n"
    )
    assert printed.err == ""
    assert main(["data", "--data", "own.npz", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "whole": False,
        "source": "own.npz (NumPy archive own.npz)",
        "training_images": 0,
        "test_images": 3,
    }


def test_own_idx_files_are_not_called_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(
        struct.pack(">IIII", 2051, 2, 28, 28) + bytes(2 * 784)
    )
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, 2) + b"\1\2")

    assert main(["data", "--data", str(tmp_path)]) == 0

    printed = capsys.readouterr().out
    assert printed.startswith(f"{tmp_path} (IDX files)\n")
    assert "test images               2" in printed
    assert "damaged" not in printed


def test_data_that_are_not_understood_are_named(fail: Callable[..., str]) -> None:
    Path("notes.txt").write_text("seven")

    assert fail("data", "--data", ".").startswith("no known data in .: found notes.txt; expected")
