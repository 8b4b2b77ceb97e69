"""Runs the notebook in a new folder, so that its runs are named alike each time, and keeps it.

python docs/run_notebook.py
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import nbclient
import nbformat
from model_stamp import stamp_notebook

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "mnist_classification.ipynb"


def main() -> None:
    """Runs all cells and writes the notebook with their outputs."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "samples", Path(folder) / "samples")
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which differ each time
    stamp_notebook(notebook)
    nbformat.write(notebook, NOTEBOOK)
    print(NOTEBOOK)


if __name__ == "__main__":
    main()
