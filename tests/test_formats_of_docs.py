"""Each format and each way in of `docs/reference/what-you-can-bring.md`, tried."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from inkdigits.pictures.decoding import Picture
from inkdigits.pictures.documents import iterate_pages

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "samples" / "7-canvas.png"
SECTION = (ROOT / "docs" / "reference" / "what-you-can-bring.md").read_text(encoding="utf-8")
SECTION = SECTION.partition("\n## Formats\n")[2].partition("\n## ")[0]


def list_rows(header: str) -> list[list[str]]:
    table = SECTION.partition(f"| {header} |")[2].partition("\n\n")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()[2:]]
    return [[cell.strip() for cell in row] for row in rows]


FORMATS = list_rows("format")
WAYS = list_rows("way")


def test_the_tables_are_there() -> None:
    assert len(FORMATS) == 10
    assert len(WAYS) == 5


def encode(file_format: str, n: int) -> bytes:
    pages = [Image.open(SAMPLE).convert("RGB").rotate(9 * page) for page in range(n)]
    file = io.BytesIO()
    if file_format == "HEIC":
        heif = pillow_heif.HeifFile()  # type: ignore[no-untyped-call]
        for page in pages:
            heif.add_from_pillow(page)
        heif.save(file)
    elif n == 1 or file_format in ("JPEG", "PPM", "BMP"):
        pages[0].save(file, file_format)
    else:
        pages[0].save(file, file_format, save_all=True, append_images=pages[1:])
    return file.getvalue()


@pytest.mark.parametrize(("file_format", "what", "needs"), FORMATS)
def test_formats(file_format: str, what: str, needs: str) -> None:
    for n in (1, 3):
        pages = list(iterate_pages(encode(file_format, n)))
        if "animated files are refused" in what and n > 1:
            assert "is animated" in str(pages[0][1])
            continue
        assert len(pages) == (n if "every page" in what else 1)
        assert all(isinstance(page, Picture) for _, page in pages)
    missing = f"import sys; sys.modules.update(pillow_heif=None, pypdfium2=None); {TRY}"
    ended = subprocess.run(
        [sys.executable, "-c", missing], input=encode(file_format, 1), capture_output=True
    )
    found = ended.stdout.decode()
    message = f"{file_format} needs pip install 'inkdigits[formats]'"
    assert (message in found) == (needs == "`inkdigits[formats]`")


TRY = (
    "from inkdigits.pictures.documents import iterate_pages; "
    "print(next(iterate_pages(sys.stdin.buffer.read()))[1])"
)


@pytest.mark.parametrize(("way", "command", "python"), WAYS)
def test_ways(way: str, command: str, python: str, tmp_path: Path) -> None:
    shutil.copy(SAMPLE, tmp_path / "seven.png")
    line = command.strip("`").replace("\\|", "|")
    line = line.replace("inkdigits predict", f"{sys.executable} -m inkdigits predict")
    line = line.replace("https://example.org", "https://name.invalid")
    ended = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    if way == "address":
        assert "https://name.invalid: cannot be fetched" in ended.stderr
        assert "allow_url=True" in python
    else:
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith("7  (")
