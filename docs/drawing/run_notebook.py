"""Runs the notebooks, each in a new folder, so that its runs are named alike each time.

python docs/drawing/run_notebook.py [NOTEBOOK ...]

Without a name, all notebooks are run. They are kept with their outputs.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat
from model_stamp import stamp_notebook

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"


def main() -> None:
    """Runs the notebooks that the command line names, or all."""
    for path in map(Path, sys.argv[1:]) if sys.argv[1:] else sorted(NOTEBOOKS.glob("*.ipynb")):
        run(path)


def run(path: Path) -> None:
    """Runs all cells and writes the notebook with their outputs."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "samples", Path(folder) / "samples")
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which differ each time
    stamp_notebook(notebook)
    nbformat.write(notebook, path)
    print(path)


if __name__ == "__main__":
    main()
