"""The pictures and the notebook of the docs were made with the models that are shipped."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from inkdigits.recognition import DEFAULT_MODEL

ROOT = Path(__file__).parents[1]
DRAWN = (
    "docs/images/steps.png",
    "docs/images/page.png",
    "docs/first-ten-minutes.md",
    "notebooks/mnist_classification.ipynb",
)


@pytest.fixture(scope="module")
def stamp() -> ModuleType:
    """The module `docs/model_stamp.py`."""
    spec = importlib.util.spec_from_file_location("model_stamp", ROOT / "docs" / "model_stamp.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", DRAWN)
def test_it_was_drawn_with_the_models_of_the_package(name: str, stamp: ModuleType) -> None:
    folder = Path(DEFAULT_MODEL).parent
    shipped = {
        model: hashlib.sha256((folder / model).read_bytes()).hexdigest()
        for model in ("default.onnx", "reader.onnx")
    }

    assert stamp.read_stamp(ROOT / name) == shipped, "older than the models: run 'make docs'"


def test_the_transcript_shows_no_fault() -> None:
    text = (ROOT / "docs" / "first-ten-minutes.md").read_text(encoding="utf-8")

    assert "Traceback" not in text
    # Of all commands only these fail, on purpose.
    failed = [part.partition("\n")[0] for part in text.split("$ ")[1:] if "[exit status" in part]
    assert failed == [
        "inkdigits trian smoke",
        "inkdigits train --resume runs/smoke --set epochs=4",
        "inkdigits predict photos --csv -",
        "inkdigits compare runs/smok default",
    ]


def test_a_picture_without_a_stamp_is_noticed(stamp: ModuleType, tmp_path: Path) -> None:
    picture = Image.new("RGB", (2, 2))
    picture.save(tmp_path / "bare.png")
    stamp.save_picture(picture, tmp_path / "stamped.png")

    assert stamp.read_stamp(tmp_path / "bare.png") is None
    assert stamp.read_stamp(tmp_path / "stamped.png") == stamp.hash_models()
