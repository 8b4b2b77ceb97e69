from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkdigits.errors import UsageError
from inkdigits.evaluation import save_figure
from inkdigits.evaluation.comparison_plots import plot_disagreements, plot_validation
from inkdigits.evaluation.lockstep import Answer, ComparedPicture

MODELS = ("runs/quick", "default")


def make_curves(n_epochs: int, best: float) -> list[dict[str, float]]:
    return [
        {"epoch": epoch, "val_loss": 1 / epoch, "val_accuracy": best - 0.1 / epoch}
        for epoch in range(1, n_epochs + 1)
    ]


def make_picture(true: str, *texts: str) -> ComparedPicture:
    return ComparedPicture("row", "0", true, tuple(Answer(t, 0.9, t == true) for t in texts))


def test_each_run_has_its_curves() -> None:
    names = [f"runs/{number}" for number in range(9)]
    curves = {name: make_curves(3 + n, 0.99) for n, name in enumerate(names)}

    accuracy_axes, loss_axes = plot_validation(curves).axes

    looks = {(line.get_color(), line.get_linestyle()) for line in accuracy_axes.lines}
    assert len(looks) == len(names)
    for axes, key, scale in ((accuracy_axes, "val_accuracy", 100), (loss_axes, "val_loss", 1)):
        assert [line.get_label() for line in axes.lines] == names
        for line, rows in zip(axes.lines, curves.values(), strict=True):
            assert np.asarray(line.get_xdata()).tolist() == [row["epoch"] for row in rows]
            drawn = np.asarray(line.get_ydata()).tolist()
            assert drawn == pytest.approx([scale * row[key] for row in rows])


@pytest.mark.parametrize("curves", [{}, {"runs/quick": []}])
def test_runs_without_epochs(curves: dict[str, list[dict[str, float]]]) -> None:
    with pytest.raises(UsageError, match="expected at least one epoch"):
        plot_validation(curves)


def test_a_sheet_shows_what_each_model_read(tmp_path: Path) -> None:
    grey, colour = np.full((30, 60), 200, np.uint8), np.full((30, 60, 3), 200, np.uint8)
    shown = [
        (make_picture("19\n84", "19\n84", "1934"), grey),
        (make_picture("", "7", ""), colour),
        (make_picture("3", "5", "8" * 40), None),
    ]
    figure = plot_disagreements("suite pages", MODELS, shown, n_disputed=5, n=20)
    save_figure(figure, tmp_path / "sheet.png")

    assert figure.get_suptitle() == (
        "suite pages: 5 of 20 are read differently\n"
        "3 at random, first those that some models read correctly\n"
        "A runs/quick   B default"
    )
    panels = figure.axes[:3]
    assert [axes.get_title() for axes in panels] == ["19 / 84", "no digit", "3"]
    assert [[text.get_text() for text in axes.texts] for axes in panels] == [
        ["✓ A  19 / 84", "✗ B  1934"],
        ["✗ A  7", "✓ B  nothing"],
        ["✗ A  5", f"✗ B  {'8' * 23}…"],
    ]
    assert [len(axes.images) for axes in panels] == [1, 1, 0]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 1_000


def test_models_that_agree() -> None:
    (text,) = plot_disagreements("tiles", MODELS, [], n_disputed=0, n=20).texts
    assert text.get_text() == "tiles\nall 20 are read alike"
