"""Which part of inkdigits may import which, read from the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import inkdigits

SOURCE = Path(inkdigits.__file__).parent
SHARED = {"errors", "files", "percentages", "presentation", "suggestions", "text_tables"}
READING = SHARED | {"pictures", "results", "recognition"}
MAY_IMPORT = {
    "errors": set(),
    "files": {"errors"},
    "allocator": set(),
    "ray_clusters": {"errors"},
    "percentages": set(),
    "presentation": {"errors", "presentation"},
    "suggestions": set(),
    "text_tables": set(),
    "data": SHARED | {"data"},
    "pictures": SHARED | {"pictures"},
    "results": SHARED | {"pictures", "results"},
    "recognition": READING | {"model_formats"},
    "synthesis": READING | {"data", "synthesis"},
    "evaluation": READING | {"data", "synthesis", "evaluation"},
    "training": READING | {"data", "synthesis", "evaluation", "training"},
    "bulk": READING | {"allocator", "ray_clusters", "bulk"},
    "sweeps": READING | {"ray_clusters", "evaluation", "training", "sweeps"},
    "reporting": READING
    | {"model_formats", "__init__", "data", "synthesis", "evaluation", "training", "reporting"},
    "benchmark": READING | {"data", "evaluation", "training", "benchmark"},
    # The gallery and the check of corrections need data.
    "web": READING | {"allocator", "__init__", "data", "web"},
}
# These touch every plane, but none before it is asked for: at the top only what costs nothing.
ON_DEMAND = {
    "__init__": set(),
    "__main__": {"cli"},
    "cli": {"__init__", "cli", "errors", "model_formats", "percentages", "suggestions"},
    "model_formats": set(),  # where reading meets training, for models that need Keras
}


# The parts of `inkdigits.training`: each imports only itself and those before it.
TRAINING_PARTS = (
    "recipes",
    "run_views",
    "runs",
    "networks",
    "samples",
    "model_files",
    "fit",
    "__init__",
)


def list_imports(
    tree: ast.AST, *, inside_functions: bool, package: str = "inkdigits"
) -> Iterator[str]:
    """Yields the parts of a package that are imported, except by imports for type checking only."""
    folder = SOURCE.parent.joinpath(*package.split("."))
    for name in list_imported_names(tree, inside_functions=inside_functions):
        if f"{name}.".startswith(f"{package}."):
            part = name.removeprefix(f"{package}").removeprefix(".").partition(".")[0]
            is_part = bool(part) and ((folder / part).is_dir() or (folder / f"{part}.py").is_file())
            yield part if is_part else "__init__"


def list_imported_names(tree: ast.AST, *, inside_functions: bool) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not inside_functions:
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import on line {node.lineno}"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from names
        yield from list_imported_names(node, inside_functions=inside_functions)


def list_modules() -> list[str]:
    return sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py"))


@pytest.mark.parametrize("module", list_modules())
def test_imports(module: str) -> None:
    part = Path(module).parts[0].removesuffix(".py")
    on_demand = part in ON_DEMAND
    tree = ast.parse((SOURCE / module).read_text(encoding="utf-8"))

    imported = set(list_imports(tree, inside_functions=not on_demand))

    assert imported <= (ON_DEMAND if on_demand else MAY_IMPORT)[part]


@pytest.mark.parametrize("path", sorted((SOURCE / "training").rglob("*.py")), ids=str)
def test_parts_of_training_import_in_one_direction(path: Path) -> None:
    part = path.relative_to(SOURCE / "training").parts[0].removesuffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))

    imported = set(list_imports(tree, inside_functions=True, package="inkdigits.training"))

    assert imported <= set(TRAINING_PARTS[: TRAINING_PARTS.index(part) + 1])


def test_every_part_has_its_rule() -> None:
    parts = {Path(module).parts[0].removesuffix(".py") for module in list_modules()}

    assert parts == set(MAY_IMPORT) | set(ON_DEMAND)
    training = {path.stem for path in (SOURCE / "training").iterdir()} - {"__pycache__"}
    assert training == set(TRAINING_PARTS)


@pytest.mark.parametrize(
    ("code", "everywhere", "at_the_top"),
    [
        ("import inkdigits.cli", {"cli"}, {"cli"}),
        ("import inkdigits.data.idx as idx", {"data"}, {"data"}),
        ("from inkdigits import __version__", {"__init__"}, {"__init__"}),
        ("from inkdigits import data", {"data"}, {"data"}),
        ("from inkdigits.recognition.card import Card", {"recognition"}, {"recognition"}),
        ("import numpy, inkdigits_other", set(), set()),
        ("def f():\n    from inkdigits.training import train", {"training"}, set()),
        ("try:\n    import inkdigits.files\nexcept ImportError:\n    pass", {"files"}, {"files"}),
        ("if TYPE_CHECKING:\n    from inkdigits.training import Run", set(), set()),
        ("class A:\n    import inkdigits.data", {"data"}, {"data"}),
    ],
)
def test_imports_are_found(code: str, everywhere: set[str], at_the_top: set[str]) -> None:
    tree = ast.parse(code)

    assert set(list_imports(tree, inside_functions=True)) == everywhere
    assert set(list_imports(tree, inside_functions=False)) == at_the_top


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import inkdigits.training.runs", {"runs"}),
        ("from inkdigits.training import train", {"__init__"}),
        ("import inkdigits.training", {"__init__"}),
        ("from inkdigits.training import runs", {"runs"}),
        ("from inkdigits.training.recipes.layers import Layer", {"recipes"}),
        ("def f():\n    from inkdigits.training.fit import interruption", {"fit"}),
        ("import inkdigits.trainings, inkdigits.data", set()),
    ],
)
def test_imports_of_training_are_found(code: str, expected: set[str]) -> None:
    found = list_imports(ast.parse(code), inside_functions=True, package="inkdigits.training")

    assert set(found) == expected
