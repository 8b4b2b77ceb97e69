"""Pictures from addresses, fetched from servers on this machine, and addresses that are refused."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import inkdigits
from inkdigits.errors import PictureError, PictureFormatError, PictureTooLargeError
from inkdigits.pictures.addresses import MAX_REDIRECTS, fetch_picture, is_public
from tests.recognition.letter_pictures import encode, paint

PNG = encode(paint(0, 255), "PNG")
Respond = Callable[[BaseHTTPRequestHandler], None]


def allow_any(address: object) -> bool:
    return True


@contextmanager
def serve(respond: Respond) -> Iterator[str]:
    """Runs a server on a free port; yields its address, which ends with a slash."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            respond(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content_Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def fetch(url: str, max_bytes: int = 100_000, timeout_s: float = 10) -> tuple[str, bytes]:
    return fetch_picture(url, max_bytes, timeout_s=timeout_s, is_allowed=allow_any)


def test_a_picture_is_fetched_without_credentials_or_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    requests: list[BaseHTTPRequestHandler] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        requests.append(handler)
        send(handler, PNG)

    with serve(respond) as url:
        assert fetch(f"{url}pictures/seven.png?size=2") == ("seven.png", PNG)
    (request,) = requests
    assert request.path == "/pictures/seven.png?size=2"
    assert request.headers["Host"] == url[7:-1]
    assert set(request.headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}


@pytest.mark.parametrize(("redirects", "fits"), [(MAX_REDIRECTS, True), (6, False)])
def test_redirects_are_followed_up_to_the_limit(redirects: int, fits: bool) -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        left = int(handler.path.strip("/"))
        if left:
            send(handler, b"", 302, Location=f"/{left - 1}")
        else:
            send(handler, PNG)

    with serve(respond) as url:
        if fits:
            assert fetch(f"{url}{redirects}")[1] == PNG
        else:
            with pytest.raises(PictureFormatError, match="more than 5 redirects"):
                fetch(f"{url}{redirects}")


def test_each_redirect_is_checked() -> None:
    asked: list[str] = []

    def allow_first(address: object) -> bool:
        asked.append(str(address))
        return len(asked) == 1

    with (
        serve(lambda handler: send(handler, b"", 302, Location="http://127.0.0.2/a")) as url,
        pytest.raises(PictureFormatError, match=r"http://127\.0\.0\.2: not a public address"),
    ):
        fetch_picture(url, 1000, is_allowed=allow_first)
    assert asked == ["127.0.0.1", "127.0.0.2"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://example.org/a", "gopher://a"])
def test_redirects_to_other_schemes_are_refused(location: str) -> None:
    with (
        serve(lambda handler: send(handler, b"", 301, Location=location)) as url,
        pytest.raises(PictureFormatError, match="invalid address"),
    ):
        fetch(url)


def test_a_name_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second answer of the name server would be another address."""
    answers = iter(["127.0.0.1", "127.0.0.99"])
    resolve = socket.getaddrinfo

    def answer(host: str, *arguments: Any, **options: Any) -> Any:
        return resolve(next(answers) if host == "rebind.test" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with serve(lambda handler: send(handler, handler.headers["Host"].encode())) as url:
        port = url.rpartition(":")[2].strip("/")
        assert fetch(f"http://rebind.test:{port}/a")[1].decode() == f"rebind.test:{port}"
    assert next(answers) == "127.0.0.99"


@pytest.mark.parametrize("announced", [True, False])
def test_bytes_are_limited(announced: bool) -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if announced:
            handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        try:
            for _ in range(1000):
                handler.wfile.write(bytes(100_000))
        except OSError:
            pass

    with serve(respond) as url, pytest.raises(PictureTooLargeError, match="the limit is 50,000"):
        fetch(url, max_bytes=50_000)


@pytest.mark.parametrize("part", ["headers", "body", "nothing"])
def test_time_is_limited(part: str) -> None:
    ended = threading.Event()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        if part == "body":
            handler.send_response(200)
            handler.end_headers()
        elif part == "headers":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        try:
            while not ended.wait(0.05):
                if part != "nothing":
                    handler.wfile.write(b"a")
        except OSError:
            pass

    started = time.monotonic()
    with serve(respond) as url:
        try:
            with pytest.raises(PictureError, match=r"did not arrive within 0\.5 s|cannot be fet"):
                fetch(url, timeout_s=0.5)
        finally:
            ended.set()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("respond", "message"),
    [
        (lambda handler: send(handler, b"", 404), "the server answered 404"),
        (lambda handler: send(handler, b"", 302), "a redirect without an address"),
        (lambda handler: send(handler, PNG, Content_Encoding="gzip"), "sent compressed data"),
        (lambda handler: send(handler, PNG, Content_Length="9999"), "ended before the end|cannot"),
        (lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"), "cannot be fetched"),
    ],
)
def test_other_answers_are_one_clear_line(respond: Respond, message: str) -> None:
    with serve(respond) as url, pytest.raises(PictureFormatError, match=message) as raised:
        fetch(f"{url}seven.png")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://", "invalid address"),
        ("http://example.org:99999/a", "invalid address"),
        ("http://[::1/a", "invalid address"),
        ("file:///etc/passwd", "invalid address"),
        ("http://example.org/a b", "has spaces"),
        ("http://example.org/a\r\nX: 1", "has spaces"),
        ("http://user:secret@example.org/a", "has a user name"),
        ("http://nowhere.invalid/a", "cannot be fetched"),
    ],
)
def test_invalid_addresses_are_refused(url: str, message: str) -> None:
    with pytest.raises(PictureFormatError, match=message) as raised:
        fetch_picture(url, 1000)
    assert "secret" not in str(raised.value)


PRIVATE = [
    *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
    *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
]


@pytest.mark.parametrize("text", PRIVATE)
def test_addresses_that_are_not_public_are_refused(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))
    host = f"[{text}]" if ":" in text else text
    with pytest.raises(PictureFormatError, match=r"not a public address|cannot be fetched"):
        fetch_picture(f"http://{host}/seven.png", 1000, timeout_s=1)


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses_are_allowed(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1"])
def test_other_spellings_of_this_machine_are_refused(host: str) -> None:
    with pytest.raises(PictureFormatError, match=r"not a public address|cannot be fetched"):
        fetch_picture(f"http://{host}/seven.png", 1000, timeout_s=1)


def test_predict_fetches_addresses_only_if_allowed() -> None:
    with serve(lambda handler: send(handler, PNG)) as url:
        with pytest.raises(PictureFormatError, match="allow_url=True"):
            inkdigits.predict(f"{url}seven.png")
        with pytest.raises(PictureFormatError, match="not a public address"):
            inkdigits.predict(f"{url}seven.png", allow_url=True)
