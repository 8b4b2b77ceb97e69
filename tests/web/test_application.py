"""The routes of the service, seen by a client."""

from __future__ import annotations

import io
import json
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

import inkdigits
from inkdigits.cli import main
from inkdigits.errors import ModelError, OutputError, UsageError
from inkdigits.recognition import Reader, ReaderCard, Recognizer
from inkdigits.recognition.alphabet import NO_MARK, POINT
from inkdigits.recognition.attribution import compute_occlusion
from inkdigits.recognition.detection import Detections
from inkdigits.web import Settings, build_app

SAMPLES = Path(__file__).parents[2] / "samples"
PAGE = Path(inkdigits.__file__).parent / "web" / "page"
Sample = Callable[[str], bytes]
OpenClient = Callable[..., TestClient]


def make_bomb(width: int, height: int) -> bytes:
    """A PNG file that says it is large and holds nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + end

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


def check_error(response: Any, status: int) -> str:
    """The message of an error, whose shape all have."""
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    message: str = body["error"]
    if not response.url.path.startswith("/v2"):  # whose protocol has a shape of its own
        assert set(body["error"]) == {"status", "message"}
        assert body["error"]["status"] == status
        message = body["error"]["message"]
    assert isinstance(message, str)
    assert message
    assert "\n" not in message
    home = str(Path(inkdigits.__file__).parents[1])
    for secret in ("Traceback", ".py", home, "/usr", "PIL", "numpy", "BytesIO", "pydantic"):
        assert secret not in message
    return message


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("[0-9]*.*")))
def test_reads_what_the_command_line_reads(name: str, shared_client: TestClient) -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        main(["predict", str(SAMPLES / name), "--json"])
    (expected,) = json.loads(printed.getvalue())

    response = shared_client.post("/v1/read", content=(SAMPLES / name).read_bytes())

    assert response.status_code == 200
    (row,) = response.json()
    with Image.open(SAMPLES / name) as image:
        assert {row.pop("width"), row.pop("height")} == set(image.size)
    assert row.pop("file") is None
    del expected["file"]
    assert row == expected


def test_size_is_that_of_the_upright_picture(shared_client: TestClient) -> None:
    lying = Image.new("L", (300, 200), 255)
    exif = lying.getexif()
    exif[0x0112] = 6
    content = io.BytesIO()
    lying.save(content, "JPEG", exif=exif)

    (row,) = shared_client.post("/v1/read", content=content.getvalue()).json()

    assert (row["width"], row["height"]) == (200, 300)
    assert row["reason"] == "no ink"
    assert row["digits"] == []


def test_notes_of_the_picture_are_kept(shared_client: TestClient) -> None:
    frames = [Image.new("L", (60, 60), grey) for grey in (255, 200)]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])

    (row,) = shared_client.post("/v1/read", content=content.getvalue()).json()

    assert row["notes"] == ["animated GIF: only the first frame was read"]


@pytest.mark.parametrize("digits", ["any", "one"])
def test_tiles_and_heat(
    digits: str, shared_client: TestClient, default_recognizer: Recognizer
) -> None:
    path = SAMPLES / "7-canvas.png"
    reading = default_recognizer.read(path, one_digit=digits == "one")

    url = f"/v1/read?digits={digits}&tiles=true&heat=true"
    (row,) = shared_client.post(url, content=path.read_bytes()).json()

    assert len(row["digits"]) == len(reading.digits) == 1
    for found, digit in zip(row["digits"], reading.digits, strict=True):
        assert found["tile"] == digit.tile.tolist()
        best = int(digit.probabilities.argmax())
        expected = compute_occlusion(digit.tile, default_recognizer.classify, best)
        assert np.array(found["heat"]) == pytest.approx(expected, abs=1e-3)
    assert "tile" not in shared_client.post("/v1/read", content=path.read_bytes()).text


def test_the_threshold_decides_what_is_read(shared_client: TestClient, sample: Sample) -> None:
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
def test_separators_are_read_where_they_are_asked_for(
    separators: bool, default_recognizer: Recognizer, open_client: OpenClient
) -> None:
    """With a detector that finds 1.7 on every picture, as nothing of it is tested here."""

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


def test_several_pictures_in_a_form(shared_client: TestClient, sample: Sample) -> None:
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
    assert notes["error"].startswith("notes.txt: is not a picture")
    assert half["error"].startswith("half.jpg: damaged JPEG file")


def test_one_picture_in_a_form(shared_client: TestClient, sample: Sample) -> None:
    one = shared_client.post("/v1/read", files={"pictures": ("a.png", sample("7-canvas.png"))})
    text = shared_client.post("/v1/read", files={"pictures": ("a.txt", b"hello there")})

    assert [row["text"] for row in one.json()] == ["7"]
    assert "a.txt: is not a picture" in check_error(text, 415)


PNG = (SAMPLES / "7-canvas.png").read_bytes()
UNREADABLE: list[tuple[str, bytes, str | None, int, str]] = [
    ("empty", b"", None, 400, "empty"),
    ("text", b"not a picture", None, 415, "is not a picture: begins with text"),
    ("pdf", b"%PDF-1.7", None, 415, "PDF is not supported"),
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
def test_what_cannot_be_read(
    body: bytes, content_type: str | None, status: int, message: str, shared_client: TestClient
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}

    response = shared_client.post("/v1/read", content=body, headers=headers)

    found = check_error(response, status)
    assert any(part in found for part in message.split("|")), found


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/page/nothing.js", 404),
        ("GET", "/page/../settings.py", 404),
        ("GET", "/page/%2e%2e%2fsettings.py", 404),
        ("GET", "/page/gallery.py", 404),
        ("GET", "/docs/redoc.standalone.js", 404),
        ("GET", "/v1/read", 405),
        ("PUT", "/v1/corrections", 405),
        ("DELETE", "/", 405),
        ("POST", "/v1/read?digits=two", 422),
        ("POST", "/v1/read?tiles=perhaps", 422),
        ("GET", "/v2/models/other", 404),
        ("GET", "/v2/models/other/ready", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("GET", "/v1/corrections", 403),
        ("POST", "/v1/corrections", 403),
        ("DELETE", "/v1/corrections", 403),
        ("DELETE", "/v1/corrections/0123456789abcdef0123456789abcdef", 403),
    ],
)
def test_errors_have_one_shape(
    method: str, path: str, status: int, shared_client: TestClient
) -> None:
    response = shared_client.request(method, path)

    message = check_error(response, status)
    if status == 405:
        assert response.headers["allow"]
    if status == 403:
        assert "--keep-corrections" in message


def test_status(shared_client: TestClient) -> None:
    assert shared_client.get("/v1/status").json() == {
        "version": inkdigits.__version__,
        "model": Recognizer.load().card.recipe["name"],
        "reader": Recognizer.load().reader.card.recipe["name"],
        "threshold": Recognizer.load().threshold,
        "corrections": False,
        "limits": {"max_bytes": 20_000_000, "max_pixels": 20_000_000, "max_pictures": 64},
    }


TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@pytest.mark.parametrize(
    "path", sorted(path for path in PAGE.iterdir()), ids=lambda path: path.name
)
def test_files_of_the_page(path: Path, shared_client: TestClient) -> None:
    response = shared_client.get(f"/page/{path.name}")

    assert response.content == path.read_bytes()
    assert response.headers["content-type"] == TYPES[path.suffix]
    assert response.headers["cache-control"] == "no-cache"
    same = {"If-None-Match": response.headers["etag"]}
    again = shared_client.get(f"/page/{path.name}", headers=same)
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/page/app.js", 200), ("/v1/status", 200), ("/docs", 200), ("/nowhere", 404)],
)
def test_every_answer_has_its_headers(path: str, status: int, shared_client: TestClient) -> None:
    response = shared_client.get(path)

    assert response.status_code == status
    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["content-security-policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob: data:",
        "connect-src": "'self'",
        "media-src": "'self' blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["permissions-policy"] == "camera=(self)"
    assert "access-control-allow-origin" not in response.headers
    assert "server" not in response.headers


def test_the_description_of_the_api_comes_from_here(shared_client: TestClient) -> None:
    page = shared_client.get("/docs").text

    assert "//" not in page.replace("<!doctype", "")
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        assert f"docs/{name}" in page
        assert shared_client.get(f"/docs/{name}").status_code == 200
    described = shared_client.get("/openapi.json").json()
    assert {"/v1/read", "/v1/corrections", "/v1/status", "/v2/models/{name}/infer"} <= set(
        described["paths"]
    )
    assert "HTTPValidationError" not in json.dumps(described)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LocalHost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("[::1]", 200),
        ("evil.example", 400),
        ("evil.example:8000", 400),
        ("localhost.evil.example", 400),
        ("localhost:8000:1", 400),
        ("", 400),
    ],
)
def test_only_local_names_lead_here(host: str, status: int, shared_client: TestClient) -> None:
    response = shared_client.get("/v1/status", headers={"Host": host})

    assert response.status_code == status


def test_other_names_can_be_allowed(open_client: OpenClient) -> None:
    one = open_client(allowed_hosts=("digits.example",))
    every = open_client(allowed_hosts=("*",))

    assert one.get("/", headers={"Host": "digits.example"}).status_code == 200
    check_error(one.get("/", headers={"Host": "localhost"}), 400)
    assert every.get("/", headers={"Host": "any.example:81"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "origin", "status"),
    [
        ("POST", "same-origin", 200),
        ("POST", "none", 200),
        ("POST", "cross-site", 403),
        ("POST", "same-site", 403),
        ("GET", "cross-site", 405),
    ],
)
def test_pages_of_other_sites_may_not_ask(
    method: str, origin: str, status: int, shared_client: TestClient
) -> None:
    headers = {"Sec-Fetch-Site": origin}

    response = shared_client.request(method, "/v1/read", content=PNG, headers=headers)

    assert response.status_code == status


KEY = "correct horse battery"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": KEY}, 200),
        ({"X-API-Key": KEY + "x"}, 401),
        ({"X-API-Key": ""}, 401),
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({"Authorization": f"bearer {KEY}"}, 200),
        ({"Authorization": f"Basic {KEY}"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Bearer wrong", "X-API-Key": KEY}, 401),
    ],
    ids=str,
)
def test_a_key_is_asked_for(headers: dict[str, str], status: int, open_client: OpenClient) -> None:
    client = open_client(api_key=KEY)

    for method, path in (("POST", "/v1/read"), ("GET", "/metrics"), ("GET", "/v2")):
        content = PNG if method == "POST" else None
        response = client.request(method, path, content=content, headers=headers)
        assert response.status_code == status
        if status == 401:
            check_error(response, 401)
            assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path", ["/", "/page/app.js", "/v1/status", "/v2/health/live", "/v2/health/ready", "/docs"]
)
def test_page_and_health_need_no_key(path: str, open_client: OpenClient) -> None:
    assert open_client(api_key=KEY).get(path).status_code == 200


def test_a_key_is_not_shown() -> None:
    assert KEY not in repr(Settings(api_key=KEY))


def send_in_parts(content: bytes) -> Iterator[bytes]:
    """As a body without Content-Length is sent."""
    for start in range(0, len(content), 10_000):
        yield content[start : start + 10_000]


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize(("margin", "status"), [(0, 200), (1, 413)])
def test_bytes_are_limited(
    margin: int, status: int, in_parts: bool, open_client: OpenClient
) -> None:
    client = open_client(max_bytes=len(PNG) - margin)

    response = client.post("/v1/read", content=send_in_parts(PNG) if in_parts else PNG)

    assert response.status_code == status
    if status == 413:
        assert f"{len(PNG) - 1:,}" in check_error(response, 413)


def test_an_endless_body_is_cut_off(open_client: OpenClient) -> None:
    client = open_client(max_bytes=100_000)
    n_parts = 0

    def send_on() -> Iterator[bytes]:
        nonlocal n_parts
        while n_parts < 1000:
            n_parts += 1
            yield bytes(10_000)

    check_error(client.post("/v1/read", content=send_on()), 413)


def test_pixels_are_limited(open_client: OpenClient) -> None:
    with Image.open(io.BytesIO(PNG)) as image:
        n_pixels = image.width * image.height

    assert open_client(max_pixels=n_pixels).post("/v1/read", content=PNG).status_code == 200
    fewer = open_client(max_pixels=n_pixels - 1)
    assert "pixels" in check_error(fewer.post("/v1/read", content=PNG), 413)


@pytest.mark.parametrize(("n", "status"), [(2, 200), (3, 413)])
def test_pictures_are_limited(n: int, status: int, open_client: OpenClient) -> None:
    client = open_client(max_pictures=2)

    response = client.post("/v1/read", files=[("pictures", ("a.png", PNG))] * n)

    assert response.status_code == status


def test_requests_in_a_minute_are_limited(open_client: OpenClient) -> None:
    client = open_client(requests_per_minute=3)

    statuses = [client.post("/v1/read", content=PNG).status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    refused = client.post("/v1/read", content=PNG)
    check_error(refused, 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert client.get("/").status_code == client.get("/v2/health/ready").status_code == 200


def test_requests_at_once_are_limited(
    open_client: OpenClient, held_recognizer: Recognizer, held_network: Any
) -> None:
    client = open_client(held_recognizer, max_requests=2)
    held_network.may_answer.clear()
    with ThreadPoolExecutor(2) as executor:
        first = [executor.submit(client.post, "/v1/read", content=PNG) for _ in range(2)]
        wait_until(lambda: read_metric(client, "inkdigits_active_requests") == 2)
        refused = client.post("/v1/read", content=PNG)
        held_network.may_answer.set()

        check_error(refused, 503)
        assert int(refused.headers["retry-after"]) >= 1
        assert [one.result().status_code for one in first] == [200, 200]
    assert client.post("/v1/read", content=PNG).status_code == 200


def test_a_full_queue_refuses(
    open_client: OpenClient, held_recognizer: Recognizer, held_network: Any
) -> None:
    client = open_client(held_recognizer, max_waiting=1)
    held_network.may_answer.clear()
    held_network.has_begun.clear()
    with ThreadPoolExecutor(2) as executor:
        being_judged = executor.submit(post_tiles, client, 1)
        assert held_network.has_begun.wait(10)
        waiting = executor.submit(post_tiles, client, 1)
        wait_until(lambda: read_metric(client, "inkdigits_queue_depth") == 1)
        refused = post_tiles(client, 1)
        held_network.may_answer.set()

        check_error(refused, 503)
        assert int(refused.headers["retry-after"]) >= 1
        assert being_judged.result().status_code == waiting.result().status_code == 200


@pytest.mark.parametrize("path", ["/v1/read", "/v2/models/pictures/infer"])
def test_the_deadline(
    path: str, open_client: OpenClient, held_recognizer: Recognizer, held_network: Any
) -> None:
    client = open_client(held_recognizer, deadline_s=0.2)
    held_network.may_answer.clear()

    late = client.post(path, content=PNG) if path == "/v1/read" else post_tiles(client, 1)
    held_network.may_answer.set()

    assert "0.2 s" in check_error(late, 503)
    assert late.headers["retry-after"]
    in_time = open_client(held_recognizer, deadline_s=20)
    assert in_time.post("/v1/read", content=PNG).json()[0]["text"] == "7"


def test_simultaneous_requests_share_batches(
    open_client: OpenClient, held_recognizer: Recognizer, held_network: Any
) -> None:
    client = open_client(held_recognizer)
    held_network.may_answer.clear()
    held_network.has_begun.clear()
    held_network.n_tiles.clear()
    with ThreadPoolExecutor(9) as executor:
        first = executor.submit(post_tiles, client, 1)
        assert held_network.has_begun.wait(10)
        others = [executor.submit(post_tiles, client, 2) for _ in range(8)]
        wait_until(lambda: read_metric(client, "inkdigits_queue_depth") == 8)
        held_network.may_answer.set()
        shapes = [one.result().json()["outputs"][0]["shape"] for one in (first, *others)]

    assert shapes == [[1, 10], *[[2, 10]] * 8]
    assert held_network.n_tiles == [1, 16]
    assert read_metric(client, "inkdigits_batch_tiles_count") == 2


def test_it_is_ready_once_the_model_is_loaded(default_recognizer: Recognizer) -> None:
    may_load = threading.Event()

    def load() -> Recognizer:
        assert may_load.wait(20)
        return default_recognizer

    with TestClient(build_app(load), "http://localhost") as client:
        assert client.get("/v2/health/live").status_code == 200
        assert client.get("/").status_code == 200
        for path in ("/v2/health/ready", "/v1/status", "/v2/models/pictures/ready"):
            early = client.get(path)
            check_error(early, 503)
            assert early.headers["retry-after"] == "1"
        check_error(client.post("/v1/read", content=PNG), 503)
        check_error(post_tiles(client, 1), 503)
        may_load.set()
        wait_until(lambda: client.get("/v2/health/ready").status_code == 200)
        assert client.get("/v2/models/pictures/ready").status_code == 200
        assert client.post("/v1/read", content=PNG).json()[0]["text"] == "7"


def test_a_model_that_does_not_fit_its_card_ends_the_start(
    default_recognizer: Recognizer, held_network: Any
) -> None:
    held_network.may_answer.set()
    card = replace(default_recognizer.card, labels=tuple(range(10)))

    client = TestClient(build_app(Recognizer(held_network, card)), "http://localhost")
    with pytest.raises(ModelError, match="its card names 10"), client:
        pytest.fail("it has started")


def test_faults_of_ours_tell_nothing(
    default_recognizer: Recognizer,
    open_client: OpenClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class FaultyNetwork:
        n_calls = 0

        def __call__(self, tiles: Any) -> Any:
            self.n_calls += 1
            if self.n_calls > 1:
                raise RuntimeError("onnxruntime at /usr/lib has lost its way")
            return default_recognizer.network(tiles)

    client = open_client(Recognizer(FaultyNetwork(), default_recognizer.card))

    for response in (client.post("/v1/read", content=PNG), post_tiles(client, 1)):
        assert "lost" not in check_error(response, 500)
    assert "has lost its way" in caplog.text  # for who runs the service
    assert client.get("/v2/health/live").status_code == 200


def test_metrics(open_client: OpenClient, default_recognizer: Recognizer) -> None:
    judge = Recognizer(default_recognizer.network, default_recognizer.card)  # of what is found
    client = open_client(judge, max_bytes=len(PNG))
    for _ in range(3):
        client.post("/v1/read", content=PNG)
    client.post("/v1/read", content=PNG + b"x")
    client.get("/nowhere/1")
    client.get("/nowhere/2")

    name = "inkdigits_requests_total"
    assert read_metric(client, name + '{route="/v1/read",status="200"}') == 3
    assert read_metric(client, name + '{route="/v1/read",status="413"}') == 1
    assert read_metric(client, name + '{route="none",status="404"}') == 2
    assert read_metric(client, 'inkdigits_refusals_total{status="404"}') == 2
    seconds = 'inkdigits_request_seconds_bucket{le="+Inf",route="/v1/read"}'
    assert read_metric(client, seconds) == 4
    assert read_metric(client, "inkdigits_batch_tiles_sum") >= 3
    assert read_metric(client, "inkdigits_active_requests") == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_bytes": 0}, "max_bytes is 0"),
        ({"deadline_s": -1.0}, "deadline_s is -1"),
        ({"requests_per_minute": 0}, "requests_per_minute is 0"),
        ({"api_key": "short"}, "too short"),
        ({"api_key": "ungültiger Schlüssel"}, "not ASCII"),
        ({"max_held_bytes": 10, "max_bytes": 11}, "at least max_bytes"),
    ],
    ids=str,
)
def test_settings_that_mean_nothing(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Settings(**settings)


def test_a_folder_that_cannot_keep_corrections(
    default_recognizer: Recognizer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(OutputError, match="cannot keep corrections"):
        build_app(default_recognizer, Settings(corrections=tmp_path / "file"))


def post_tiles(client: TestClient, n: int) -> Any:
    tile = {"name": "tiles", "datatype": "UINT8", "shape": [n, 28, 28], "data": [0] * (784 * n)}
    return client.post("/v2/models/pictures/infer", json={"inputs": [tile]})


def read_metric(client: TestClient, name: str) -> float:
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    return 0.0


def wait_until(is_so: Callable[[], bool]) -> None:
    """Waits up to ten seconds."""
    pause = threading.Event()
    for _ in range(500):
        if is_so():
            return
        pause.wait(0.02)
    pytest.fail("it did not come to be")
