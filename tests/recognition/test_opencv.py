"""OpenCV is optional, and any of its packages will do."""

from __future__ import annotations

import importlib
import logging
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from inkdigits.errors import MissingExtraError
from inkdigits.recognition import opencv

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the only packages of OpenCV are those that a test puts there."""
    opencv.find_opencv()
    opencv.load_opencv.cache_clear()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def install(folder: Path, name: str) -> None:
    metadata = folder / f"{name.replace('-', '_')}-5.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 5.0\n", encoding="utf-8")


@pytest.mark.parametrize("name", opencv.PACKAGES)
def test_each_package_will_do(name: str, packages: Path, caplog: pytest.LogCaptureFixture) -> None:
    install(packages, name)
    with caplog.at_level(logging.WARNING):
        assert opencv.load_opencv().__name__ == "cv2"
    assert caplog.messages == []


def test_two_packages_are_reported_in_one_line(
    packages: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(packages, "opencv-python")
    install(packages, "opencv-python-headless")
    opencv.load_opencv()
    opencv.load_opencv()

    (message,) = caplog.messages
    assert message.startswith("opencv-python-headless and opencv-python are installed")
    assert "pip uninstall -y opencv-python-headless opencv-python && pip install" in message


def test_without_opencv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    opencv.load_opencv.cache_clear()
    monkeypatch.setitem(sys.modules, "cv2", None)

    with pytest.raises(MissingExtraError, match=r'needs OpenCV .*"inkdigits\[opencv\]"'):
        opencv.load_opencv()


def test_reading_does_without_an_opencv_that_cannot_be_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """opencv-python needs libraries that a server may lack."""

    def fail(name: str) -> None:
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", fail)
    opencv.find_opencv.cache_clear()
    try:
        assert opencv.find_opencv() is None
    finally:
        opencv.find_opencv.cache_clear()


def test_an_attribute_that_opencv_lacks_is_missing_as_usual() -> None:
    with pytest.raises(AttributeError, match="no attribute 'resise'"):
        getattr(opencv.cv2, "resise")  # noqa: B009


def list_needed(extra: str | None) -> set[str]:
    """Names of what an extra, or the default install, brings directly or by other extras."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    needed = set()
    for requirement in map(Requirement, lines):
        needed.add(requirement.name)
        for other in requirement.extras if requirement.name == "inkdigits" else ():
            needed |= list_needed(other)
    return needed


@pytest.mark.parametrize("extra", [None, "networks", "plot", "serve", "formats"])
def test_opencv_is_not_brought_beside_that_of_the_user(extra: str | None) -> None:
    assert not list_needed(extra) & set(opencv.PACKAGES)


@pytest.mark.parametrize("extra", ["opencv", "train", "report", "all"])
def test_what_draws_brings_one_package(extra: str) -> None:
    assert list_needed(extra) & set(opencv.PACKAGES) == {"opencv-python-headless"}


def test_train_is_networks_with_opencv() -> None:
    assert list_needed("train") - {"inkdigits"} == (
        list_needed("networks") | list_needed("opencv")
    ) - {"inkdigits"}
