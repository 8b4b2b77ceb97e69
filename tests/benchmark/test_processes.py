from __future__ import annotations

import sys

import pytest

from inkdigits.benchmark.processes import run_process
from inkdigits.errors import InkdigitsError


def test_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    code = "import sys; print(sys.argv[1], sys.dont_write_bytecode)"

    assert run_process([sys.executable, "-c", code, "seven"]) == "seven False\n"


def test_process_that_fails() -> None:
    code = "import sys; sys.exit('line one\\nno such model')"

    with pytest.raises(InkdigitsError, match=r"status 1 \(no such model\)") as caught:
        run_process([sys.executable, "-c", code])

    assert "\n" not in str(caught.value)
