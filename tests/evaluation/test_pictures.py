from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inkdigits.data import LabelledImages
from inkdigits.evaluation import PictureEvaluation, draw_picture_mistakes, evaluate_pictures
from inkdigits.evaluation.pictures import PictureResult, count_edits

texts = st.text("0123456789", max_size=6)


def count_edits_slowly(text: str, label: str) -> int:
    """The definition, tried out in every way."""
    if not text or not label:
        return len(text) + len(label)
    if text[0] == label[0]:
        return count_edits_slowly(text[1:], label[1:])
    ways = [(text[1:], label), (text, label[1:]), (text[1:], label[1:])]
    return 1 + min(count_edits_slowly(*way) for way in ways)


@given(texts, texts)
def test_edits_are_the_fewest(text: str, label: str) -> None:
    assert count_edits(text, label) == count_edits_slowly(text, label)


@pytest.fixture(scope="module")
def folder(test_slice: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures: of single digits one with a wrong label, a blank one, two that are none."""
    folder = tmp_path_factory.mktemp("labelled")
    rows = ["file,label,kind,group"]
    for number in range(4):
        label = int(test_slice.labels[number])
        Image.fromarray(test_slice.images[number]).resize((140, 140)).save(folder / f"{number}.png")
        shown = label if number else (label + 1) % 10
        rows.append(f"{number}.png,{shown},single,{'ann' if number < 3 else 'bob'}")
    Image.new("L", (90, 60), 240).save(folder / "blank.png")
    (folder / "broken.png").write_text("no picture")
    rows += ["blank.png,none,none,bob", "broken.png,none,none,bob"]
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def evaluation(folder: Path) -> PictureEvaluation:
    return evaluate_pictures(folder)


def test_scores_by_kind_and_source(evaluation: PictureEvaluation) -> None:
    kinds = {score.name: score for score in evaluation.by_kind}
    sources = {score.name: score for score in evaluation.by_source}

    assert (kinds["single"].n, kinds["single"].exact, kinds["single"].digit_errors) == (4, 3, 1)
    assert (kinds["none"].n, kinds["none"].exact, kinds["none"].refused) == (2, 1, 2)
    assert (sources["ann"].n, sources["ann"].exact) == (3, 2)
    assert (sources["bob"].n, sources["bob"].digits) == (3, 1)


def test_calibration_error_is_that_of_the_digits_read(evaluation: PictureEvaluation) -> None:
    single = [result for result in evaluation.results if result.picture.kind == "single"]
    confidences = [result.reading.confidence for result in single if result.reading is not None]
    # All four are surer than 14/15, so that they share a bin; three of them are right.
    assert min(confidences) > 14 / 15

    error = evaluation.expected_calibration_error

    assert error == pytest.approx(abs(sum(confidences) / 4 - 3 / 4))
    assert evaluation.to_json()["expected_calibration_error"] == error
    assert f"{error:.2%}" in evaluation.to_table()
    assert PictureEvaluation(()).expected_calibration_error is None


def test_mistakes_are_listed_with_their_reason(evaluation: PictureEvaluation) -> None:
    wrong, broken = evaluation.mistakes
    assert wrong.picture.path.name == "0.png"
    assert wrong.text not in ("", wrong.picture.label)
    assert broken.error is not None
    assert "broken.png" in broken.error


def test_json_and_table_agree(evaluation: PictureEvaluation) -> None:
    values = json.loads(json.dumps(evaluation.to_json()))
    table = evaluation.to_table()
    assert [row["name"] for row in values["by_kind"]] == ["none", "single"]
    assert len(values["mistakes"]) == 2
    for row in values["by_source"]:
        (line,) = (line for line in table.splitlines() if line.startswith(row["name"] + " "))
        assert f"{row['exact']} ({row['exact'] / row['n']:.1%})" in line


def test_results_are_reported_as_they_come(folder: Path) -> None:
    seen: list[PictureResult] = []
    results = evaluate_pictures(folder, one_digit=True, report=seen.append).results
    assert tuple(seen) == results
    assert all(len(result.text) <= 1 for result in results)


def test_sheet_of_mistakes_shows_each(evaluation: PictureEvaluation) -> None:
    sheet = draw_picture_mistakes(evaluation)
    none = draw_picture_mistakes(PictureEvaluation(evaluation.results[1:4]))
    assert sheet.height == none.height
    assert len(sheet.getcolors(1 << 20) or []) > len(none.getcolors(1 << 20) or [])
