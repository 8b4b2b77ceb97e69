"""What `model` may be, in `Recognizer.load`, `predict` and `evaluate`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inkdigits
from inkdigits.data import LabelledImages
from inkdigits.errors import ModelError, PictureTooLargeError, UsageError
from inkdigits.recognition import (
    DEFAULT_MODEL,
    DEFAULT_TILE_MODEL,
    DecodingLimits,
    Recognizer,
    add_shifts,
    combine,
)
from inkdigits.recognition.model_sources import ModelSource
from inkdigits.training import FORMATS, Run

BLANK = np.full((40, 40), 255, np.uint8)


@pytest.fixture(scope="module")
def reader_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reader's run: the reader that comes with inkdigits, as if trained here."""
    folder = tmp_path_factory.mktemp("runs") / "reader"
    folder.mkdir()
    shutil.copy(DEFAULT_MODEL, folder / "model.onnx")
    shutil.copy(DEFAULT_MODEL.with_suffix(".json"), folder / "model.json")
    (folder / "settings.json").write_text('{"recipe": {"kind": "reader"}}')
    return folder


def test_a_run_is_a_model(smoke_run: Run, test_slice: LabelledImages, pictures: Any) -> None:
    tiles = test_slice.images[:20]
    expected = Recognizer.load(smoke_run.onnx_model).classify(tiles)

    for model in (smoke_run, smoke_run.folder, str(smoke_run.folder), [smoke_run]):
        np.testing.assert_array_equal(Recognizer.load(model).classify(tiles), expected)
        assert inkdigits.predict(pictures["seven"], model=model).text == "7"
        assert inkdigits.predict_digit(pictures["seven"], model=model) == 7


@pytest.mark.parametrize("form", FORMATS)
def test_files_of_every_format_are_models(
    form: str, exported: dict[str, Path], smoke_run: Run, test_slice: LabelledImages
) -> None:
    tiles = test_slice.images[:20]

    found = Recognizer.load(exported[form]).classify(tiles)

    tolerance = 0.1 if "int8" in form else 1e-4
    np.testing.assert_allclose(found, Recognizer.load(smoke_run).classify(tiles), atol=tolerance)


def test_a_list_is_an_ensemble(smoke_run: Run, test_slice: LabelledImages) -> None:
    tiles = test_slice.images[:20]
    paths = [smoke_run.folder, DEFAULT_TILE_MODEL]
    members = [Recognizer.load(path) for path in paths]
    expected = combine(members).classify(tiles)

    forms: list[ModelSource] = [paths, tuple(map(str, paths)), members, [smoke_run, members[1]]]
    for models in forms:
        found = Recognizer.load(models)
        np.testing.assert_allclose(found.classify(tiles), expected, atol=1e-6)
        assert inkdigits.predict(test_slice.images[0], model=models).text == "7"


def test_a_recognizer_is_a_model(pictures: dict[str, Path]) -> None:
    recognizer = Recognizer.load(threshold=1.0)

    assert inkdigits.predict(pictures["seven"], model=recognizer).text == ""
    assert Recognizer.load(recognizer).threshold == 1
    assert Recognizer.load(recognizer, threshold=0.25).threshold == 0.25


def test_a_run_of_a_reader_is_a_model(reader_run: Path, pictures: dict[str, Path]) -> None:
    recognizer = Recognizer.load(reader_run)

    assert not recognizer.judges_tiles
    assert not recognizer.has_default_reader
    assert inkdigits.predict(pictures["seven"], model=reader_run).text == "7"


def test_shifts_keep_the_reader_and_the_threshold(
    reader_run: Path, test_slice: LabelledImages
) -> None:
    plain = Recognizer.load(reader_run, threshold=0.25)
    shifted = Recognizer.load(reader_run, shifts=True, threshold=0.25)

    assert shifted.reader.card == plain.reader.card
    assert not shifted.has_default_reader
    assert add_shifts(plain).threshold == shifted.threshold == 0.25
    assert shifted.judges_tiles
    tiles = test_slice.images[:20]
    expected = add_shifts(Recognizer.load(DEFAULT_TILE_MODEL)).classify(tiles)
    np.testing.assert_allclose(shifted.classify(tiles), expected, atol=1e-6)


def test_shifts_are_an_option_of_predict(smoke_run: Run, test_slice: LabelledImages) -> None:
    tile = test_slice.images[0]
    expected = add_shifts(Recognizer.load(smoke_run)).read(tile).confidence

    assert inkdigits.predict(tile, model=smoke_run, shifts=True).confidence == expected
    assert inkdigits.predict(tile, model=smoke_run).confidence != expected
    assert inkdigits.predict_digit(tile, model=smoke_run, shifts=True) == 7


def test_limits_apply_to_every_form(smoke_run: Run) -> None:
    limits = DecodingLimits(max_pixels=1_000)
    for model in (DEFAULT_MODEL, smoke_run, [smoke_run, smoke_run], Recognizer.load()):
        with pytest.raises(PictureTooLargeError):
            Recognizer.load(model, limits=limits).read(BLANK)
    kept = Recognizer.load(limits=limits)
    assert Recognizer.load(kept).limits is limits


def test_models_given_by_paths_are_loaded_once(
    smoke_run: Run, tmp_path: Path, test_slice: LabelledImages
) -> None:
    copy = Path(shutil.copytree(smoke_run.folder, tmp_path / "copy"))
    tile = test_slice.images[0]
    found = inkdigits.predict(tile, model=[copy, smoke_run])
    shutil.rmtree(copy)

    assert inkdigits.predict(tile, model=(str(copy), smoke_run)).confidence == found.confidence


@pytest.mark.parametrize(
    ("choose", "kind", "message"),
    [
        (lambda paths: [], UsageError, "at least one model"),
        (lambda paths: 7, UsageError, "invalid model of type int: expected a path"),
        (lambda paths: None, UsageError, "invalid model of type NoneType"),
        (lambda paths: b"runs/quick", UsageError, "invalid model of type bytes"),
        (lambda paths: [paths["run"], [paths["run"]]], UsageError, "invalid model of type list"),
        (
            lambda paths: [paths["run"], paths["reader"]],
            UsageError,
            "/reader reads whole pictures, but an ensemble is the mean of networks for tiles",
        ),
        (lambda paths: [paths["run"], Recognizer.load()], UsageError, "a recognizer reads whole"),
        (lambda paths: paths["unfinished"], ModelError, "unfinished run: continue it with"),
        (lambda paths: paths["empty"], ModelError, "no model at"),
        (lambda paths: paths["empty"] / "no.onnx", ModelError, "no model at"),
        (lambda paths: paths["empty"] / "no.h5", ModelError, "no model at|no such file"),
    ],
    ids=[
        *("empty", "number", "none", "bytes", "nested", "reader", "recognizer", "unfinished"),
        *("folder", "onnx", "h5"),
    ],
)
def test_anything_else_is_one_line(
    choose: Callable[[dict[str, Path]], Any],
    kind: type[Exception],
    message: str,
    smoke_run: Run,
    reader_run: Path,
    tmp_path: Path,
) -> None:
    paths = {name: tmp_path / name for name in ("unfinished", "empty")}
    for path in paths.values():
        path.mkdir()
    shutil.copy(smoke_run.folder / "settings.json", paths["unfinished"])
    model = choose({**paths, "run": smoke_run.folder, "reader": reader_run})

    for load in (Recognizer.load, lambda model: inkdigits.predict(BLANK, model=model)):
        with pytest.raises(kind, match=message) as caught:
            load(model)
        assert "\n" not in str(caught.value)


def test_the_threshold_is_checked_before_anything_is_read(smoke_run: Run) -> None:
    for model in (smoke_run, Recognizer.load(), [smoke_run, smoke_run]):
        with pytest.raises(UsageError, match=r"invalid threshold 1\.5"):
            Recognizer.load(model, threshold=1.5)
