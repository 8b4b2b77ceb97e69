"""A run as a value: in one line, as HTML and as a data frame, whatever state its folder is in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from inkdigits.training import Run


def test_a_finished_run_is_one_line(smoke_run: Run) -> None:
    row = smoke_run.load_history()[-1]
    assert repr(smoke_run) == (
        f"Run({str(smoke_run.folder)!r}, recipe='smoke', seed=0, epochs={row['epoch']:g}, "
        f"val_accuracy={row['val_accuracy']:.4f}, is_finished=True)"
    )


def test_a_dict_has_settings_figures_and_history(smoke_run: Run) -> None:
    values = json.loads(json.dumps(smoke_run.to_dict()))
    assert values["folder"] == str(smoke_run.folder)
    assert values["recipe"]["name"] == "smoke"
    assert values["figures"] == json.loads(smoke_run.card.read_bytes())["figures"]
    assert values["history"] == smoke_run.load_history()


def test_a_data_frame_has_a_row_for_each_epoch(smoke_run: Run) -> None:
    pytest.importorskip("pandas")
    frame = smoke_run.to_pandas()
    history = smoke_run.load_history()
    assert frame["epoch"].tolist() == [row["epoch"] for row in history]
    assert frame["val_loss"].tolist() == [row["val_loss"] for row in history]


def test_html_has_the_curves_and_the_history(smoke_run: Run) -> None:
    html = smoke_run._repr_html_()
    assert "data:image/" in html
    assert "val_accuracy" in html
    assert ">finished<" in html


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("settings.json", "no JSON"),
        ("settings.json", "[1]"),
        ("settings.json", '{"recipe": 7, "seed": null}'),
        ("history.csv", "epoch,loss\n1\n"),
        ("curves.png", "no picture"),
        ("model.json", "{}"),
    ],
)
def test_a_damaged_run_is_still_shown(
    name: str, content: str, smoke_run: Run, tmp_path: Path
) -> None:
    run = Run(Path(shutil.copytree(smoke_run.folder, tmp_path / "run")))
    (run.folder / name).write_text(content)

    assert repr(run).startswith(f"Run({str(run.folder)!r}")
    assert "is_finished=True" in repr(run)
    assert run.folder.name in run._repr_html_()


def test_a_folder_that_is_no_run_is_still_shown(tmp_path: Path) -> None:
    run = Run(tmp_path / "<b>new")
    assert repr(run) == f"Run({str(run.folder)!r}, is_finished=False)"
    assert "&lt;b&gt;new" in run._repr_html_()


def test_the_history_of_a_reader_keeps_its_words(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    (tmp_path / "history.csv").write_text("part,step,loss\ndetector,50,1\njudge,100,0.5\n")
    frame = Run(tmp_path).to_pandas()
    assert frame["part"].tolist() == ["detector", "judge"]
    assert frame["step"].tolist() == [50, 100]
    assert frame["loss"].tolist() == [1.0, 0.5]
    assert len(Run(tmp_path / "missing").to_pandas()) == 0
