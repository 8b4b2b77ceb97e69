from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from inkdigits.cli import main

Fail = Callable[..., str]


def predict(content: bytes, *arguments: str) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [sys.executable, "-m", "inkdigits", "predict", *arguments],
        input=content,
        capture_output=True,
        check=False,
    )
    return subprocess.CompletedProcess(
        ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode()
    )


@pytest.mark.parametrize("kind", ["bytes", "base64", "data URI", "lines"])
def test_standard_input_is_a_picture(
    kind: str, pictures: dict[str, Path], model: list[str]
) -> None:
    content = pictures["seven"].read_bytes()
    given = {
        "bytes": content,
        "base64": base64.b64encode(content),
        "data URI": b"data:image/png;base64," + base64.b64encode(content),
        "lines": base64.encodebytes(content),
    }[kind]

    ended = predict(given, "-", *model, "--json")

    assert (ended.returncode, ended.stderr) == (0, "")
    (row,) = json.loads(ended.stdout)
    assert (row["file"], row["text"]) == ("stdin", "7")


def test_errors_of_standard_input_are_one_line(model: list[str]) -> None:
    ended = predict(b"not a picture", "-", *model)

    assert ended.returncode == 3
    assert ended.stderr.startswith("inkdigits: stdin: unknown format: starts with text")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_text_is_a_picture(
    prefix: str,
    pictures: dict[str, Path],
    model: list[str],
    fail: Fail,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = base64.b64encode(pictures["seven"].read_bytes()).decode()

    assert main(["predict", prefix + text, *model]) == 0
    assert capsys.readouterr().out.startswith("7  (")
    message = fail("predict", f"{prefix}{text[:-40]}!", *model)
    assert "damaged base64 text (" in message
    assert text[:12] not in message


def test_pages_are_read_with_their_numbers(
    pictures: dict[str, Path],
    model: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pages = [Image.open(pictures[name]).convert("L") for name in ("seven", "blank", "seven")]
    for name in ("scan.tiff", "scan.pdf"):
        pages[0].copy().save(
            tmp_path / name, save_all=True, append_images=[page.copy() for page in pages[1:]]
        )

        assert main(["predict", name, *model, "--json"]) == 1

        rows = json.loads(capsys.readouterr().out)
        assert [(row["file"], row["page"], row["text"]) for row in rows] == [
            (name, 1, "7"),
            (name, 2, ""),
            (name, 3, "7"),
        ]


def test_the_only_page_of_a_document_is_drawn(
    pictures: dict[str, Path], model: list[str], tmp_path: Path, fail: Fail
) -> None:
    page = Image.open(pictures["seven"]).convert("L")
    page.copy().save(tmp_path / "one.pdf")
    page.copy().save(tmp_path / "two.pdf", save_all=True, append_images=[page.copy()])

    message = fail("predict", "two.pdf", *model, "--annotate", "more.png")
    assert "--annotate draws one picture: two.pdf has several pages" in message
    assert main(["predict", "one.pdf", *model, "--annotate", "boxes.png"]) == 0
    with Image.open("boxes.png") as drawn:
        assert drawn.height > page.height


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "-"], "standard input is named twice: expected one '-'"),
        (["https://example.org/7.png"], "an address is fetched only with --allow-url"),
        (["--allow-url", "http://127.0.0.1/7.png"], "http://127.0.0.1: not a public address"),
        (["--allow-url", "http://me:secret@example.org/7.png"], "the address has a user name"),
    ],
    ids=str,
)
def test_a_wrong_call_is_explained(
    arguments: list[str], message: str, model: list[str], fail: Fail
) -> None:
    found = fail("predict", *arguments, *model)

    assert message in found
    assert "secret" not in found
