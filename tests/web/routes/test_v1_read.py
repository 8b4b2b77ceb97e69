"""POST /v1/read: what a client gets for one picture or several."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from inkdigits.cli import main
from inkdigits.recognition import Reader, ReaderCard, Recognizer, add_shifts
from inkdigits.recognition.attribution import compute_occlusion
from inkdigits.recognition.detection import Detections
from inkdigits.recognition.reading_options import Digits
from inkdigits.results.alphabet import NO_MARK, POINT

SAMPLES = Path(__file__).parents[2] / "samples"  # small ones
FORMATS = Path(__file__).parents[3] / "samples"
PNG = (SAMPLES / "7-canvas.png").read_bytes()
Sample = Callable[[str], bytes]
OpenClient = Callable[..., TestClient]


def make_bomb(width: int, height: int) -> bytes:
    """Returns a PNG file with a large size in its header and no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + end

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", sorted(path.name for path in FORMATS.glob("[0-9]*.*")))
def test_reading_equals_that_of_the_command_line(name: str, shared_client: TestClient) -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        main(["predict", str(FORMATS / name), "--json"])
    (expected,) = json.loads(printed.getvalue())

    response = shared_client.post("/v1/read", content=(FORMATS / name).read_bytes())

    assert response.status_code == 200
    (row,) = response.json()
    with Image.open(FORMATS / name) as image:
        assert {row.pop("width"), row.pop("height")} == set(image.size)
    assert row.pop("file") is None
    del expected["file"]
    assert row == expected


def test_width_and_height_are_those_of_the_upright_picture(shared_client: TestClient) -> None:
    lying = Image.new("L", (300, 200), 255)
    exif = lying.getexif()
    exif[0x0112] = 6
    content = io.BytesIO()
    lying.save(content, "JPEG", exif=exif)

    (row,) = shared_client.post("/v1/read", content=content.getvalue()).json()

    assert (row["width"], row["height"]) == (200, 300)
    assert row["reason"] == "no ink"
    assert row["digits"] == []


def test_notes_about_the_file_are_included(shared_client: TestClient) -> None:
    frames = [Image.new("L", (60, 60), grey) for grey in (255, 200)]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])

    (row,) = shared_client.post("/v1/read", content=content.getvalue()).json()

    assert row["notes"] == ["animated GIF: only the first frame was read"]


@pytest.mark.parametrize("digits", ["all", "one"])
def test_tiles_and_heat_maps_are_included_on_request(
    digits: Digits, shared_client: TestClient, default_recognizer: Recognizer
) -> None:
    path = SAMPLES / "7-canvas.png"
    reading = default_recognizer.read(path, digits=digits)

    url = f"/v1/read?digits={digits}&tiles=true&heat=true"
    (row,) = shared_client.post(url, content=path.read_bytes()).json()

    assert len(row["digits"]) == len(reading.digits) == 1
    for found, digit in zip(row["digits"], reading.digits, strict=True):
        assert found["tile"] == digit.tile.tolist()
        best = int(digit.probabilities.argmax())
        expected = compute_occlusion(digit.tile, default_recognizer.classify, best)
        assert np.array(found["heat"]) == pytest.approx(expected, abs=1e-3)
    assert "tile" not in shared_client.post("/v1/read", content=path.read_bytes()).text


def test_the_former_value_of_digits_works_with_a_warning(
    shared_client: TestClient, check_error: Callable[[Any, int], str]
) -> None:
    found, former, wrong = (
        shared_client.post(f"/v1/read?digits={value}", content=PNG)
        for value in ("all", "any", "two")
    )

    assert former.json() == found.json()
    assert former.headers["Warning"] == '299 - "digits=any is deprecated: use digits=all"'
    assert "Warning" not in found.headers
    assert check_error(wrong, 422) == "digits: Input should be 'all' or 'one'"


@pytest.mark.parametrize(
    ("query", "warning"),
    [
        ("seperators=true", "unknown parameter 'seperators': did you mean 'separators'?"),
        ("digits=one&treshold=0.5", "unknown parameter 'treshold': did you mean 'threshold'?"),
        ("%22%0D%0Ax%C3%A4=1", "unknown parameter ''/r/nx?': expected one of digits, separators"),
        ("digits=one&shifts=false&threshold=0.5&separators=1&tiles=0&heat=no", None),
    ],
)
def test_an_unknown_parameter_is_named_in_a_header(
    query: str, warning: str | None, shared_client: TestClient
) -> None:
    response = shared_client.post(f"/v1/read?{query}", content=PNG)

    assert response.json()[0]["text"] == "7"
    found = response.headers.get("Warning")
    if warning is None:
        assert found is None
    else:
        assert str(found).startswith(f'299 - "{warning}')


def test_shifts_are_those_of_the_command_line(
    shared_client: TestClient, default_recognizer: Recognizer
) -> None:
    expected = add_shifts(default_recognizer).read(SAMPLES / "7-canvas.png")

    (row,) = shared_client.post("/v1/read?shifts=true", content=PNG).json()
    (plain,) = shared_client.post("/v1/read", content=PNG).json()

    assert row["confidence"] == pytest.approx(expected.confidence, abs=1e-4)
    assert row["confidence"] != plain["confidence"]


def test_threshold_rejects_less_confident_digits(
    shared_client: TestClient, sample: Sample, check_error: Callable[[Any, int], str]
) -> None:
    def read(threshold: object) -> Any:
        url = f"/v1/read?threshold={threshold}"
        return shared_client.post(url, content=sample("7-canvas.png"))

    assert read(0).json()[0]["text"] == "7"
    (row,) = read(1).json()
    assert row["text"] == ""
    assert row["reason"]
    for nonsense in (-0.1, 1.1, "half", "nan"):
        assert "threshold" in check_error(read(nonsense), 422)


@pytest.mark.parametrize("separators", [False, True])
def test_separators_are_read_on_request(
    separators: bool, default_recognizer: Recognizer, open_client: OpenClient
) -> None:
    """Uses a detector that finds 1.7 in every picture, as detection is not under test."""

    def detect(pixels: NDArray[np.uint8]) -> Detections:
        probabilities = np.zeros((3, 17), np.float32)
        probabilities[range(3), [1, POINT, 7]] = 0.99
        probabilities[:, NO_MARK] = 0.01
        boxes = np.array([[5, 5, 9, 30], [20, 30, 5, 5], [30, 5, 18, 30]], np.float32)
        classes = np.array([1, POINT, 7])
        return Detections(boxes, classes, probabilities.max(axis=1), probabilities)

    reader = Reader(detect, ReaderCard({"name": "fixed"}, 0, {}, {}))
    recognizer = Recognizer(
        default_recognizer.network, default_recognizer.card, reader=reader, judges_tiles=False
    )
    client = open_client(recognizer)

    (row,) = client.post(f"/v1/read?separators={separators}", content=PNG).json()

    assert row["text"] == ("1.7" if separators else "17")
    assert [mark["kind"] for mark in row["marks"]] == ["point"]
    assert len(row["notes"]) == (0 if separators else 1)


def test_form_of_several_pictures_reports_errors_per_picture(
    shared_client: TestClient, sample: Sample
) -> None:
    good = sample("1984-on-ruled-paper.jpg")
    files = [
        ("pictures", ("year.jpg", good, "image/jpeg")),
        ("pictures", ("notes.txt", b"just text", "text/plain")),
        ("other", ("other.png", b"not looked at", "image/png")),
        ("pictures", ("../up/seven.png", sample("7-canvas.png"), "image/png")),
        ("pictures", ("half.jpg", good[: len(good) // 2], "image/jpeg")),
    ]

    response = shared_client.post("/v1/read", files=files)

    assert response.status_code == 200, response.text
    year, notes, seven, half = response.json()
    assert (year["file"], year["text"]) == ("year.jpg", "1984")
    assert (seven["file"], seven["text"]) == ("seven.png", "7")
    assert set(notes) == set(half) == {"file", "error"}
    assert notes["error"].startswith("notes.txt: unknown format")
    assert half["error"].startswith("half.jpg: damaged JPEG file")


def test_form_of_one_unreadable_picture_is_an_error(
    shared_client: TestClient, sample: Sample, check_error: Callable[[Any, int], str]
) -> None:
    one = shared_client.post("/v1/read", files={"pictures": ("a.png", sample("7-canvas.png"))})
    text = shared_client.post("/v1/read", files={"pictures": ("a.txt", b"hello there")})

    assert [row["text"] for row in one.json()] == ["7"]
    assert "a.txt: unknown format" in check_error(text, 415)


UNREADABLE: list[tuple[str, bytes, str | None, int, str]] = [
    ("empty", b"", None, 400, "empty"),
    ("text", b"not a picture", None, 415, "unknown format: starts with text"),
    ("pdf", b"%PDF-1.7", None, 422, "damaged PDF file; save|damaged PDF file: save"),
    ("half", PNG[:2000], None, 422, "damaged PNG file; save"),
    ("type", PNG, "text/plain", 415, "'text/plain'"),
    ("form-type", b"a=1", "application/x-www-form-urlencoded", 415, "urlencoded"),
    ("bomb", make_bomb(40_000, 40_000), "image/png", 413, "pixels"),
    ("many", make_bomb(10_000, 6_000), "image/png", 413, "60,000,000|10,000 × 6,000"),
    ("boundary", b"--x\r\n", "multipart/form-data", 400, "damaged"),
    ("torn", b"--x\r\nContent-", "multipart/form-data; boundary=x", 400, "damaged"),
    ("garbage", b"garbage", "multipart/form-data; boundary=x", 400, "damaged"),
    (
        "no-field",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
        400,
        "no field 'pictures'",
    ),
]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"),
    [pytest.param(*case[1:], id=case[0]) for case in UNREADABLE],
)
def test_unreadable_body_is_an_error_of_one_sentence(
    body: bytes,
    content_type: str | None,
    status: int,
    message: str,
    shared_client: TestClient,
    check_error: Callable[[Any, int], str],
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}

    response = shared_client.post("/v1/read", content=body, headers=headers)

    found = check_error(response, status)
    assert any(part in found for part in message.split("|")), found


def test_pixels_of_a_picture_are_limited(
    open_client: OpenClient, check_error: Callable[[Any, int], str]
) -> None:
    with Image.open(io.BytesIO(PNG)) as image:
        n_pixels = image.width * image.height

    assert open_client(max_pixels=n_pixels).post("/v1/read", content=PNG).status_code == 200
    fewer = open_client(max_pixels=n_pixels - 1)
    assert "pixels" in check_error(fewer.post("/v1/read", content=PNG), 413)


@pytest.mark.parametrize(("n", "status"), [(2, 200), (3, 413)])
def test_pictures_of_a_request_are_limited(n: int, status: int, open_client: OpenClient) -> None:
    client = open_client(max_pictures=2)

    response = client.post("/v1/read", files=[("pictures", ("a.png", PNG))] * n)

    assert response.status_code == status
