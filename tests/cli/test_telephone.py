from __future__ import annotations

import io
import ipaddress
import re
import socket
import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from inkdigits.cli import main
from inkdigits.cli.telephone import draw_qr_code, find_network_host

ADDRESS = "http://192.168.178.23:8000/"
# Which of the two modules, one above the other, are light.
BLOCKS = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Replaces stdout by a terminal. Not before the test itself, where pytest replaces it again."""

    def replace_stdout() -> Terminal:
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        return stream

    return replace_stdout


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Calls `inkdigits serve` up to the moment when the service is ready."""

    def report_only(*arguments: Any, report_address: Callable[[str], None], **more: Any) -> None:
        report_address("http://localhost:8123/")

    monkeypatch.setattr("inkdigits.web.serve", report_only)
    monkeypatch.setattr("inkdigits.cli.serve.find_network_host", lambda host: "192.168.178.23")
    return lambda *options: main(["serve", "--no-browser", *options])


def read_qr_code(drawn: str) -> str:
    """Reads a drawn code with OpenCV."""
    lines = [re.fullmatch(r"\x1b\[97;40m(.*)\x1b\[0m", line) for line in drawn.splitlines()]
    modules = [
        [BLOCKS[block][row] for block in line[1]]
        for line in lines
        for row in (0, 1)
        if line is not None
    ]
    picture = np.kron(np.array(modules, np.uint8) * 255, np.ones((8, 8), np.uint8))
    return str(cv2.QRCodeDetector().detectAndDecode(picture)[0])


@pytest.mark.parametrize("address", [ADDRESS, "http://[2001:db8::17]:8000/"])
def test_the_code_holds_the_address(address: str, open_terminal: Callable[[], Terminal]) -> None:
    open_terminal()

    drawn = draw_qr_code(address)

    assert drawn is not None
    assert read_qr_code(drawn) == address
    assert max(map(len, drawn.splitlines())) < 60


def test_there_is_no_code_in_a_file_or_without_block_characters(
    open_terminal: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_terminal(), "encoding", "ascii")
    assert draw_qr_code(ADDRESS) is None
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert draw_qr_code(ADDRESS) is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", None),
        ("localhost", None),
        ("::1", None),
        ("192.168.178.23", "192.168.178.23"),
        ("digits.example.org", "digits.example.org"),
    ],
)
def test_a_named_host_is_reached_by_its_name(host: str, expected: str | None) -> None:
    assert find_network_host(host) == expected


def test_every_address_becomes_that_of_this_machine_in_its_network() -> None:
    found = find_network_host("0.0.0.0")

    if found is None:
        pytest.skip("this machine is in no network")
    address = ipaddress.ip_address(found)
    assert not address.is_loopback
    assert not address.is_unspecified
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family) as listener:
        listener.bind((found, 0))  # an address of this machine


def test_serve_prints_the_address_for_a_telephone(
    serve: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve("--host", "0.0.0.0") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("inkdigits serves http://localhost:8123/ ")
    assert lines[1] == "on a telephone in the same network: http://192.168.178.23:8123/"
    assert len(lines) == 2


def test_a_terminal_gets_the_code_too(
    serve: Callable[..., int], open_terminal: Callable[[], Terminal]
) -> None:
    terminal = open_terminal()

    assert serve("--host", "0.0.0.0") == 0

    _, _, code = terminal.getvalue().split("\n", 2)
    assert read_qr_code(code) == "http://192.168.178.23:8123/"


@pytest.mark.parametrize(
    ("names", "is_printed"),
    [(["digits.example.org"], False), (["digits.example.org", "192.168.178.23"], True)],
)
def test_an_address_that_the_service_does_not_answer_is_not_printed(
    names: list[str],
    is_printed: bool,
    serve: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [word for name in names for word in ("--allowed-host", name)]

    assert serve("--host", "0.0.0.0", *options) == 0

    assert ("on a telephone" in capsys.readouterr().out) is is_printed
