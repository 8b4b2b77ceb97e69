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
TRANSCRIPTS = (
    "docs/start/five-minutes.md",
    "docs/tutorials/learning.md",
    "docs/tutorials/building.md",
    "docs/tutorials/comparing.md",
)
DRAWN = (
    "docs/images/steps.png",
    "docs/images/page.png",
    "docs/images/page.webp",
    "docs/images/tutorials/learning-curves.png",
    "docs/images/tutorials/learning-confusion-matrix.png",
    "docs/images/tutorials/learning-mistakes.png",
    "docs/images/tutorials/learning-boxes.png",
    "docs/images/tutorials/building-boxes.png",
    "docs/images/tutorials/comparing-disagreements.png",
    *TRANSCRIPTS,
    "notebooks/mnist_classification.ipynb",
    "notebooks/5-your-own-picture.ipynb",
)


@pytest.fixture(scope="module")
def stamp() -> ModuleType:
    """The module `docs/drawing/model_stamp.py`."""
    path = ROOT / "docs" / "drawing" / "model_stamp.py"
    spec = importlib.util.spec_from_file_location("model_stamp", path)
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


def test_the_transcripts_show_no_fault() -> None:
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in TRANSCRIPTS)

    assert "Traceback" not in text
    # Of all commands only these fail, on purpose.
    parts = text.split("\n$ ")[1:]
    failed = [part.partition("\n")[0] for part in parts if "[exit status" in part]
    assert failed == [
        "inkdigits trian quick",
        "inkdigits train --resume runs/quick --set epochs=4",
        "inkdigits predict photos --csv -",
        "inkdigits predict photos --save",
        "inkdigits compare runs/quik default",
    ]


def test_every_picture_of_the_docs_is_checked() -> None:
    pictures = (ROOT / "docs" / "images").rglob("*.*")

    assert {path.relative_to(ROOT).as_posix() for path in pictures} <= set(DRAWN)


def test_the_moving_picture_is_small() -> None:
    path = ROOT / "docs" / "images" / "page.webp"
    with Image.open(path) as film:
        assert getattr(film, "n_frames", 1) > 20
    assert path.stat().st_size < 1_500_000


def test_a_picture_without_a_stamp_is_noticed(stamp: ModuleType, tmp_path: Path) -> None:
    picture = Image.new("RGB", (2, 2))
    for bare in ("bare.png", "bare.webp"):
        picture.save(tmp_path / bare)
    stamp.save_picture(picture, tmp_path / "stamped.png")
    stamp.save_animation([picture, picture.rotate(90)], [100, 100], tmp_path / "stamped.webp")

    for suffix in (".png", ".webp"):
        assert stamp.read_stamp(tmp_path / f"bare{suffix}") is None
        assert stamp.read_stamp(tmp_path / f"stamped{suffix}") == stamp.hash_models()
