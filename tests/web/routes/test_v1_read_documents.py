"""POST /v1/read with PDF and TIFF files: one reading for each page."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

import inkdigits
from inkdigits.cli import main
from inkdigits.web import decoders
from measurements.pdf_files import encrypt, nested_forms, page_pdf

SAMPLES = Path(__file__).parents[2] / "samples"
PNG = (SAMPLES / "7-canvas.png").read_bytes()
CheckError = Callable[[Any, int], str]
OpenClient = Callable[..., TestClient]


def save_pages(file_format: str, *names: str) -> bytes:
    """A document with a sample picture, or a blank one for "", on each page."""
    pages = [
        Image.open(SAMPLES / name).convert("RGB") if name else Image.new("RGB", (90, 60), "white")
        for name in names
    ]
    file = io.BytesIO()
    pages[0].save(file, file_format, save_all=True, append_images=pages[1:])
    return file.getvalue()


THREE = ("7-canvas.png", "", "1984-on-ruled-paper.jpg")
PDF, TIFF = save_pages("PDF", *THREE), save_pages("TIFF", *THREE)


@pytest.mark.parametrize(
    ("name", "content", "numbers"),
    [
        ("scan.pdf", PDF, [1, 2, 3]),
        ("scan.tiff", TIFF, [1, 2, 3]),
        ("one.pdf", save_pages("PDF", "7-canvas.png"), [1]),
        ("one.tiff", save_pages("TIFF", "7-canvas.png"), [None]),
    ],
)
def test_pages_are_those_of_python_and_of_the_command_line(
    name: str, content: bytes, numbers: list[int | None], shared_client: TestClient, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        main(["predict", str(path), "--json"])

    rows = shared_client.post("/v1/read", files={"pictures": (name, content)}).json()

    assert [row.get("page") for row in rows] == numbers
    texts = ["7", "", "1984"][: len(numbers)]
    assert [row["text"] for row in rows] == texts
    for row in rows:
        assert row.pop("file") == name
        assert row.pop("width") > 0
        assert row.pop("height") > 0
    expected = json.loads(printed.getvalue())
    assert [row.pop("file") for row in expected] == [str(path)] * len(rows)
    assert rows == expected
    read = inkdigits.predict(path)
    assert isinstance(read, inkdigits.Readings) == (numbers != [None])
    assert (read.texts if isinstance(read, inkdigits.Readings) else (read.text,)) == tuple(texts)


def test_the_type_of_a_pdf_file_is_accepted(shared_client: TestClient) -> None:
    headers = {"Content-Type": "application/pdf"}
    rows = shared_client.post("/v1/read", content=PDF, headers=headers).json()

    assert [(row["file"], row["page"]) for row in rows] == [(None, 1), (None, 2), (None, 3)]


def test_documents_keep_their_places_among_pictures(shared_client: TestClient) -> None:
    files = [
        ("pictures", ("seven.png", PNG)),
        ("pictures", ("scan.tiff", TIFF)),
        ("pictures", ("half.pdf", PDF[:300])),
        ("pictures", ("scan.pdf", PDF)),
    ]

    rows = shared_client.post("/v1/read", files=files).json()

    assert [(row["file"], row.get("page")) for row in rows] == [
        ("seven.png", None),
        *[("scan.tiff", page) for page in (1, 2, 3)],
        ("half.pdf", None),
        *[("scan.pdf", page) for page in (1, 2, 3)],
    ]
    assert rows[4] == {
        "file": "half.pdf",
        "error": "half.pdf: damaged PDF file: save or download it again",
    }


def test_a_damaged_page_has_an_error_in_its_place(shared_client: TestClient) -> None:
    rows = shared_client.post("/v1/read", content=TIFF[: len(TIFF) // 2]).json()

    assert [row.get("text") for row in rows] == ["7", "", None]
    assert rows[2] == {
        "file": None,
        "page": 3,
        "error": "picture, page 3: damaged TIFF file; save or download it again",
    }


@pytest.mark.parametrize("content", [PDF, TIFF], ids=["PDF", "TIFF"])
def test_a_single_page_can_be_read(
    content: bytes, shared_client: TestClient, check_error: CheckError
) -> None:
    (row,) = shared_client.post("/v1/read?page=3", content=content).json()
    missing = shared_client.post("/v1/read?page=4", content=content)

    assert (row["page"], row["text"]) == (3, "1984")
    assert check_error(missing, 422) == "page: expected 1 to 3, the last page, not 4"
    (picture,) = shared_client.post("/v1/read?page=1", content=PNG).json()
    assert (picture.get("page"), picture["text"]) == (None, "7")
    check_error(shared_client.post("/v1/read?page=2", content=PNG), 422)
    check_error(shared_client.post("/v1/read?page=0", content=PNG), 422)


@pytest.mark.parametrize("content", [PDF, TIFF], ids=["PDF", "TIFF"])
def test_pages_of_a_request_are_limited(
    content: bytes, open_client: OpenClient, check_error: CheckError
) -> None:
    client = open_client(max_pages=3)
    assert len(client.post("/v1/read", content=content).json()) == 3
    both = client.post("/v1/read", files=[("pictures", ("a", content))] * 2)
    assert check_error(both, 413) == (
        "The documents have 6 pages; the limit of a request is 3: send fewer at once"
    )
    fewer = open_client(max_pages=2)
    assert "of 3 pages; the limit is 2: split it" in check_error(
        fewer.post("/v1/read", content=content), 413
    )
    assert [row["page"] for row in fewer.post("/v1/read?page=3", content=content).json()] == [3]


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (encrypt(page_pdf(b"0 0 40 40 re f")), 415, "encrypted PDF file: save it without"),
        (PDF[:300], 422, "damaged PDF file: save"),
        (TIFF[:60], 422, "damaged TIFF file"),
    ],
    ids=["encrypted", "half-pdf", "half-tiff"],
)
def test_unreadable_documents_are_errors_of_one_sentence(
    content: bytes, status: int, message: str, shared_client: TestClient, check_error: CheckError
) -> None:
    assert message in check_error(shared_client.post("/v1/read", content=content), status)


def test_pdf_without_the_extra_names_it(
    open_client: OpenClient, check_error: CheckError, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_client()
    pool = client.app.state.service._decoders  # type: ignore[attr-defined]
    monkeypatch.setattr(pool, "_context", _ContextWithoutPdf(pool._context))

    found = check_error(client.post("/v1/read", content=PDF), 415)

    assert found == "picture: PDF needs pip install 'inkdigits[formats]'"
    assert len(client.post("/v1/read", content=TIFF).json()) == 3


class _ContextWithoutPdf:
    """Starts processes in which pypdfium2 is not installed."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self.Pipe = context.Pipe

    def Process(self, target: Any, args: Any, daemon: bool) -> Any:  # noqa: N802
        return self._context.Process(target=_work_without_pdf, args=args, daemon=daemon)


def _work_without_pdf(connection: Any) -> None:
    sys.modules["pypdfium2"] = None  # type: ignore[assignment]
    decoders._work(connection)


# Hostile files


def test_a_page_that_never_ends_does_not_end_the_document(shared_client: TestClient) -> None:
    started_s = time.monotonic()
    rows = shared_client.post("/v1/read", content=nested_forms(2)).json()

    assert rows[0] == {
        "file": None,
        "page": 1,
        "error": "picture, page 1: takes more than 1.5 s or 250 MB to decode: save it again as a "
        "plain JPEG or PNG, or resize it",
    }
    assert (rows[1]["page"], rows[1]["reason"]) == (2, "no ink")
    assert time.monotonic() - started_s < 20


def count_processes(root: int) -> int:
    """Returns the number of running processes that a process started, itself included."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(fields[1])
    known = {root}
    while found := {pid for pid, parent in parents.items() if parent in known} - known:
        known |= found
    return len(known)


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs /proc")
def test_pages_are_not_drawn_for_a_client_that_left(
    open_server: Callable[..., Any], wait_until: Callable[..., None]
) -> None:
    server = open_server()
    pid = server.process.pid
    assert server.ask("POST", "/v1/read", PNG)[0] == 200
    idle = count_processes(pid)
    document = nested_forms(12)
    head = f"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(document)}\r\n\r\n"
    connection = server.connect()
    connection.sendall(head.encode() + document)
    wait_until(lambda: "inkdigits_active_requests 1.0" in server.read_metrics())
    time.sleep(0.5)  # within the first page

    connection.close()
    left_s = time.monotonic()

    wait_until(lambda: "inkdigits_active_requests 0.0" in server.read_metrics())
    wait_until(lambda: count_processes(pid) < idle)  # the process of the page was ended
    assert time.monotonic() - left_s < 1.5  # the first page alone would take as much
    assert server.ask("POST", "/v1/read", PDF)[0] == 200
