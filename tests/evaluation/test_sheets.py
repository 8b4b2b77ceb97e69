from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from inkdigits.data import LabelledImages
from inkdigits.errors import UsageError
from inkdigits.evaluation import (
    MISTAKE_KINDS,
    PictureEvaluation,
    evaluate_pictures,
    plot_mistake_sheet,
    save_figure,
    write_picture_report,
)


@pytest.fixture(scope="module")
def evaluation(
    test_slice: LabelledImages, tmp_path_factory: pytest.TempPathFactory
) -> PictureEvaluation:
    """Five single digits with a wrong label, a blank page with one, a file that is no picture."""
    folder = tmp_path_factory.mktemp("mistakes")
    rows = ["file,label"]
    for number in range(5):
        Image.fromarray(test_slice.images[number]).resize((140, 140)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{(int(test_slice.labels[number]) + 1) % 10}")
    Image.new("L", (90, 60), 240).save(folder / "blank.png")
    (folder / "broken.png").write_text("no picture")
    rows += ["blank.png,12345678901234567890123456789", "broken.png,none"]
    (folder / "manifest.csv").write_text("\n".join(rows))
    return evaluate_pictures(folder)


@pytest.mark.parametrize(("n", "which"), [(2, ", the first 2"), (40, "")])
def test_a_sheet_shows_label_and_reading(
    evaluation: PictureEvaluation, n: int, which: str, tmp_path: Path
) -> None:
    figure = plot_mistake_sheet(evaluation, "wrong", n=n)
    save_figure(figure, tmp_path / "sheet.png")

    assert figure.get_suptitle().endswith(f"\n5 of 7 pictures{which}")
    panels = [axes for axes in figure.axes if axes.images]
    wrong = sorted(evaluation.results[:5], key=lambda result: -(result.lowest_confidence or 0))
    assert [(axes.get_title(), axes.get_xlabel()) for axes in panels] == [
        (f"{result.picture.label} → {result.text}", result.picture.path.name)
        for result in wrong[:n]
    ]


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("refused", "123456789012345678901… → nothing"),
        ("undecodable", "no digit → no picture"),
    ],
)
def test_what_was_not_read_is_shown_too(
    evaluation: PictureEvaluation, kind: str, title: str
) -> None:
    (panel, *_) = plot_mistake_sheet(evaluation, kind).axes
    assert panel.get_title() == title


def test_no_mistake_of_a_kind_is_said(evaluation: PictureEvaluation) -> None:
    (text,) = plot_mistake_sheet(evaluation, "order").texts
    assert text.get_text().endswith("in none of 7 pictures")


@pytest.mark.parametrize(
    ("kind", "n", "message"),
    [("worng", 4, "unknown kind"), ("wrong", 0, "expected 1")],
)
def test_wrong_use(evaluation: PictureEvaluation, kind: str, n: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plot_mistake_sheet(evaluation, kind, n=n)


def test_a_report_holds_a_sheet_of_each_kind(evaluation: PictureEvaluation, tmp_path: Path) -> None:
    write_picture_report(evaluation, tmp_path / "report")

    names = {path.name for path in (tmp_path / "report").iterdir()}
    sheets = {f"mistakes-{kind}.png" for kind in MISTAKE_KINDS}
    assert names == {"pictures.json", "rejection.png"} | sheets
    written = json.loads((tmp_path / "report" / "pictures.json").read_text())
    assert written == json.loads(json.dumps(evaluation.to_json()))
