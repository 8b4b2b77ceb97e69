"""Hostile documents and HEIC files for `attacks.py`: costly pages, and many of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pillow_heif
from pdf_files import nested_forms, page_pdf, stream
from PIL import Image

MEGAPIXELS = 20


@dataclass(frozen=True)
class HostileFile:
    """A hostile file.

    Attributes:
        name: Name of the attack.
        statuses: Expected statuses.
        build: Builds the bytes of the file.
        n_pages: Number of its pages, each of which may take the time of a picture.
    """

    name: str
    statuses: tuple[int, ...]
    build: Callable[[], bytes]
    n_pages: int = 1


def list_files() -> list[HostileFile]:
    """Returns the hostile documents and HEIC files."""
    return [
        HostileFile("PDF page that never ends", (200,), nested_forms),
        HostileFile("PDF of 3 pages, 2 of which never end", (200,), lambda: nested_forms(3), 3),
        HostileFile("PDF with an image of 3,600 megapixels", (200,), lambda: draw_image(60_000)),
        HostileFile("PDF with an image of 190 megapixels", (200,), lambda: draw_image(13_800)),
        HostileFile("PDF page of 5 × 5 m", (200,), lambda: page_pdf(DRAWING, box=LARGE_BOX)),
        HostileFile("PDF of 1,000 pages", (413,), lambda: save_pages("PDF", 1000, 64)),
        HostileFile("PDF scan of 35 megapixels", (200,), draw_scan),
        HostileFile("TIFF of 20 pages of 20 megapixels", (200, 413, 503), draw_pages, 20),
        HostileFile("TIFF of 600 pages", (413,), lambda: save_pages("TIFF", 600, 64)),
        HostileFile("HEIC of 20 megapixels", (200, 413), draw_heic),
        HostileFile("HEIC of 20 megapixels in a grid", (200, 413), lambda: draw_heic(512)),
    ]


DRAWING = b"0 0 9999 9999 re f"
LARGE_BOX = b"0 0 14400 14400"


def draw_image(side: int) -> bytes:
    """A page with a black image, whose pixels are compressed to a few kilobytes."""
    fields = b"/Type/XObject/Subtype/Image/Width %d/Height %d" % (side, side)
    fields += b"/ColorSpace/DeviceGray/BitsPerComponent 8"
    image = stream(bytes(min(side**2, 200_000_000)), fields)
    return page_pdf(b"99 0 0 99 0 0 cm /I Do", image, names=b"/I 5 0 R")


def draw_noise(width: int, height: int) -> Image.Image:
    """Coloured grain on grey paper."""
    noise = np.random.default_rng(0).normal(180, 40, (height, width, 3))
    return Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))


def draw_scan() -> bytes:
    """A page of A4 that was scanned at 600 dpi in colour."""
    file = io.BytesIO()
    draw_noise(4960, 7016).save(file, "PDF", resolution=600, quality=50)
    return file.getvalue()


def save_pages(file_format: str, n: int, side: int) -> bytes:
    """A document of blank pages."""
    page = Image.new("L", (side, side), 255)
    file = io.BytesIO()
    page.save(file, file_format, save_all=True, append_images=[page] * (n - 1))
    return file.getvalue()


def draw_pages() -> bytes:
    """A TIFF file of 20 blank pages, each of the largest size."""
    side = int((MEGAPIXELS * 1e6) ** 0.5)
    page = Image.new("RGB", (side, side), (250, 250, 245))
    file = io.BytesIO()
    rest = [page] * 19
    page.save(file, "TIFF", save_all=True, append_images=rest, compression="tiff_adobe_deflate")
    return file.getvalue()


def draw_heic(tile_size: int = 0) -> bytes:
    """A photograph full of grain, as one picture or in tiles, as telephones write it."""
    image = draw_noise(5400, 3700)
    file = io.BytesIO()
    options = {"quality": 50, "tile_size": tile_size, "enc_params": {"preset": "ultrafast"}}
    pillow_heif.encode("RGB", image.size, image.tobytes(), file, **options)
    return file.getvalue()
