from __future__ import annotations

import importlib
import inspect
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import inkdigits

Python = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).parents[2]
PACKAGES = ("benchmark", "bulk", "data", "evaluation", "recognition", "sweeps", "training", "web")


def test_names_are_these() -> None:
    """A name that is added or taken away is a decision, which this list records."""
    assert inkdigits.__all__ == [
        "BatchResult",
        "Box",
        "Comparison",
        "Digit",
        "DigitClassifier",
        "Evaluation",
        "InkdigitsError",
        "Mark",
        "PictureEvaluation",
        "Reading",
        "Readings",
        "Recognizer",
        "Run",
        "SuiteResult",
        "Sweep",
        "batch",
        "compare",
        "cross_validate",
        "evaluate",
        "export",
        "find_learning_rate",
        "plot_activations",
        "plot_batch",
        "plot_embedding",
        "plot_filters",
        "predict",
        "predict_digit",
        "report",
        "resume",
        "resume_sweep",
        "sweep",
        "train",
    ]


@pytest.mark.parametrize("name", inkdigits.__all__)
def test_name_is_there(name: str) -> None:
    assert name in dir(inkdigits)
    assert getattr(inkdigits, name).__name__ == name


MODULES = (
    *("benchmark", "data", "errors", "evaluation", "recognition", "synthesis", "training"),
    "web",
)


def test_only_own_names_are_listed(python: Python) -> None:
    """Also after reading, when Python has added the submodules that were imported."""
    code = (
        "import inkdigits\n"
        "inkdigits.predict_digit\n"
        "print(*(name for name in dir(inkdigits) if not name.startswith('_')))\n"
    )

    ended = python("-c", code)

    assert ended.stdout.split() == sorted([*inkdigits.__all__, *MODULES]), ended.stderr


@pytest.mark.parametrize("name", MODULES)
def test_a_bare_import_has_the_module(name: str, python: Python) -> None:
    code = f"import inkdigits; print(inkdigits.{name}.__name__, {name!r} in dir(inkdigits))"

    ended = python("-c", code)

    assert ended.stdout == f"inkdigits.{name} True\n", ended.stderr


def list_mentioned() -> list[str]:
    """Every `inkdigits.something` of README and docs, with its dots; no addresses and files."""
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    found = re.findall(r"(?<![\w./-])inkdigits((?:\.[a-zA-Z_]\w*)+)(?![\w/])", text)
    return sorted({f"inkdigits{names}" for names in found} - {"inkdigits.service"})


def test_names_that_the_docs_mention_are_there(python: Python) -> None:
    mentioned = list_mentioned()
    assert {"inkdigits.predict", "inkdigits.data.fetch_mnist"} <= set(mentioned)
    code = (
        "import sys, inkdigits\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        eval(name)\n"
        "    except AttributeError as error:\n"
        "        print(name, error)\n"
    )

    ended = python("-c", code, *mentioned)

    assert (ended.stdout, ended.stderr) == ("", "")


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="'predcit'"):
        inkdigits.predcit  # type: ignore[attr-defined]  # noqa: B018


def list_public(module: ModuleType) -> list[tuple[str, object]]:
    return [(f"{module.__name__}.{name}", getattr(module, name)) for name in module.__all__]


@pytest.mark.parametrize("package", PACKAGES)
def test_names_of_a_package_are_sorted_and_there(package: str) -> None:
    module = importlib.import_module(f"inkdigits.{package}")

    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def list_documented() -> list[tuple[str, object]]:
    """Every public function and class, and the public methods of the classes."""
    found: dict[str, object] = dict(list_public(inkdigits))
    found["inkdigits.errors.InkdigitsError"] = inkdigits.errors.InkdigitsError
    for package in PACKAGES:
        found |= dict(list_public(importlib.import_module(f"inkdigits.{package}")))
    for name, thing in list(found.items()):
        if inspect.isclass(thing):
            found |= {
                f"{name}.{member}": value
                for member, value in vars(thing).items()
                if not member.startswith("_")
                and (inspect.isfunction(value) or isinstance(value, property | classmethod))
            }
    return [
        (name, thing)
        for name, thing in found.items()
        if callable(thing) or isinstance(thing, property | classmethod)
    ]


@pytest.mark.parametrize(
    ("name", "thing"), [pytest.param(*pair, id=pair[0]) for pair in list_documented()]
)
def test_public_things_are_documented(name: str, thing: object) -> None:
    documentation = vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__

    assert documentation
    assert not documentation.startswith(f"{name.rpartition('.')[2]}(")  # a dataclass' own
