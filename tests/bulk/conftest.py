from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkdigits.bulk.rows import Row


def draw_stroke(number: int) -> Image.Image:
    """A small picture of a one, at a place that depends on the number."""
    pixels = np.full((48, 64), 235, np.uint8)
    left = 8 + 5 * (number % 9)
    pixels[8:40, left : left + 4] = 20
    return Image.fromarray(pixels)


def encode(image: Image.Image, file_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: nine pictures, one of them broken, in two folders, and a PDF and TIFF of pages."""
    folder = tmp_path_factory.mktemp("bulk") / "scans"
    (folder / "more").mkdir(parents=True)
    for number in range(6):
        draw_stroke(number).save(folder / f"{number}.png")
    for number in range(6, 8):
        draw_stroke(number).save(folder / "more" / f"{number}.png")
    (folder / "broken.png").write_bytes(encode(draw_stroke(8))[:60])
    pages = [draw_stroke(number) for number in range(5)]
    pages[0].save(folder / "pages.pdf", save_all=True, append_images=pages[1:3], resolution=72)
    pages[3].save(folder / "pages.tiff", save_all=True, append_images=pages[4:])
    (folder / "notes.txt").write_text("no picture\n", encoding="utf-8")
    (folder / ".hidden.png").write_bytes(b"no picture")
    return folder


N_FILES = 11
N_ROWS = 14
"""Files and rows of `scans`."""


def list_places(rows: list[Row]) -> list[tuple[str, int | None]]:
    """Name and page of each row."""
    return [(Path(row["address"].partition("::")[0]).name, row["page"]) for row in rows]


def without_time(rows: list[Row]) -> list[Row]:
    """The rows sorted, without what differs from call to call."""
    kept = [{name: row[name] for name in row if name != "milliseconds"} for row in rows]
    return sorted(kept, key=lambda row: (row["address"], row["page"] or 0))
