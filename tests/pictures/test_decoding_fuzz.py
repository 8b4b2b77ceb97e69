"""Damaged pictures: each gives a clean error or a picture, in bounded time and memory."""

from __future__ import annotations

import io
import os
import random
import re
import struct
import time
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from inkdigits.errors import PictureError
from inkdigits.pictures.decoding import DecodingLimits, decode_picture

LIMITS = DecodingLimits(max_pixels=1_000_000)
MUTANTS = 300
EXAMPLES = int(os.environ.get("INKDIGITS_FUZZ_EXAMPLES", "25"))  # of each format, by hypothesis
MAX_CPU_S = 2.0
MAX_GROWTH_KIB = 150 * 1024


def encode(form: str, mode: str = "RGB", frames: int = 1, **options: Any) -> bytes:
    """A picture of coloured noise, in which every byte of the file matters."""
    noise = np.random.default_rng(11).integers(0, 256, (frames, 37, 53, 3), dtype=np.uint8)
    first, *others = (Image.fromarray(pixels).convert(mode) for pixels in noise)
    if others:
        options |= {"save_all": True, "append_images": others}
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    if form not in ("GIF", "BMP", "PPM"):
        options["exif"] = exif
    first.save(file, form, **options)
    return file.getvalue()


def encode_run_lengths() -> bytes:
    """A BMP with run-length encoding, which Pillow does not write."""
    rows = b"".join(bytes([20, row, 33, 255 - row, 0, 0]) for row in range(37))
    fields = (0, 0, 54 + 1024, 40, 53, 37, 1, 8, 1, len(rows), 0, 0, 256, 0)
    palette = b"".join(bytes([grey, grey, grey, 0]) for grey in range(256))
    return b"BM" + struct.pack("<IIIIiiHHIIIIII", *fields) + palette + rows


SEEDS = {
    "png": encode("PNG"),
    "png-palette": encode("PNG", "P", transparency=bytes(range(256))),
    "png-animated": encode("PNG", "RGBA", frames=3),
    "jpeg": encode("JPEG"),
    "jpeg-progressive": encode("JPEG", "CMYK", progressive=True),
    "mpo": encode("MPO", frames=2),
    "gif": encode("GIF", "P", transparency=3),
    "gif-animated": encode("GIF", "L", frames=3),
    "bmp": encode("BMP"),
    "bmp-palette": encode("BMP", "P"),
    "webp": encode("WEBP", "RGBA"),
    "webp-lossless": encode("WEBP", lossless=True),
    "webp-animated": encode("WEBP", frames=3),
    "tiff": encode("TIFF", "RGBA"),
    "tiff-lzw": encode("TIFF", compression="tiff_lzw"),
    "tiff-deflate": encode("TIFF", "LAB", compression="tiff_adobe_deflate"),
    "tiff-jpeg": encode("TIFF", compression="jpeg"),
    "tiff-fax": encode("TIFF", "1", compression="group4"),
    "tiff-pages": encode("TIFF", "I;16", frames=3),
    "ppm": encode("PPM"),
    "ppm-plain": b"P3 # a comment\n53 37 99 " + b"7 88 9 " * (53 * 37),
    "bmp-rle": encode_run_lengths(),
}


def with_valid_sums(content: bytes) -> bytes:
    """The PNG with the checksum of each chunk made right, so that damage gets past it."""
    parts, position = [content[:8]], 8
    while position + 12 <= len(content):
        end = position + 8 + int.from_bytes(content[position : position + 4], "big")
        body = content[position + 4 : end]
        parts += [content[position : position + 4], body, zlib.crc32(body).to_bytes(4, "big")]
        position = end + 4
    return b"".join(parts)


def mutate(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Files with bytes flipped, pieces cut out, doubled or swapped, and the end cut off."""
    rng = random.Random(seed)
    for number in range(count):
        mutant = bytearray(content)
        # Half of the damage goes to the first bytes, where the headers lie.
        reach = len(mutant) if number % 2 else min(200, len(mutant))
        for _ in range(rng.choice((1, 1, 2, 5, 20))):
            start = rng.randrange(reach)
            piece = slice(start, start + rng.choice((1, 4, 12, 40)))
            match rng.randrange(6):
                case 0 | 1:
                    mutant[start % len(mutant)] ^= 1 << rng.randrange(8)
                case 2:
                    mutant[piece] = rng.choice((b"\0", b"\xff", b"\x7f")) * rng.choice((1, 2, 4))
                case 3:
                    del mutant[piece]
                case 4:
                    mutant[piece] = mutant[piece] * 2
                case _:
                    other = rng.randrange(reach)
                    other_piece = slice(other, other + piece.stop - piece.start)
                    mutant[piece], mutant[other_piece] = mutant[other_piece], mutant[piece]
            mutant = mutant or bytearray(b"\0")
            reach = min(reach, len(mutant))
        if not rng.randrange(5):
            del mutant[rng.randrange(len(mutant)) :]
        yield bytes(mutant)
        if content.startswith(b"\x89PNG"):
            yield with_valid_sums(bytes(mutant))


def high_water_kib() -> int:
    """The most memory this process has held since `reset_high_water`."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0


def reset_high_water() -> bool:
    """Start counting anew; False where the system cannot, so that only time is bounded."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


@pytest.mark.parametrize("form", SEEDS)
def test_damage_gives_a_clean_error_or_a_picture(form: str) -> None:
    assert decode_picture(SEEDS[form], LIMITS).pixels.shape in ((37, 53), (53, 37))
    counted = reset_high_water()
    before_kib = high_water_kib() if counted else 0
    refusals: list[str] = []
    for mutant in mutate(SEEDS[form], MUTANTS, seed=len(SEEDS[form])):
        start_s = time.process_time()
        try:
            pixels = decode_picture(mutant, LIMITS).pixels
        except PictureError as error:
            refusals.append(str(error))
        else:
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 2
            assert 0 < pixels.size <= LIMITS.max_pixels
        assert time.process_time() - start_s < MAX_CPU_S
    assert len(refusals) > MUTANTS // 20, "the damage is too slight to test anything"
    assert all(re.fullmatch(r"picture: [^\n]+", refusal) for refusal in refusals)
    if counted:
        assert high_water_kib() - before_kib < MAX_GROWTH_KIB


@pytest.mark.parametrize("form", SEEDS)
def test_a_truncated_file_is_complete_or_rejected(form: str) -> None:
    content = SEEDS[form]
    whole = decode_picture(content).pixels
    refused = 0
    for length in range(0, len(content), max(1, len(content) // 200)):
        try:
            pixels = decode_picture(content[:length]).pixels
        except PictureError:
            refused += 1
        else:
            # All that was cut off is what no pixel needs, such as the frames that follow. The
            # orientation of a WebP or TIFF file lies behind its pixels, and may be lost with it.
            assert np.array_equal(pixels, whole) or np.array_equal(np.rot90(pixels, -1), whole)
    assert refused > 10


@pytest.mark.parametrize("seed", range(10))
def test_noise_after_a_signature_is_rejected(seed: int) -> None:
    rng = random.Random(seed)
    for content in SEEDS.values():
        for kept in (4, 12, 30):
            with pytest.raises(PictureError):
                decode_picture(content[:kept] + rng.randbytes(2000), LIMITS)


def find_parts(content: bytes) -> list[tuple[int, int]]:
    """Start and end of each of a file's segments, chunks or blocks, roughly."""
    if content.startswith(b"\x89PNG"):
        starts, position = [], 8
        while position + 12 <= len(content):
            starts.append(position)
            position += 12 + int.from_bytes(content[position : position + 4], "big")
    elif content.startswith(b"\xff\xd8"):
        starts = [found.start() for found in re.finditer(rb"\xff[\x01-\xfe]", content)]
    elif content.startswith(b"GIF"):
        starts = [found.start() for found in re.finditer(rb"[!,]", content)]
    elif content.startswith(b"RIFF"):
        starts = [found.start() for found in re.finditer(rb"VP8[ LX]|ALPH|ANIM|ANMF|EXIF", content)]
    else:  # the entries of a TIFF's directory, and pieces of the others
        starts = list(range(0, len(content), 12))
    return list(pairwise([*starts, len(content)]))


@st.composite
def damaged_files(draw: st.DrawFn, form: str) -> bytes:
    """A file with its parts repeated, dropped or mixed, bytes changed, and its end cut off."""
    content = SEEDS[form]
    places = st.sampled_from(find_parts(content))
    for _ in range(draw(st.integers(0, 3))):
        (start, end), (other, other_end) = draw(places), draw(places)
        part = content[start:end]
        change = draw(st.sampled_from(("repeat", "drop", "insert", "lengthen")))
        if change == "repeat":
            part *= draw(st.sampled_from((2, 3, 50, 2_000, 40_000)))
        elif change == "drop":
            part = b""
        elif change == "insert":
            part += content[other:other_end]
        else:
            part += draw(st.sampled_from((b"\0", b"\xff"))) * draw(st.integers(1, 300_000))
        content = (content[:start] + part + content[end:])[:1_000_000] or b"\0"
    changed = bytearray(content)
    for _ in range(draw(st.integers(0, 4))):
        reach = draw(st.sampled_from((min(200, len(changed)), len(changed))))
        changed[draw(st.integers(0, reach - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        del changed[draw(st.integers(1, len(changed))) :]
    if content.startswith(b"\x89PNG") and draw(st.booleans()):
        return with_valid_sums(bytes(changed))
    return bytes(changed)


@pytest.mark.parametrize("form", SEEDS)
def test_damaged_and_repeated_parts_give_a_clean_error_or_a_picture(form: str) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,  # the bound on CPU time below does not depend on what else runs
        derandomize="INKDIGITS_FUZZ_EXAMPLES" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(damaged_files(form))
    def check(content: bytes) -> None:
        start_s = time.process_time()
        refusal = "picture: none"
        try:
            pixels = decode_picture(content, LIMITS).pixels
        except PictureError as error:
            refusal = str(error)
        else:
            assert 0 < pixels.size <= LIMITS.max_pixels
        assert time.process_time() - start_s < MAX_CPU_S
        assert re.fullmatch(r"picture: [^\n]+", refusal)

    check()
