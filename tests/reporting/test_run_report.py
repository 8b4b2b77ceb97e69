"""The report of a run: one file, whose numbers are those of the evaluation."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from inkdigits.data import Mnist, split_validation
from inkdigits.errors import ModelError, UsageError
from inkdigits.evaluation import score
from inkdigits.evaluation.metrics import compute_interval
from inkdigits.recognition import Recognizer
from inkdigits.reporting import report
from inkdigits.training import Run

Python = Callable[..., "subprocess.CompletedProcess[str]"]

SECTIONS = (
    "The network",
    "Training",
    "Each digit",
    "Confusion matrix",
    "Calibration",
    "Worst mistakes",
    "Map of digits",
    "What the layers make of a digit",
    "Filters of the first layer",
    "Images as trained on",
    "Settings, versions and hashes",
)


def load_data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


class Links(HTMLParser):
    """Collects what a page would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Collects addresses that are not data."""
        for name, value in attributes:
            if name in ("src", "href", "srcset", "data") and not str(value).startswith("data:"):
                self.found.append(f"{tag} {name}={value}")


def test_all_sections_are_there_and_nothing_is_loaded(page: str) -> None:
    links = Links()
    links.feed(page)

    assert tuple(re.findall("<h2>(.*?)</h2>", page)) == SECTIONS
    assert links.found == []
    assert not re.search(r"url\((?!data:)|@import|fetch\(|https?://", page)
    assert len(page) < 5_000_000


def test_numbers_are_those_of_the_validation_images(
    page: str, smoke_run: Run, mnist: Mnist
) -> None:
    recognizer = Recognizer.load(smoke_run)
    recipe = recognizer.card.recipe
    _, validation = split_validation(mnist.train, recipe["validation_images"], recognizer.card.seed)
    expected = score(recognizer.classify(validation.images), validation.labels)

    assert f"{100 * expected.accuracy:.2f} %" in page
    assert f"{len(validation):,} validation images of the run" in page
    for digit in range(10):
        right, support = expected.confusion_matrix[digit, digit], expected.per_digit[digit].support
        low, high = compute_interval(int(right), support)
        assert f"{100 * low:.2f} to {100 * high:.2f} %" in page
    counts = {
        (int(label), int(predicted)): int(count)
        for label, predicted, count in re.findall(
            r'data-label="(\d)" data-predicted="(\d)" data-count="(\d+)"', page
        )
    }
    matrix = expected.confusion_matrix
    assert counts == {
        (row, column): int(matrix[row, column])
        for row in range(10)
        for column in range(10)
        if matrix[row, column]
    }


def test_every_misread_image_is_behind_its_cell(page: str, smoke_run: Run, mnist: Mnist) -> None:
    recognizer = Recognizer.load(smoke_run)
    n_validation = recognizer.card.recipe["validation_images"]
    _, validation = split_validation(mnist.train, n_validation, recognizer.card.seed)
    evaluation = score(recognizer.classify(validation.images), validation.labels)
    examples = load_data(page)["examples"]

    shown = {(index, label, read) for index, label, read, _ in examples if label != read}

    assert shown == {(one.index, one.label, one.predicted) for one in evaluation.misread}
    assert all(validation.labels[index] == label for index, label, _, _ in examples)


def test_the_map_shows_as_many_digits_as_asked_for(page: str) -> None:
    data = load_data(page)

    points = re.findall(r"<text class=\"d\d\"", page)
    assert len(points) == len(data["mapped"]) == 40
    assert len(set(data["mapped"])) == 40


def test_a_name_cannot_put_code_into_the_page(smoke_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "<script>alert(1)<" / "run"
    folder.mkdir(parents=True)
    for name in ("model.onnx", "model.json", "settings.json", "history.csv"):
        (folder / name).write_bytes((smoke_run.folder / name).read_bytes())

    written = report(folder, map_digits=0)

    text = written.read_text(encoding="utf-8")
    assert written == folder / "report.html"
    assert "<script>alert" not in text
    assert "Map of digits" not in text
    assert report(folder, map_digits=0) == folder / "report-2.html"


def test_test_images_are_named(smoke_run: Run, tmp_path: Path) -> None:
    path = report(smoke_run, output=tmp_path / "test.html", images="test", map_digits=0)

    assert "Measured on MNIST&#x27;s test images" in path.read_text(encoding="utf-8")


def test_errors_say_what_to_do(smoke_run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'test'"):
        report(smoke_run, images="tests")
    with pytest.raises(UsageError, match="map_digits is 5: expected 0, or at least 10"):
        report(smoke_run, map_digits=5)
    with pytest.raises(ModelError, match="no ONNX model"):
        report(tmp_path)
    card = json.loads(smoke_run.card.read_bytes())
    card["data_sha256"]["train-images-idx3-ubyte"] = "0" * 64
    (tmp_path / "model.json").write_text(json.dumps(card))
    (tmp_path / "model.onnx").write_bytes(smoke_run.onnx_model.read_bytes())
    with pytest.raises(UsageError, match=r"not those of this model: .* \(--images test\)"):
        report(tmp_path)
    card["recipe"] = {"name": "adopted"}
    (tmp_path / "model.json").write_text(json.dumps(card))
    with pytest.raises(UsageError, match="validation images of this model are unknown"):
        report(tmp_path)


def test_importing_loads_no_framework(python: Python) -> None:
    heavy = ("keras", "tensorflow", "matplotlib", "sklearn", "onnx")
    code = f"import sys, inkdigits.reporting; print([m for m in {heavy} if m in sys.modules])"

    ended = python("-c", code)

    assert ended.stdout == "[]\n", ended.stderr
