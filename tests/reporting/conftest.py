from __future__ import annotations

from pathlib import Path

import pytest

from inkdigits.reporting import report
from inkdigits.training import Run


@pytest.fixture(scope="session")
def page(smoke_run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of the smoke run on its validation images, with a map of 40."""
    path = tmp_path_factory.mktemp("report") / "smoke.html"
    assert report(smoke_run, output=path, map_digits=40) == path
    assert isinstance(path, Path)
    return path.read_text(encoding="utf-8")
