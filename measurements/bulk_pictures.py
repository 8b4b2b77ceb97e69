"""Draws a collection of pictures for `bulk.py`: notes, photographs and PDF files of scans.

A tenth are photographs of 2 to 12 megapixels, a twentieth are pages of PDF files, and the rest are
notes of 60 to 900 pixels: digits, numbers and rows, on paper, by pens and cameras of
`inkdigits.synthesis.suite_pages`. At most `MAX_DISTINCT` pictures are drawn; further ones are
links to them, under other names.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from inkdigits.data import fetch_mnist
from inkdigits.data.labelled_images import LabelledImages
from inkdigits.synthesis.suite_pages import KINDS, draw_page

MAX_DISTINCT: Final = 10_000
PHOTOGRAPH_SHARE: Final = 0.1
PDF_SHARE: Final = 0.05
PDF_PAGES: Final = 5
FOLDER_FILES: Final = 1_000
MEGAPIXELS: Final = (2.0, 12.0)


def draw_collection(folder: Path, n_pictures: int, seed: int = 0) -> dict[str, int]:
    """Draws what is missing of a collection.

    Args:
        folder: Where the files are, in folders of `FOLDER_FILES`.
        n_pictures: Number of pictures, the pages of PDF files among them.
        seed: Seed of the random numbers.

    Returns:
        The number of "pictures", of "distinct" ones, of "files", of "notes", "photographs" and
        "pages", and of "bytes".
    """
    n_pages = round(n_pictures * PDF_SHARE / PDF_PAGES) * PDF_PAGES
    n_photographs = round(n_pictures * PHOTOGRAPH_SHARE)
    counts = {
        "notes": n_pictures - n_photographs - n_pages,
        "photographs": n_photographs,
        "pages": n_pages,
    }
    digits = fetch_mnist(progress=False).test
    seen: Counter[str] = Counter()
    n_bytes = 0
    for kind, suffix, each in (
        ("notes", "png", 1),
        ("photographs", "jpg", 1),
        ("pages", "pdf", PDF_PAGES),
    ):
        n_distinct = max(1, min(counts[kind], counts[kind] * MAX_DISTINCT // n_pictures) // each)
        for number in range(counts[kind] // each):
            path = folder / f"{kind}-{number // FOLDER_FILES:03}" / f"{number:06}.{suffix}"
            first = number % n_distinct
            drawn = folder / f"{kind}-{first // FOLDER_FILES:03}" / f"{first:06}.{suffix}"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                if number == first:
                    random = np.random.default_rng([seed, *kind.encode(), number])
                    temporary = path.with_name(f".{path.name}")
                    temporary.write_bytes(_DRAWERS[kind](digits, random))
                    temporary.replace(path)
                else:
                    os.link(drawn, path)
            seen["files"] += 1
            seen["distinct"] += each * (number == first)
            n_bytes += path.stat().st_size
    return {"pictures": n_pictures, **counts, **seen, "bytes": n_bytes}


def draw_note(digits: LabelledImages, random: np.random.Generator) -> bytes:
    """Draws a note as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(_draw(digits, random)).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def draw_photograph(digits: LabelledImages, random: np.random.Generator) -> bytes:
    """Draws a photograph as JPEG: a note, enlarged, with the grain of a sensor."""
    note = Image.fromarray(_draw(digits, random)).convert("RGB")
    scale = (1e6 * random.uniform(*MEGAPIXELS) / (note.width * note.height)) ** 0.5
    size = max(1, round(note.width * scale)), max(1, round(note.height * scale))
    pixels = cv2.resize(np.asarray(note), size, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    grain = random.integers(-4, 5, (512, 512, 1), dtype=np.int16)
    rows, columns = (-(-side // 512) for side in pixels.shape[:2])
    pixels += np.tile(grain, (rows, columns, 1))[: pixels.shape[0], : pixels.shape[1]]
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def draw_scans(digits: LabelledImages, random: np.random.Generator) -> bytes:
    """Draws a PDF file of A5 pages with several notes on each."""
    pages = []
    for _ in range(PDF_PAGES):
        page = Image.new("L", (1165, 1654), 250)  # A5 at 200 dpi
        top = int(random.integers(40, 120))
        while top < page.height - 300:
            note = Image.fromarray(_draw(digits, random)).convert("L")
            width = min(int(random.integers(300, 1000)), 3 * note.width)
            note = note.resize((width, max(1, note.height * width // note.width)))
            page.paste(note, (int(random.integers(20, 140)), top))
            top += note.height + int(random.integers(20, 120))
        pages.append(page)
    buffer = io.BytesIO()
    pages[0].save(buffer, "PDF", save_all=True, append_images=pages[1:], resolution=200)
    return buffer.getvalue()


def _draw(digits: LabelledImages, random: np.random.Generator) -> np.ndarray:
    kinds = list(KINDS)
    chosen = digits.take(random.integers(len(digits), size=int(random.integers(1, 9))))
    return draw_page(kinds[random.integers(len(kinds))], chosen, random).picture


_DRAWERS: Final = {"notes": draw_note, "photographs": draw_photograph, "pages": draw_scans}
