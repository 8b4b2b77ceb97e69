"""The comparison with general OCR packages, on pictures drawn here."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from inkdigits.data import LabelledImages

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "measurements" / "compare_ocr.py"
ENVIRONMENT = ROOT / "build" / "ocr"

Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """What `compare_ocr.py` defines."""
    return runpy.run_path(str(SCRIPT))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two printed numbers, a blank page, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("printed")
    for text in ("4071", "2 358.-"):
        page = np.full((120, 420), 255, np.uint8)
        cv2.putText(page, text, (40, 80), cv2.FONT_HERSHEY_SIMPLEX, 2, 0, 4, cv2.LINE_AA)
        Image.fromarray(page).save(folder / f"{text[0]}.png")
    Image.new("L", (200, 100), 255).save(folder / "blank.png")
    (folder / "broken.png").write_text("no picture")
    rows = ("file,label,kind", "4.png,4071,plain", "2.png,2358,signs", "blank.png,none,none")
    (folder / "manifest.csv").write_text("\n".join((*rows, "broken.png,1,broken")))
    return folder


def place(x: float, y: float, text: str) -> dict[str, Any]:
    return {"text": text, "box": [x - 5, y - 5, 10, 10]}


@pytest.mark.parametrize(
    ("answer", "one_digit", "text"),
    [
        ({"text": "Nr 1.984,-"}, False, "1984"),
        ({"text": "none"}, False, ""),
        ({"text": "²½٣4"}, False, "4"),  # other scripts' digits and fractions are none of ours
        ({"characters": [place(20, 50, "3"), place(55, 45, "7"), place(90, 50, "1")]}, True, "7"),
        ({"characters": [place(50, 50, "x"), place(20, 5, "3")]}, True, "3"),
        ({"characters": []}, True, ""),
        ({"characters": [{"text": text, "box": None} for text in "(7)1"]}, True, "1"),
        ({"characters": [{"text": text, "box": None} for text in "4.8-5"]}, True, "8"),
    ],
)
def test_digits_that_count(
    script: dict[str, Any], answer: dict[str, Any], one_digit: bool, text: str
) -> None:
    found = script["take_digits"]({"seconds": 0.5, "size": [100, 100], **answer}, one_digit)
    assert (found.text, found.seconds, found.error) == (text, 0.5, None)


def test_scores_are_sums_over_the_pictures(script: dict[str, Any]) -> None:
    names = ("set", "kind", "engine", "label", "text", "seconds", "error")
    rows = [
        dict(zip(names, ("a", kind, "e", label, text, seconds, error), strict=True))
        for kind, label, text, seconds, error in (
            ("x", "123", "123", 1, None),
            ("x", "123", "13", 2, None),
            ("x", "4", "", None, "broken"),
            ("y", "", "", 9, None),
            ("y", "", "7", 4, None),
        )
    ]
    scores = {row["kind"]: row for row in script["score"](rows)}
    assert [scores["x"][key] for key in ("pictures", "exact", "digit_errors")] == [3, 1, 2]
    assert scores["x"]["digit_error_rate"] == pytest.approx(2 / 7)
    assert (scores["x"]["failed"], scores["x"]["median_seconds"]) == (1, 1.5)
    assert (scores["y"]["exact"], scores["y"]["digit_error_rate"]) == (1, None)
    assert [scores["all"][key] for key in ("pictures", "exact", "median_seconds")] == [5, 2, 3]


@pytest.mark.parametrize(("limit", "expected"), [(None, 7), (9, 7), (7, 7), (3, 3), (1, 1)])
def test_a_limit_takes_pictures_from_everywhere(
    script: dict[str, Any], limit: int | None, expected: int
) -> None:
    chosen = script["thin_out"](list(range(7)), limit)
    assert len(set(chosen)) == expected
    assert chosen == sorted(chosen)
    gaps = np.diff([*chosen, 7])
    assert max(gaps) - min(gaps) <= 1


def test_missing_engines_are_skipped(python: Python, folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(folder), "--ocr", str(tmp_path)]
    ended = subprocess.run(
        [*command, "--engines", "rapidocr", "tesseract"],
        capture_output=True, text=True, check=False, env={"PATH": str(tmp_path)},
    )  # fmt: skip
    assert ended.returncode == 1
    first, second, last = ended.stderr.splitlines()
    assert first.startswith("rapidocr is skipped: no ")
    assert "make ocr" in first
    assert second.startswith("tesseract is skipped: no program")
    assert last == "none of the engines rapidocr, tesseract is installed"


def read_printed(python: Python, folder: Path, engine: str) -> dict[str, dict[str, Any]]:
    """The rows of one engine by the names of the files."""
    command = [str(SCRIPT), str(folder), "--ocr", str(ENVIRONMENT), "--engines", engine, "--json"]
    ended = python(*command)
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert list(result["engines"]) == [engine]
    assert {row["kind"] for row in result["scores"]} == {"plain", "signs", "none", "broken", "all"}
    return {row["file"]: row for row in result["pictures"]}


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param(
            "rapidocr",
            marks=pytest.mark.skipif(
                not (ENVIRONMENT / "bin" / "python").is_file(), reason="'make ocr' was not run"
            ),
        ),
        pytest.param(
            "tesseract",
            marks=pytest.mark.skipif(
                shutil.which("tesseract") is None, reason="Tesseract is not installed"
            ),
        ),
    ],
)
def test_peers_read_print(python: Python, folder: Path, engine: str) -> None:
    rows = read_printed(python, folder, engine)
    # A peer that cannot read this is not set up as it should be.
    assert [rows[name]["text"] for name in ("4.png", "blank.png")] == ["4071", ""]
    assert rows["2.png"]["text"].startswith("2358")
    assert all(rows[name]["seconds"] >= 0 for name in ("4.png", "2.png", "blank.png"))
    assert rows["broken.png"]["error"]
    assert rows["broken.png"]["seconds"] is None


def test_inkdigits_is_compared_too(
    python: Python, test_slice: LabelledImages, tmp_path: Path
) -> None:
    rows = ["file,label"]
    for number in range(4):
        Image.fromarray(test_slice.images[number]).resize((140, 140)).save(
            tmp_path / f"{number}.png"
        )
        rows.append(f"{number}.png,{test_slice.labels[number]}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))

    ended = python(str(SCRIPT), "--one", str(tmp_path), "--engines", "inkdigits")

    assert ended.returncode == 0, ended.stderr
    total = ended.stdout.splitlines()[-1].split()
    assert total[:5] == [tmp_path.name, "all", "4", "100.0%", "0.0%"]
