"""The notebooks run from their first cell to their last, and were committed after such a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SAMPLES = NOTEBOOKS.parent / "samples"
WORKFLOW = NOTEBOOKS / "mnist_classification.ipynb"
TUTORIAL = sorted(NOTEBOOKS.glob("[1-5]-*.ipynb"))
# What the outputs of each must have, from a run that went as the text says.
EXPECTED = {
    "1-see-the-data": "80.0% of 5,000 validation images",
    "2-logistic-regression": "rate 0.5: loss 0.3",
    "3-a-convolution-by-hand": "parameters: 60",
    "4-the-classic-network": "95 % interval",
    "5-your-own-picture": "1984",
}
# The committed outputs are of the whole training; the same cells on fewer images take seconds.
SHORTENED = {
    "mnist_classification": ('{"epochs": 3}', '{"epochs": 1, "training_images": 3_000}'),
    "4-the-classic-network": (
        "training_images=20_000, epochs=3",
        "training_images=1_000, epochs=1",
    ),
}


def run(path: Path, folder: Path) -> list[str]:
    """Runs a notebook, with less to train on, and returns what each cell prints."""
    shutil.copytree(SAMPLES, folder / "samples")
    notebook = nbformat.read(path, as_version=4)
    if path.stem in SHORTENED:
        long, short = SHORTENED[path.stem]
        (cell,) = [cell for cell in notebook.cells if long in cell.source]
        cell.source = cell.source.replace(long, short)
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()  # raises on a cell that fails
    return [_read_text(cell) for cell in notebook.cells]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_notebook_runs_from_beginning_to_end(tmp_path: Path) -> None:
    texts = run(WORKFLOW, tmp_path)

    assert any("Accuracy" in text and "95 % interval" in text for text in texts)
    assert texts[-1].startswith("7, ")
    assert "with the model that comes with inkdigits: 7" in texts[-1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", TUTORIAL, ids=lambda path: path.stem)
def test_tutorial_runs_from_beginning_to_end(path: Path, tmp_path: Path) -> None:
    texts = run(path, tmp_path)

    assert EXPECTED[path.stem] in "\n".join(texts)


@pytest.mark.parametrize("path", [WORKFLOW, *TUTORIAL], ids=lambda path: path.stem)
def test_committed_notebook_holds_the_outputs_of_a_clean_run(path: Path) -> None:
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    pictures = sum("image/png" in output.get("data", {}) for c in cells for output in c.outputs)
    assert pictures >= (6 if path == WORKFLOW else 2)
    errors = [o for c in cells for o in c.outputs if o.output_type == "error"]
    assert not errors
    assert not [o for c in cells for o in c.outputs if o.get("name") == "stderr"]
    assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize("path", TUTORIAL, ids=lambda path: path.stem)
def test_parts_of_the_tutorial_name_each_other(path: Path) -> None:
    first = nbformat.read(path, as_version=4).cells[0].source

    for other in TUTORIAL:
        assert (f"({other.name})" in first) == (other != path)


def _read_text(cell: nbformat.NotebookNode) -> str:
    outputs = cell.get("outputs", [])
    return "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")
