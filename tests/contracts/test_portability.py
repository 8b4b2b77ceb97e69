"""The package without what Windows and macOS lack; see `other_systems`."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import inkdigits
from tests.contracts.other_systems import CALLS, KEPT, MODULES, SIGNALS

Python = Callable[..., "subprocess.CompletedProcess[str]"]

IMPORT_ALL = """
import importlib, os, pkgutil, signal
assert not hasattr(os, "fork") and not hasattr(signal, "SIGPIPE")
import inkdigits
names = [found.name for found in pkgutil.walk_packages(inkdigits.__path__, "inkdigits.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process without what POSIX alone has."""
    folder = tmp_path_factory.mktemp("hidden")
    shutil.copy(Path(__file__).with_name("other_systems.py"), folder / "sitecustomize.py")
    return {"PYTHONPATH": str(folder), "PYTHONWARNINGS": "error"}


def is_guard(node: ast.AST, *, on_import: bool) -> bool:
    """Whether the body of a statement may use a name that this system lacks."""
    if isinstance(node, ast.Try):
        return True
    if isinstance(node, ast.With):
        called = " ".join(ast.unparse(item.context_expr) for item in node.items)
        return ("ImportError" if on_import else "AttributeError") in called
    return isinstance(node, ast.If) and "hasattr" in ast.unparse(node.test)


def list_unguarded(node: ast.AST) -> Iterator[str]:
    """Yields the uses of what POSIX alone has that no `if`, `try` or `suppress` surrounds."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import) and {name.name for name in child.names} & MODULES:
            if not is_guard(node, on_import=True):
                yield ast.unparse(child)
        elif isinstance(child, ast.ImportFrom) and child.module in MODULES:
            yield ast.unparse(child)
        elif isinstance(child, ast.Attribute) and child.attr in {*SIGNALS, *CALLS, *KEPT}:
            if ast.unparse(child.value) in ("os", "signal"):
                yield ast.unparse(child)
        elif not is_guard(child, on_import=False):
            yield from list_unguarded(child)


def test_the_tests_are_collected_everywhere() -> None:
    """What POSIX alone has is imported with `importorskip`, or inside a test."""
    found = {}
    for path in Path(__file__).parents[1].rglob("*.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        names = {
            name.name for node in body if isinstance(node, ast.Import) for name in node.names
        } | {node.module for node in body if isinstance(node, ast.ImportFrom)}
        if names & MODULES:
            found[path.name] = names & MODULES

    assert found == {}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("os.nice(19)", ["os.nice"]),
        ("with suppress(AttributeError):\n    os.nice(19)", []),
        ("if hasattr(signal, 'SIGALRM'):\n    signal.alarm(1)", []),
        ("def f():\n    import resource", ["import resource"]),
        ("with suppress(ImportError):\n    import resource\n    resource.getpagesize()", []),
        ("signal.signal(signal.SIGPIPE, None)", ["signal.SIGPIPE"]),
    ],
)
def test_unguarded_uses_are_found(code: str, expected: list[str]) -> None:
    assert list(list_unguarded(ast.parse(code))) == expected


def test_nothing_of_posix_alone_is_used_unguarded() -> None:
    source = Path(inkdigits.__file__).parent
    found = {
        str(path.relative_to(source)): uses
        for path in source.rglob("*.py")
        if (uses := list(list_unguarded(ast.parse(path.read_text(encoding="utf-8")))))
    }

    assert found == {}


def test_every_module_is_imported(python: Python, hidden: dict[str, str]) -> None:
    environment = {**hidden, "PYTHONWARNINGS": "default", "TF_CPP_MIN_LOG_LEVEL": "3"}
    ended = python("-c", IMPORT_ALL, **environment)

    assert ended.returncode == 0, ended.stderr
    n_modules = len(list(Path(inkdigits.__file__).parent.rglob("*.py")))
    assert int(ended.stdout.splitlines()[-1]) > 0.8 * n_modules


def test_the_commands_run(
    python: Python, hidden: dict[str, str], pictures: dict[str, Path], tmp_path: Path
) -> None:
    helped = python("-m", "inkdigits", "--help", **hidden)
    rows = tmp_path / "rows.csv"
    read = python(
        "-m", "inkdigits", "predict", str(pictures["seven"]), "--csv", str(rows), **hidden
    )

    assert helped.returncode == 0, helped
    assert read.returncode == 0, read
    assert read.stdout.startswith("7  (")
    assert read.stderr == ""
    assert ",7," in rows.read_text(encoding="utf-8")


@pytest.fixture
def address(hidden: dict[str, str], outside: Path) -> Iterator[str]:
    """The address of a service in such a process, which must end without an error."""
    with subprocess.Popen(
        [sys.executable, "-m", "inkdigits", "serve", "--no-browser", "--port", "0"],
        cwd=outside,
        env={**os.environ, **hidden, "PYTHONWARNINGS": "default"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.readline()
        found = re.search(r"http://\S+:\d+/", printed)
        try:
            if found is not None:
                yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
            printed += process.communicate(timeout=30)[0]
        assert found is not None, printed
        assert "Traceback" not in printed
        assert process.returncode == 130


def test_the_service_reads_a_picture(address: str, pictures: dict[str, Path]) -> None:
    request = urllib.request.Request(
        f"{address}v1/read",
        data=pictures["seven"].read_bytes(),
        headers={"Content-Type": "image/png"},
    )
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert b'"7"' in answer.read()
    assert time.perf_counter() - started < 30
