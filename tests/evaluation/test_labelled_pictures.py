from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from inkdigits.data import LabelledImages
from inkdigits.data.pictures import LabelledPicture
from inkdigits.errors import UsageError
from inkdigits.evaluation import PictureEvaluation, evaluate_pictures
from inkdigits.evaluation.labelled_pictures import MistakeCount, PictureResult


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
    is_right = [result.text == result.picture.label for result in single]
    assert sum(is_right) == 3
    bins: dict[int, list[float]] = {}
    for confidence, right in zip(confidences, is_right, strict=True):
        bins.setdefault(math.ceil(15 * confidence), []).append(confidence - right)

    error = evaluation.expected_calibration_error

    assert error == pytest.approx(sum(abs(sum(gaps)) for gaps in bins.values()) / 4)
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


def test_more_errors_than_digits_are_no_share(evaluation: PictureEvaluation) -> None:
    """Digits that were added count as errors, too."""
    right = evaluation.results[1]
    assert right.reading is not None
    tripled = replace(right, reading=replace(right.reading, found=right.reading.found * 3))

    table = PictureEvaluation((tripled,)).to_table()

    assert "2 in 1 digit " in table
    assert "200" not in table


def test_progress_is_reported_picture_by_picture(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    evaluation = evaluate_pictures(
        folder, digits="one", report_progress=lambda done, n: seen.append((done, n))
    )
    assert seen == [(done, 6) for done in range(1, 7)]
    assert all(len(result.text) <= 1 for result in evaluation.results)
    names = [result.picture.path.name for result in evaluation.results]
    assert names == ["0.png", "1.png", "2.png", "3.png", "blank.png", "broken.png"]


def test_mistakes_are_counted_by_kind(evaluation: PictureEvaluation) -> None:
    expected = (MistakeCount("wrong", 1, 1), MistakeCount("undecodable", 1, 0))
    assert evaluation.by_mistake == expected
    kinds = {score.name: score.mistakes for score in evaluation.by_kind}
    assert kinds == {"single": expected[:1], "none": expected[1:]}
    (confusion,) = evaluation.confusions
    wrong = evaluation.mistakes[0]
    assert (str(confusion.true), str(confusion.read)) == (wrong.picture.label, wrong.text)
    assert f"{confusion.true} as {confusion.read}: 1" in evaluation.to_table()
    assert "a digit that was read as another digit" in evaluation.to_table()
    assert evaluation.to_json()["mistakes"][0]["kinds"] == {"wrong": 1}


def test_the_least_confident_digit_decides(evaluation: PictureEvaluation) -> None:
    read = [result for result in evaluation.results if result.text]
    assert {result.lowest_confidence for result in evaluation.results if not result.text} == {None}
    for result in read:
        assert result.reading is not None
        assert result.lowest_confidence == pytest.approx(result.reading.confidence)  # of one digit
    points = evaluation.rejection.points
    assert (points[0].n, points[0].kept, points[0].exact) == (6, 4, 3)
    assert evaluation.rejection.describe() in evaluation.to_table()
    # With the wrong label alone there is nothing to keep.
    assert PictureEvaluation(evaluation.results[:1]).rejection.recommended is None


def test_the_target_is_checked_first(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the target is 2"):
        evaluate_pictures(tmp_path / "nowhere", target=2)


def test_nothing_was_measured() -> None:
    assert "nothing was read" in PictureEvaluation(()).to_table()
    broken = PictureResult(LabelledPicture(Path("a.png"), "12", "several", "ann"), None, "broken")
    assert broken.mistakes == {"undecodable": 2}
    assert not broken.is_exact
