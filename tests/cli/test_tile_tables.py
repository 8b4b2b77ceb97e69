from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inkdigits.cli import main
from inkdigits.data import LabelledImages
from inkdigits.recognition import Recognizer
from inkdigits.training import Run

Fail = Callable[..., str]


def write_table(path: Path, images: np.ndarray, labels: np.ndarray | None = None) -> str:
    """Writes a table with NumPy, with labels first if there are any."""
    rows = images.reshape(-1, 784)
    names = [f"pixel{i}" for i in range(784)]
    if labels is not None:
        rows, names = np.column_stack([labels, rows]), ["label", *names]
    np.savetxt(path, rows, "%d", delimiter=",", header=",".join(names), comments="")
    return str(path)


def test_a_submission_has_the_best_digit_of_each_row(
    test_slice: LabelledImages,
    smoke_run: Run,
    model: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    images = np.concatenate([test_slice.images[:40], np.zeros((1, 28, 28), np.uint8)])
    given = write_table(tmp_path / "test.csv", images)

    assert main(["predict", given, *model, "--csv", "submission.csv"]) == 0

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "inkdigits: wrote submission.csv: 41 rows\n"
    with Path("submission.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    expected = Recognizer.load(smoke_run.folder).classify(images).argmax(axis=1)
    assert rows == [["ImageId", "Label"], *([str(i + 1), str(d)] for i, d in enumerate(expected))]

    assert main(["predict", given, *model]) == 0  # without --csv, the rows are printed
    assert capsys.readouterr().out == Path("submission.csv").read_text(encoding="utf-8")


def test_the_default_model_reads_a_table_with_labels(
    test_slice: LabelledImages, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = write_table(tmp_path / "train.csv", test_slice.images[:30], test_slice.labels[:30])

    assert main(["predict", given]) == 0

    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    read = [int(row["Label"]) for row in rows]
    assert sum(np.array(read) == test_slice.labels[:30]) >= 29


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["other.csv"], "a table of tiles is read alone: expected 1 argument, not 2"),
        (["--json"], "--json is for pictures, not for a table of tiles: leave it out"),
        (["--annotate", "boxes.png"], "--annotate is for pictures"),
        (["--tiles", "tiles.png"], "--tiles is for pictures"),
        (["--digits", "one"], "--digits is for pictures"),
        (["--threshold", "0.5"], "--threshold is for pictures"),
        (["--csv", "test.csv"], "test.csv already exists: choose another file for --csv"),
        (["--csv", "out.csv"], "test.csv has 1 columns (seven), expected 784 pixels"),
    ],
    ids=str,
)
def test_wrong_calls_are_explained(arguments: list[str], message: str, fail: Fail) -> None:
    Path("test.csv").write_text("seven\n")

    assert message in fail("predict", "test.csv", *arguments)
    assert [path.name for path in Path().iterdir()] == ["test.csv"]


def test_a_missing_table_is_named(fail: Fail) -> None:
    assert fail("predict", "nowhere.csv").startswith("nowhere.csv cannot be read (No such file")
