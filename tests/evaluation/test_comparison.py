from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkdigits.data import LabelledImages
from inkdigits.errors import InkdigitsError, MissingExtraError, ModelError, UsageError
from inkdigits.evaluation import Comparison, compare, evaluate_pictures, score
from inkdigits.evaluation.mcnemar import compute_mcnemar
from inkdigits.evaluation.metrics import compute_interval
from inkdigits.evaluation.suite_result import SuiteResult
from inkdigits.evaluation.suites import SUITE_PICTURES, SUITES
from inkdigits.recognition import DEFAULT_TILE_MODEL, Recognizer
from inkdigits.training import Run


@pytest.fixture(scope="module")
def on_tiles(smoke_run: Run, own_data: Path) -> Comparison:
    """A short run and the default network on 80 test images."""
    return compare(smoke_run.folder, data=own_data)


@pytest.fixture(scope="module")
def folder(test_slice: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six test images as pictures with the labels 0 to 9, one of several digits, and a text."""
    folder = tmp_path_factory.mktemp("labelled")
    rows = ["file,label,kind"]
    for number, label in enumerate(test_slice.labels[:6].tolist()):
        tile = 255 - np.pad(test_slice.images[number], 8)
        Image.fromarray(tile).resize((200, 200)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{label},single")
    (folder / "broken.png").write_text("no picture")
    rows.append("broken.png,007,several")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


def test_each_model_is_scored_as_evaluate_scores_it(
    on_tiles: Comparison, smoke_run: Run, test_slice: LabelledImages
) -> None:
    tiles = test_slice.take(range(80))
    (one,) = on_tiles.sets
    assert on_tiles.models == (str(smoke_run.folder), "default")
    for found, model in zip(one.scores, (smoke_run.folder, DEFAULT_TILE_MODEL), strict=True):
        expected = score(Recognizer.load(model).classify(tiles.images), tiles.labels)
        assert (found.accuracy, found.accuracy_interval) == (
            expected.accuracy,
            expected.accuracy_interval,
        )
        assert found.n - found.right == expected.mistakes
        assert found.accuracy_interval == compute_interval(found.right, 80)
        assert 0 < found.milliseconds < 1_000


def test_pairs_are_counted_on_the_same_pictures(on_tiles: Comparison) -> None:
    (one,) = on_tiles.sets
    (pair,) = one.pairs
    first, second = one.scores

    assert pair.both_right + pair.only_first_right == first.right
    assert pair.both_right + pair.only_second_right == second.right
    assert second.right > first.right
    assert pair.p_value == compute_mcnemar(pair.only_first_right, pair.only_second_right)
    assert len(one.disagreements) >= pair.only_first_right + pair.only_second_right
    assert all(len({answer.text for answer in p.answers}) == 2 for p in one.disagreements)


def test_the_table_has_a_row_for_each_model_and_each_pair(
    on_tiles: Comparison, smoke_run: Run
) -> None:
    scores, _, pairs = str(on_tiles).partition("\n\n")
    run = str(smoke_run.folder)

    words = ["Accuracy", "95 % interval", "Mistakes", "ms each", "Parameters", "Bytes"]
    assert all(word in scores.splitlines()[0] for word in words)
    assert [line.split()[0] for line in scores.splitlines()[-2:]] == [run, "default"]
    assert f"{run} (A), default (B)" in pairs.splitlines()[-1]  # without a note on the reader
    assert repr(on_tiles) == f"Comparison({run} | default, on tiles)"


def test_predictions_are_written_for_each_picture(
    on_tiles: Comparison, test_slice: LabelledImages
) -> None:
    rows = list(csv.DictReader(io.StringIO(on_tiles.to_csv())))
    frame = on_tiles.to_pandas()

    assert [row["true"] for row in rows] == list(map(str, test_slice.labels[:80].tolist()))
    for name, found in zip(on_tiles.models, on_tiles.sets[0].scores, strict=True):
        assert sum(row[name] == row["true"] for row in rows) == found.right
        assert sum(row[f"{name} right"] == "1" for row in rows) == found.right
        assert frame.loc[frame["model"] == name, "right"].sum() == found.right
    assert all(0 <= float(row["default confidence"]) <= 1 for row in rows)


def test_the_report_has_sheets_curves_and_predictions(on_tiles: Comparison, tmp_path: Path) -> None:
    on_tiles.save(tmp_path / "report")

    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        *("comparison.json", "predictions.csv", "disagreements-tiles.png", "curves.png"),
    }
    written = json.loads((tmp_path / "report" / "comparison.json").read_text())
    assert written == json.loads(json.dumps(on_tiles.to_json()))
    assert [row["model"] for row in written["sets"][0]["models"]] == list(on_tiles.models)
    assert (tmp_path / "report" / "predictions.csv").read_text() == on_tiles.to_csv()


def test_suites_and_folders_are_compared_side_by_side(
    read_always: Callable[..., Recognizer], ink_recognizer: Recognizer, folder: Path
) -> None:
    reported: list[tuple[str, int, int]] = []
    models = {"fixed-0": read_always(7), "smoke-0": ink_recognizer}
    comparison = compare(
        *models.values(),
        suite=["digits8x8", "digits8x8"],
        pictures=folder,
        limit=70,
        report_progress=lambda *report: reported.append(report),
    )

    suite, pictures = comparison.sets
    assert (suite.name, pictures.name) == ("digits8x8", str(folder))
    assert reported == [
        *(("digits8x8", done, 70) for done in (64, 70)),
        *((str(folder), done, 7) for done in (1, 7)),
    ]
    for number, model in enumerate(models.values()):
        (row,) = SUITES["digits8x8"](model, limit=70).rows
        assert (suite.scores[number].n, suite.scores[number].right) == (70, row.right)
        results = evaluate_pictures(folder, model).results
        texts = {str(result.picture.path): result.text for result in results}
        assert {p.name: p.answers[number].text for p in pictures.pictures} == texts
        assert pictures.scores[number].right_by_row.keys() == {"single", "several"}
    assert comparison.curves == {}
    last_line = comparison.to_table().splitlines()[-1]
    assert last_line == "Parameters and bytes without the reader, which finds the digits: smoke-0"
    assert "007" in comparison.to_csv()
    assert set(comparison.to_pandas()["true"]) >= {"007", "7"}


@pytest.mark.parametrize("suite", sorted(set(SUITES) - {"digits8x8", "marks"}))
def test_a_suite_is_the_same_as_in_evaluate(
    suite: str, read_always: Callable[..., Recognizer], ink_recognizer: Recognizer
) -> None:
    models = (read_always(7), ink_recognizer)
    (compared,) = compare(*models, suite=suite, limit=1).sets

    for model, found in zip(models, compared.scores, strict=True):
        result: SuiteResult = SUITES[suite](model, limit=1)
        assert found.right_by_row == {row.name: (row.right, row.n) for row in result.rows}


def test_separators_are_compared_as_in_evaluate(
    read_always: Callable[..., Recognizer], ink_recognizer: Recognizer, held_out_fonts: object
) -> None:
    models = (read_always(7), ink_recognizer)
    (compared,) = compare(*models, suite="marks", limit=1).sets

    for model, found in zip(models, compared.scores, strict=True):
        result = SUITES["marks"](model, limit=1)
        assert found.right_by_row == {row.name: (row.right, row.n) for row in result.rows}


def test_every_suite_has_its_pictures() -> None:
    assert set(SUITE_PICTURES) == set(SUITES)


def test_the_first_test_images(smoke_run: Run, own_data: Path) -> None:
    (one,) = compare(smoke_run.folder, data=own_data, limit=5).sets
    assert len(one.pictures) == 5


def test_models_of_every_form_agree(exported: dict[str, Path], own_data: Path) -> None:
    exact = [path for form, path in exported.items() if form != "onnx-int8"]

    (one,) = compare(*exact, data=own_data, limit=10).sets

    assert len({found.right for found in one.scores}) == 1
    assert one.disagreements == ()
    assert {pair.p_value for pair in one.pairs} == {1.0}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"suite": "digit8x8"}, UsageError, "unknown suite 'digit8x8': did you mean 'digits8x8'?"),
        ({"suite": ["mnist", "page"]}, UsageError, "did you mean 'pages'?"),
        ({"models": ["nowhere"]}, ModelError, "no model at nowhere"),
        ({"pictures": "nowhere"}, InkdigitsError, "no folder of pictures at nowhere"),
        ({"data": "nowhere"}, InkdigitsError, "nowhere"),
        ({"limit": 0}, UsageError, "the limit is 0"),
        ({"digits": "two"}, UsageError, "invalid digits 'two'"),
    ],
)
def test_a_wrong_name_is_noticed_before_anything_is_measured(
    arguments: dict[str, str],
    error: type[InkdigitsError],
    message: str,
    read_always: Callable[..., Recognizer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("measured before all names were checked")

    monkeypatch.setattr("inkdigits.evaluation.comparison.measure", fail)
    models = [read_always(1), *arguments.pop("models", [])]

    with pytest.raises(error) as caught:
        compare(*models, **arguments)  # type: ignore[arg-type]

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_reader_does_not_classify_tiles(tmp_path: Path, own_data: Path) -> None:
    for suffix in (".onnx", ".json"):
        shutil.copy(DEFAULT_TILE_MODEL.with_name(f"reader{suffix}"), tmp_path)

    with pytest.raises(UsageError, match="reads whole pictures, not tiles: compare it on a suite"):
        compare(tmp_path / "reader.onnx", data=own_data)


def test_a_report_needs_matplotlib_from_the_start(
    read_always: Callable[..., Recognizer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)

    with pytest.raises(MissingExtraError, match=r"inkdigits\[plot\]"):
        compare(read_always(1), output=tmp_path / "report")

    assert list(tmp_path.iterdir()) == []
