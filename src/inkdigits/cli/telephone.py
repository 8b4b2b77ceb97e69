"""The address of the page for a telephone in the same network, also as a QR code."""

from __future__ import annotations

import io
import socket
import sys
from contextlib import suppress
from typing import Final

EVERY_ADDRESS: Final = ("0.0.0.0", "::")
LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")

# Never assigned to a machine (RFC 5737, RFC 3849). A datagram socket that is connected to it sends
# nothing, but gets the address of this machine that the system would send from.
_ELSEWHERE: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
_WHITE_ON_BLACK: Final = "\x1b[97;40m"
_RESET: Final = "\x1b[0m"


def find_network_host(host: str) -> str | None:
    """Returns the address of this machine for others in its network.

    Args:
        host: The address that the service listens on.

    Returns:
        `host` itself, unless it stands for every address; None if no other machine can reach it, or
        if this machine is in no network.
    """
    if host in LOCAL_NAMES:
        return None
    if host not in EVERY_ADDRESS:
        return host
    for family, elsewhere in _ELSEWHERE.items():
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            found = str(probe.getsockname()[0])
            if found not in (*LOCAL_NAMES, *EVERY_ADDRESS):
                return found
    return None


def draw_qr_code(address: str) -> str | None:
    """Draws an address as a QR code, white on black whatever the colours of the terminal are.

    Args:
        address: The address.

    Returns:
        Lines of block characters; None if stdout is not a terminal or lacks these characters, or
        if segno is not installed.
    """
    if not sys.stdout.isatty():
        return None
    try:
        import segno
    except ImportError:  # from an installation of `serve` before it had this dependency
        return None
    blocks = io.StringIO()
    segno.make_qr(address).terminal(blocks, compact=True, border=2)
    drawn = blocks.getvalue()
    try:
        drawn.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return None
    return "".join(f"{_WHITE_ON_BLACK}{line}{_RESET}\n" for line in drawn.splitlines())
