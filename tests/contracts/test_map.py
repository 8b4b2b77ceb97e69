"""The map of the code in CONTRIBUTING.md names what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import inkdigits

SOURCE = Path(inkdigits.__file__).parent
CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


def list_mapped(title: str) -> list[str]:
    """The backticked path at the start of each row of the table whose first column has a title."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    rows = re.search(rf"^\| {title} \|.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert rows is not None, f"no table {title!r} in CONTRIBUTING.md"
    paths = re.findall(r"^\| `([^`]+)` \|", rows[1], re.MULTILINE)
    return [path.removeprefix("src/inkdigits/") for path in paths]


def list_parts(folder: Path) -> set[str]:
    """The modules and folders that lie in a folder, apart from what Python adds to each."""
    return {
        path.name + "/" * path.is_dir()
        for path in folder.iterdir()
        if (path.is_dir() or path.suffix == ".py") and not path.name.startswith("__")
    }


def test_the_map_names_each_part_of_the_package_once() -> None:
    expected = list_parts(SOURCE)
    for name in ("training/", "web/"):
        expected |= {name + part for part in list_parts(SOURCE / name) if part.endswith("/")}

    assert sorted(list_mapped("where")) == sorted(expected)


@pytest.mark.parametrize("path", list_mapped("beside the package"))
def test_folders_beside_the_package_exist(path: str) -> None:
    assert (CONTRIBUTING.parent / path).is_dir()
