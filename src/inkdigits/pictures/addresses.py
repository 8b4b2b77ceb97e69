"""Fetches pictures from http and https addresses, which users and pages may have chosen.

The host name is resolved once, each address is checked, and the connection goes to an address that
was checked, so that the name cannot lead elsewhere in between. Proxies and stored credentials are
not used. No part of this runs unless the caller asks for it.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from inkdigits.errors import PictureFormatError
from inkdigits.pictures.picture_sources import NAME, check_bytes

MAX_REDIRECTS: Final = 5
TIMEOUT_S: Final = 30.0
"""Seconds from the first connection to the last byte, redirects included."""

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # the last four bytes are an IPv4 address
_CHUNK_BYTES = 65_536
_HEADERS = {
    "User-Agent": "inkdigits",
    "Accept": "image/*, application/pdf, application/octet-stream",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


def is_public(address: IPAddress) -> bool:
    """Returns whether an address is on the public internet.

    Private, loopback, link-local, reserved and multicast addresses are not, nor are IPv6 addresses
    that stand for such an IPv4 address.
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(address.packed[-4:])
        if address.teredo is not None:
            return False
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
    )


def fetch_picture(
    url: str,
    max_bytes: int,
    *,
    timeout_s: float = TIMEOUT_S,
    is_allowed: Callable[[IPAddress], bool] = is_public,
) -> tuple[str, bytes]:
    """Fetches the bytes of a picture.

    Args:
        url: An http or https address.
        max_bytes: Maximum number of bytes.
        timeout_s: Maximum time in seconds, redirects included; resolving names is not.
        is_allowed: Whether to connect to an IP address.

    Returns:
        The last part of the address, as a name for error messages, and the bytes.

    Raises:
        PictureFormatError: The address is invalid, not allowed, or does not lead to a file.
        PictureTooLargeError: There are more bytes.
    """
    deadline_s = time.monotonic() + timeout_s
    for _ in range(1 + MAX_REDIRECTS):
        parts = _split(url)
        name = parts.path.rpartition("/")[2][:60] or str(parts.hostname)
        connection = _connect(parts, deadline_s, is_allowed)
        timer = threading.Timer(max(0.0, deadline_s - time.monotonic()), _interrupt, [connection])
        timer.start()
        try:
            with closing(connection):
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("GET", path, headers=_HEADERS)
                with connection.getresponse() as response:
                    if response.status not in _REDIRECTS:
                        content = _read_response(name, response, max_bytes)
                        if time.monotonic() >= deadline_s:  # interrupted, which reads like its end
                            raise _timeout_error(parts, timeout_s)
                        return name, content
                    location = response.getheader("Location")
                url = _follow(url, location)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            if time.monotonic() >= deadline_s:
                raise _timeout_error(parts, timeout_s) from error
            raise _connection_error(parts, error) from error
        finally:
            timer.cancel()
    raise PictureFormatError(f"{_describe(parts)}: more than {MAX_REDIRECTS} redirects")


class _Connection(http.client.HTTPConnection):
    """A connection to an address that has been checked; `host` is for headers only."""

    def __init__(
        self, parts: SplitResult, port: int, address: IPAddress, deadline_s: float
    ) -> None:
        super().__init__(str(parts.hostname), port)
        self._address, self._deadline_s = address, deadline_s
        # Unlike `sock`, it stays while the response is read.
        self.socket: socket.socket | None = None
        self._is_secure = parts.scheme.lower() == "https"
        self.default_port = _PORTS[parts.scheme.lower()]  # left out of the Host header

    def connect(self) -> None:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        plain = socket.create_connection((str(self._address), self.port), timeout=left_s)
        self.sock = self.socket = plain
        if self._is_secure:
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
            self.socket = self.sock


def _interrupt(connection: _Connection) -> None:
    """Ends the connection from another thread: a server may send a byte at a time."""
    try:
        if connection.socket is not None:
            connection.socket.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme.lower() not in _PORTS or not parts.hostname or port == 0:
        raise PictureFormatError(
            f"{NAME}: invalid address: expected one such as https://example.org/seven.png"
        )
    if not url.isascii() or any(character <= " " for character in url.strip()):
        raise PictureFormatError(
            f"{parts.hostname}: the address has spaces or characters that are not ASCII: copy it "
            "from the address bar of a browser"
        )
    if parts.username is not None or parts.password is not None:
        raise PictureFormatError(
            f"{parts.hostname}: the address has a user name: remove it; credentials are not sent"
        )
    return parts


def _connect(
    parts: SplitResult, deadline_s: float, is_allowed: Callable[[IPAddress], bool]
) -> _Connection:
    """Resolves the host name and checks all of its addresses; connects later, to the first."""
    port = parts.port or _PORTS[parts.scheme.lower()]
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _connection_error(parts, error) from error
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        if not is_allowed(address):
            raise PictureFormatError(
                f"{_describe(parts)}: not a public address; only those are fetched: download the "
                "picture to a file"
            )
    # Where there is no IPv6, connecting to it fails.
    first = min(addresses, key=lambda address: address.version)
    return _Connection(parts, port, first, deadline_s)


def _follow(url: str, location: str | None) -> str:
    if location is None:
        raise PictureFormatError(f"{_describe(urlsplit(url))}: a redirect without an address")
    target = urljoin(url, location)
    if url.lower().startswith("https:") and not target.lower().startswith("https:"):
        raise PictureFormatError(
            f"{_describe(urlsplit(url))}: redirects from https to another scheme, which is refused"
        )
    return target


def _read_response(name: str, response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    if response.status != 200:
        raise PictureFormatError(
            f"{name}: the server answered {response.status} {response.reason[:40]}; expected 200"
        )
    encoding = response.getheader("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise PictureFormatError(f"{name}: the server sent compressed data ({encoding[:20]!r})")
    if response.length is not None:
        check_bytes(name, response.length, max_bytes)
    content = bytearray()
    while part := response.read(_CHUNK_BYTES):
        content += part
        check_bytes(name, len(content), max_bytes)
    if response.length:
        raise PictureFormatError(f"{name}: the connection ended before the end of the file")
    return bytes(content)


def _describe(parts: SplitResult) -> str:
    """Returns scheme and host, since the rest of an address may contain secrets."""
    return f"{parts.scheme}://{str(parts.hostname)[:80]}"


def _timeout_error(parts: SplitResult, timeout_s: float) -> PictureFormatError:
    return PictureFormatError(
        f"{_describe(parts)}: did not arrive within {timeout_s:g} s: download it to a file"
    )


def _connection_error(parts: SplitResult, error: Exception) -> PictureFormatError:
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())
    reason = str(reason)[:100] or type(error).__name__
    return PictureFormatError(f"{_describe(parts)}: cannot be fetched ({reason})")
