"""The wheel, built and tried away from the checkout."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import inkdigits

PROJECT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def run_python(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("hatchling") is None or not (PROJECT / "pyproject.toml").exists():
        pytest.skip("needs the checkout and hatchling, as 'make install' brings it")
    folder = tmp_path_factory.mktemp("wheel")
    built = run_python(
        "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(PROJECT),
        cwd=folder,
    )  # fmt: skip
    assert built.returncode == 0, built
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed, which comes before the checkout on the path."""
    target = tmp_path_factory.mktemp("installed")
    ended = run_python(
        "-m", "pip", "install", "--no-deps", "--no-index", "--quiet",
        "--disable-pip-version-check", "--target", str(target), str(wheel),
        cwd=target,
    )  # fmt: skip
    assert ended.returncode == 0, ended
    return target


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    assert {
        "inkdigits/recognition/default.onnx",
        "inkdigits/recognition/default.json",
        "inkdigits/py.typed",
    } <= names
    own = {name for name in names if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in own} == {"inkdigits"}
    assert not any("test" in name for name in own)
    page = {name for name in own if name.startswith("inkdigits/web/page/")}
    report = {name for name in own if name.startswith("inkdigits/reporting/")}
    shared = {
        *("inkdigits/presentation/colours.css", "inkdigits/presentation/svg_curves.css"),
        "inkdigits/training/fit/live_curves.html",
    }
    assert shared <= own
    code = own - page - report - shared
    assert {Path(name).suffix for name in code} == {".py", ".bin", ".onnx", ".json", ".typed"}
    assert {Path(name).suffix for name in report} == {
        *(".py", ".css", ".js", ".mjs", ".cs", ".csproj", ".json"),
    }
    assert {Path(name).suffix for name in page} == {".css", ".html", ".js", ".json", ".svg"}
    source = PROJECT / "src"
    assert own == {
        str(path.relative_to(source))
        for path in (source / "inkdigits").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheel_is_of_this_version(wheel: Path) -> None:
    assert wheel.name.startswith(f"inkdigits-{inkdigits.__version__}-")


def test_installed_package_reads_a_picture(
    installed: Path, pictures: dict[str, Path], outside: Path
) -> None:
    where = run_python(
        "-c", "import inkdigits; print(inkdigits.__file__)",
        cwd=outside, PYTHONPATH=str(installed),
    )  # fmt: skip
    read = run_python(
        "-m", "inkdigits", "predict", str(pictures["seven"]),
        cwd=outside, PYTHONPATH=str(installed),
    )  # fmt: skip

    assert Path(where.stdout.strip()).is_relative_to(installed), where
    assert read.returncode == 0, read
    assert read.stdout.startswith("7  (")
    assert read.stderr == ""
