"""Decoder processes with limits on CPU time and memory."""

from __future__ import annotations

import io
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from inkdigits.errors import PictureFormatError, PictureTooLargeError, RequestError
from inkdigits.pictures.decoding import DecodingLimits, Picture, decode_picture
from inkdigits.pictures.documents import iterate_pages
from inkdigits.web import decoders
from inkdigits.web.decoders import DecoderPool
from measurements.pdf_files import build_pdf, encrypt, nested_forms, page_pdf


def encode(pixels: Any, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


EMPTY = build_pdf(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>")
PICTURE = encode(np.random.default_rng(0).integers(0, 255, (40, 60), dtype=np.uint8))


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    pool = DecoderPool(1, DecodingLimits())
    yield pool
    pool.close()


def test_pictures_are_decoded_as_in_the_library(pool: DecoderPool) -> None:
    picture = pool.decode(PICTURE, "a.png")
    assert (picture.pixels == decode_picture(PICTURE).pixels).all()
    frames = [Image.new("L", (20, 20), grey) for grey in (0, 255)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert "only the first frame was read" in pool.decode(file.getvalue(), None).notes[0]


def test_errors_of_the_decoder_are_raised(pool: DecoderPool) -> None:
    with pytest.raises(PictureFormatError, match="unknown format"):
        pool.decode(b"hello", "b.png")
    small = DecoderPool(1, DecodingLimits(max_pixels=100))
    with pytest.raises(PictureTooLargeError, match="the limit is 100"):
        small.decode(PICTURE, None)
    small.close()


def test_slow_picture_is_rejected_and_the_next_one_is_decoded(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_context", _Context(pool._context))
    started_s = time.monotonic()
    with pytest.raises(PictureTooLargeError, match="takes more than 2 s"):
        pool.decode(b"forever", "c.png")
    assert time.monotonic() - started_s < 30
    monkeypatch.undo()
    assert pool.decode(PICTURE, None).pixels.shape == (40, 60)


def test_decoding_can_be_cancelled(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_context", _Context(pool._context))
    cancelled = threading.Event()
    threading.Timer(1, cancelled.set).start()
    with pytest.raises(RequestError, match="was cancelled"):
        pool.decode(b"sleep", None, cancelled)


def test_pages_are_decoded_as_in_the_library(pool: DecoderPool) -> None:
    for file_format in ("PDF", "TIFF"):
        pages = [Image.new("L", (60, 40), grey) for grey in (0, 250)]
        file = io.BytesIO()
        pages[0].save(file, file_format, save_all=True, append_images=pages[1:])
        content = file.getvalue()
        assert pool.count_pages(content, None, 2) == 2
        for page, (_, expected) in enumerate(iterate_pages(content), 1):
            assert isinstance(expected, Picture)
            assert (pool.decode(content, None, page=page).pixels == expected.pixels).all()
        with pytest.raises(PictureTooLargeError, match="2 pages; the limit is 1: split it"):
            pool.count_pages(content, None, 1)
    assert pool.count_pages(PICTURE, None, 1) is None


def test_a_pdf_file_leaves_nothing_behind(pool: DecoderPool) -> None:
    """PDFium keeps its last error for the next file that it opens in the same process."""
    locked = encrypt(page_pdf(b"0 0 40 40 re f"))
    for content, message in ((locked, "encrypted PDF file"), (EMPTY, "damaged PDF file")):
        with pytest.raises(PictureFormatError, match=message):
            pool.count_pages(content, None, 9)
    assert pool._idle == []


def test_a_page_can_be_cancelled(pool: DecoderPool) -> None:
    cancelled = threading.Event()
    threading.Timer(0.5, cancelled.set).start()
    with pytest.raises(RequestError, match="was cancelled"):
        pool.decode(nested_forms(), None, cancelled, page=1)
    assert pool._idle == []


def test_heic_pictures_have_fewer_pixels(pool: DecoderPool) -> None:
    side = int(decoders.MAX_HEIC_PIXELS**0.5) // 8 * 8
    for height, is_within in ((side, True), (side + 24, False)):
        file = io.BytesIO()
        image = Image.new("L", (side, height), 255)
        pillow_heif.from_pillow(image).save(file, quality=20, enc_params={"preset": "ultrafast"})
        if is_within:
            assert pool.decode(file.getvalue(), None).pixels.shape == (height, side)
        else:
            with pytest.raises(PictureTooLargeError, match=r"HEIC .* 12,500,000: save it as"):
                pool.decode(file.getvalue(), None)


def test_killed_process_is_replaced(pool: DecoderPool) -> None:
    pool.decode(PICTURE, None)
    (worker,) = pool._idle
    assert worker.process.pid is not None
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.join()
    assert pool.decode(PICTURE, None).pixels.shape == (40, 60)


def test_memory_of_a_picture_is_limited(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_context", _Context(pool._context))
    with pytest.raises(PictureTooLargeError, match="300 MB"):
        pool.decode(b"memory", None)


def test_pool_works_without_a_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_none() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "gettempdir", find_none)
    pool = DecoderPool(1, DecodingLimits())
    assert pool._context.get_start_method() == "spawn"
    assert pool.decode(PICTURE, None).pixels.shape == (40, 60)
    pool.close()


def test_close_ends_the_processes(pool: DecoderPool) -> None:
    pool.decode(PICTURE, None)
    (worker,) = pool._idle
    pool.close()
    assert not worker.process.is_alive()


class _Context:
    """Starts processes in which some pictures misbehave."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self.Pipe = context.Pipe

    def Process(self, target: Any, args: Any, daemon: bool) -> Any:  # noqa: N802
        return self._context.Process(target=_misbehave, args=args, daemon=daemon)


def _misbehave(connection: Any) -> None:
    def decode(source: Any, limits: DecodingLimits) -> Any:
        kind = source.getvalue()
        if kind == b"sleep":
            time.sleep(60)
        if kind == b"memory":
            return bytearray(400_000_000)
        while True:
            pass

    decoders.decode_picture = decode  # type: ignore[assignment,attr-defined]
    decoders._work(connection)
