"""What suites measure with is not what networks learn from, read from the imports themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import inkdigits

SOURCE = Path(inkdigits.__file__).parent
KEPT = {"held_out_marks", "corruptions"} | {
    path.stem for path in (SOURCE / "synthesis").glob("suite_*.py")
}
"""Modules of `inkdigits.synthesis` that only the evaluation may use."""
MAY_NOT_IMPORT = sorted(
    str(path.relative_to(SOURCE))
    for part in ("synthesis", "training")
    for path in (SOURCE / part).rglob("*.py")
    if part == "training" or path.stem not in KEPT
)


def find_kept(source: str) -> set[str]:
    """Modules of `KEPT` that a module's text imports anywhere."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    beyond = [name.removeprefix("inkdigits.synthesis.").partition(".")[0] for name in names]
    return KEPT & set(beyond)


@pytest.mark.parametrize("module", MAY_NOT_IMPORT)
def test_training_sees_nothing_that_suites_measure_with(module: str) -> None:
    assert not find_kept((SOURCE / module).read_text(encoding="utf-8"))


def test_the_kept_modules_are_there() -> None:
    assert {path.stem for path in (SOURCE / "synthesis").glob("*.py")} > KEPT
    assert {"suite_pages", "suite_marks"} <= KEPT
    assert "training/samples/tile_epochs.py" in MAY_NOT_IMPORT
    assert "synthesis/outlier_tiles.py" in MAY_NOT_IMPORT


def test_fonts_held_out_are_for_measuring_alone() -> None:
    """Training fetches them to validate with, and draws no page to learn from with them."""
    naming = {
        str(path.relative_to(SOURCE))
        for part in ("synthesis", "training")
        for path in (SOURCE / part).rglob("*.py")
        if names_held_out(path.read_text(encoding="utf-8"))
    }
    assert naming == {"synthesis/suite_marks.py"}


def names_held_out(source: str) -> bool:
    """Whether a module's code has the name of the fonts' part that is kept from training."""
    constants = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return any(constant.value == "held-out" for constant in constants)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from inkdigits.synthesis.held_out_marks import HELD_OUT_KINDS", {"held_out_marks"}),
        ("from inkdigits.synthesis import corruptions as other", {"corruptions"}),
        ("def f():\n    import inkdigits.synthesis.suite_pages", {"suite_pages"}),
        ("from inkdigits.synthesis.pages import suite_pages_too", set()),
        ("from inkdigits.synthesis.pens import bend", set()),
    ],
)
def test_imports_are_found(source: str, found: set[str]) -> None:
    assert find_kept(source) == found
