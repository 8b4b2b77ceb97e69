"""The notebook runs from its first cell to its last, and was committed after such a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "mnist_classification.ipynb"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_notebook_runs_from_beginning_to_end(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()  # raises on a cell that fails
    texts = [_read_text(cell) for cell in notebook.cells]
    assert any("Accuracy" in text and "95 % interval" in text for text in texts)
    assert texts[-1].startswith("7, ")
    assert "with the model that comes with inkdigits: 7" in texts[-1]


def test_committed_notebook_holds_the_outputs_of_a_clean_run() -> None:
    cells = [c for c in nbformat.read(NOTEBOOK, as_version=4).cells if c.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert sum("image/png" in output.get("data", {}) for c in cells for output in c.outputs) >= 6
    errors = [o for c in cells for o in c.outputs if o.output_type == "error"]
    assert not errors
    assert not [o for c in cells for o in c.outputs if o.get("name") == "stderr"]


def _read_text(cell: nbformat.NotebookNode) -> str:
    outputs = cell.get("outputs", [])
    return "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")
