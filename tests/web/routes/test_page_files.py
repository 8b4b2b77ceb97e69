"""The files of the page and of the API documentation, as a browser gets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import inkdigits

PAGE = Path(inkdigits.__file__).parent / "web" / "page"
PRESENTATION = Path(inkdigits.__file__).parent / "presentation"

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@pytest.mark.parametrize(
    "path",
    [*sorted(PAGE.iterdir()), PRESENTATION / "colours.css"],
    ids=lambda path: path.name,
)
def test_every_file_is_served_with_its_type_and_revalidated(
    path: Path, shared_client: TestClient
) -> None:
    response = shared_client.get(f"/page/{path.name}")

    assert response.content == path.read_bytes()
    assert response.headers["content-type"] == TYPES[path.suffix]
    assert response.headers["cache-control"] == "no-cache"
    same = {"If-None-Match": response.headers["etag"]}
    again = shared_client.get(f"/page/{path.name}", headers=same)
    assert (again.status_code, again.content) == (304, b"")
    several = {"If-None-Match": f'"other", W/{response.headers["etag"]}'}
    assert shared_client.get(f"/page/{path.name}", headers=several).status_code == 304
    other = {"If-None-Match": '"other"'}
    assert shared_client.get(f"/page/{path.name}", headers=other).content == path.read_bytes()
    head = shared_client.head(f"/page/{path.name}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(path.stat().st_size)


@pytest.mark.parametrize("wanted", ["bytes=0-9", "bytes=5-", "bytes=99999999-", "bytes=x", "pages"])
def test_files_are_served_whole(wanted: str, shared_client: TestClient) -> None:
    response = shared_client.get("/page/app.js", headers={"Range": wanted})

    assert response.status_code == 200
    assert response.content == (PAGE / "app.js").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/page/",
        "/page",
        "/page/.",
        "/page/%2e%2e",
        "/page/..%2f..%2fweb%2fsettings.py",
        "/page/..%5csettings.py",
        "/page//etc/passwd",
        "/page/%2fetc%2fpasswd",
        "/page/app.js%00.html",
        f"/page/{'a' * 5000}.js",
        "/page/app.js/",
        "/..%2f",
        "/docs/..%2fpage",
        "/docs/redoc.standalone.js",
        "/docs/favicon.png",
    ],
)
def test_nothing_else_is_served(
    path: str, shared_client: TestClient, check_error: Callable[[Any, int], str]
) -> None:
    check_error(shared_client.get(path), 404)


def test_page_and_documentation_are_html(shared_client: TestClient) -> None:
    for path, name in (("/", "index.html"), ("/docs", "docs.html")):
        response = shared_client.get(path)

        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.content == (PAGE / name).read_bytes()
