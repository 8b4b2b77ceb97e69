"""Curves while training: at a local address, and in the terminal."""

from __future__ import annotations

import http.client
import json
import math
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from inkdigits.data import Mnist
from inkdigits.errors import UsageError
from inkdigits.training import train
from inkdigits.training.fit.curve_panels import list_panels
from inkdigits.training.fit.live_curves import HOST, LiveCurves
from inkdigits.training.fit.terminal_curves import draw_lines
from inkdigits.training.networks.frameworks import load_keras

HEADER = "epoch,loss,accuracy,val_loss,val_accuracy,seconds\n"
ROWS = ("1,0.5,0.85,0.2,0.94,2.0\n", "2,0.2,0.94,0.1,0.97,1.5\n")


def ask(port: int, path: str, host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    response = connection.getresponse()
    return response.status, response.read().decode()


def find_port(curves: LiveCurves) -> int:
    return int(curves.address.rstrip("/").rpartition(":")[2])


def test_the_curves_grow_with_the_history(tmp_path: Path) -> None:
    with LiveCurves(tmp_path) as curves:
        port = find_port(curves)
        before = json.loads(ask(port, "/curves")[1])
        (tmp_path / "history.csv").write_text(HEADER + "".join(ROWS))
        after = json.loads(ask(port, "/curves")[1])

    assert before == {"curves": "", "told": "The first epoch is running.", "is_over": False}
    assert after["told"] == "Epoch 2: validation accuracy 97.00 %, loss 0.1000; 1.5 s."
    assert "Error (%) over the epochs; at the end: training 6; validation 3" in after["curves"]


def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    with LiveCurves(tmp_path) as curves:
        status, page = ask(find_port(curves), "/")

    assert status == 200
    assert str(tmp_path) in page
    assert not re.search(r"(?:src|href)=\"(?!data:)|url\(|//[a-z]", page)


def test_other_paths_and_names_are_refused(tmp_path: Path) -> None:
    """A site that points its own name to this machine must not read the curves."""
    with LiveCurves(tmp_path) as curves:
        port = find_port(curves)
        assert ask(port, "/../settings.json")[0] == 404
        assert ask(port, "/curves", host=f"elsewhere.example:{port}")[0] == 403
        assert ask(port, "/curves", host=f"localhost:{port}")[0] == 200


def test_the_address_ends_with_the_training(tmp_path: Path) -> None:
    curves = LiveCurves(tmp_path)
    curves.close()

    with pytest.raises(ConnectionRefusedError):
        ask(find_port(curves), "/")


def test_a_used_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot use port {port}"):
            LiveCurves(tmp_path, port=port)
    with pytest.raises(UsageError, match="invalid port 65536: expected 0 to 65535"):
        LiveCurves(tmp_path, port=65_536)


def test_a_training_is_watched(
    mnist: Mnist, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    seen: list[str] = []

    class Look(load_keras().callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            seen.append(json.loads(ask(port, "/curves")[1])["told"])

    train(
        "smoke",
        training_images=500,
        epochs=2,
        output=tmp_path / "run",
        callbacks=[Look()],
        live=port,
    )

    assert seen[0] == "The first epoch is running."
    assert seen[1].startswith("Epoch 1: validation accuracy ")
    assert f"live curves: http://127.0.0.1:{port}/\n" in capsys.readouterr().err
    with pytest.raises(ConnectionRefusedError):
        ask(port, "/")


def list_dots(lines: list[str]) -> set[tuple[int, int]]:
    """The column and row of each dot, by the order of the dots of braille in Unicode."""
    order = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]
    return {
        (2 * column + dx, 4 * row + dy)
        for row, line in enumerate(lines)
        for column, letter in enumerate(line)
        for bit, (dx, dy) in enumerate(order)
        if (ord(letter) - 0x2800) >> bit & 1
    }


def test_the_terminal_shows_a_logarithmic_curve() -> None:
    """A loss that falls by the same factor in each epoch is a straight line."""
    rows = [
        {"epoch": epoch, "loss": 2.0**-epoch, "val_loss": 0.0, "accuracy": 1, "val_accuracy": 1}
        for epoch in range(1, 9)
    ]
    _, loss = list_panels(rows)

    dots = list_dots([line.plain for line in draw_lines(loss, 10, 5)])

    assert {(0, 0), (19, 19)} <= dots
    assert {column for column, _ in dots} == set(range(20))
    assert all(math.isclose(column, row, abs_tol=1) for column, row in dots)
