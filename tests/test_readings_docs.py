"""The Python of docs/reference/readings.md runs as it stands, and does what its comments say."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inkdigits.data import Mnist

ROOT = Path(__file__).parents[1]


def test_the_examples_run(mnist: Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib")
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "reference" / "readings.md").read_text(), re.DOTALL
    )
    assert len(blocks) == 3
    names: dict[str, Any] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            exec(compile(block, "readings.md", "exec"), names)

    lines = printed.getvalue().splitlines()
    assert lines[0].startswith("Reading('1984', confidence=0.992")
    assert lines[2] == "True"
    with Image.open("boxes.png") as drawn, Image.open("samples/1984-on-ruled-paper.jpg") as before:
        assert drawn.size == before.size
    assert len(list(Path("readings/annotated").iterdir())) == len(names["readings"]) == 11
    assert names["evaluation"].mistakes == len(names["evaluation"].misread)
