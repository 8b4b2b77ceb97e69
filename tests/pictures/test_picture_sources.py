"""Text that is a picture: data URIs and base64, and how it is told apart from paths."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inkdigits.errors import PictureFormatError, PictureTooLargeError
from inkdigits.pictures.decoding import DecodingLimits, decode_picture
from inkdigits.pictures.picture_sources import is_picture_text, read_content
from tests.recognition.letter_pictures import encode, paint

FORMATS = ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF"]
PNG = encode(paint(0, 255), "PNG")
PNG_TEXT = base64.b64encode(PNG).decode()
MAX_BYTES = 10_000_000


@pytest.mark.parametrize("file_format", FORMATS)
def test_base64_text_of_every_format_is_read(file_format: str, tmp_path: Path) -> None:
    content = encode(Image.fromarray(paint(0, 255)), file_format)
    text = base64.b64encode(content).decode()
    path = tmp_path / "seven.b64"
    path.write_text(text)
    sources: list[str | bytes | BinaryIO | Path] = [text, f"data:image/x;base64,{text}", path]
    sources += [text.encode(), io.BytesIO(text.encode())]
    for source in sources:
        assert read_content(source, MAX_BYTES)[1] == content
    expected = decode_picture(content).pixels
    np.testing.assert_array_equal(decode_picture(text).pixels, expected)


@given(
    content=st.binary(min_size=20, max_size=200).map(lambda tail: PNG[:24] + tail),
    width=st.integers(20, 90),
    url_safe=st.booleans(),
    padded=st.booleans(),
)
def test_base64_text_is_decoded_however_it_is_written(
    content: bytes, width: int, url_safe: bool, padded: bool
) -> None:
    encoder = base64.urlsafe_b64encode if url_safe else base64.b64encode
    text = encoder(content).decode()
    if not padded:
        text = text.rstrip("=")
    lines = "\n".join(text[start : start + width] for start in range(0, len(text), width)) + "\n"
    for source in (text, lines, f"data:image/png;base64,{text}", f"DATA:;base64,{lines}"):
        assert read_content(source, MAX_BYTES)[1] == content
        assert is_picture_text(source)


def test_a_data_uri_may_be_percent_encoded() -> None:
    assert read_content(f"data:image/png;base64,{quote(PNG_TEXT)}", MAX_BYTES)[1] == PNG
    assert read_content(f"data:image/png,{quote(PNG)}", MAX_BYTES)[1] == PNG


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PNG_TEXT[:60] + "!" + PNG_TEXT[60:], "damaged base64 text ("),
        (PNG_TEXT[: len(PNG_TEXT) // 4 * 4 - 3], "damaged base64 text ("),
        (f"data:image/png;base64,{PNG_TEXT[:50]}é", "damaged base64 text ("),
        ("data:image/png;base64," + "A" * 5 + "*", "damaged base64 text (6 characters)"),
        ("data:image/png;base64", "damaged data URI: expected data:image/png;base64,"),
        ("QUFB" * 2000, "text of 8,000 characters is neither the path of a file nor the base64"),
        ("7" * 300, "text of 300 characters is neither"),
        ("one\ntwo", "text of 7 characters is neither"),
    ],
)
def test_damaged_text_is_one_short_line_without_the_text(text: str, message: str) -> None:
    with pytest.raises(PictureFormatError) as raised:
        decode_picture(text)
    found = str(raised.value)
    assert message in found
    assert len(found) < 150
    assert "\n" not in found
    assert PNG_TEXT[:12] not in found
    assert "QUFB" not in found


@pytest.mark.parametrize(
    "name", ["seven.png", "iVBORw0KGgo", "/9j/4AAQ.jpg", "Qk/seven", "a" * 200]
)
def test_short_text_is_a_path(name: str) -> None:
    assert not is_picture_text(name)
    with pytest.raises(PictureFormatError, match="no such file"):
        decode_picture(name)


def test_the_path_of_an_existing_file_is_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = PNG_TEXT.replace("/", "_").rstrip("=")[:120]
    assert is_picture_text(name)
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(encode(paint(9, 200), "PNG"))

    np.testing.assert_array_equal(decode_picture(name).pixels, paint(9, 200))


def test_bytes_of_text_are_counted_before_they_are_decoded() -> None:
    limits = DecodingLimits(max_bytes=len(PNG) - 1)
    with pytest.raises(PictureTooLargeError, match=f"the limit is {len(PNG) - 1}"):
        decode_picture(PNG_TEXT, limits)
    decode_picture(PNG_TEXT, DecodingLimits(max_bytes=len(PNG)))
    with pytest.raises(PictureTooLargeError, match="the limit is 10"):
        read_content("data:;base64," + "*" * 100, 10)  # which cannot be decoded
