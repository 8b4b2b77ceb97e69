"""How `inkdigits serve` is called; `tests/web/` has what the service does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from inkdigits.cli.program import build_command_parser
from inkdigits.web import Settings

Fail = Callable[..., str]

LIMITS = {
    action.dest: action
    for action in build_command_parser("serve")._actions
    if action.dest.startswith("max_") or action.dest.endswith(("_s", "_per_minute"))
}


def test_every_limit_of_the_service_has_an_option() -> None:
    limits = {
        field.name
        for field in fields(Settings)
        if re.search("int|float", str(field.type)) and field.name != "n_threads"
    }

    assert set(LIMITS) == limits


@pytest.mark.parametrize("name", LIMITS)
def test_help_states_the_default_of_each_limit(name: str) -> None:
    default = getattr(Settings(), name)
    stated = str(LIMITS[name].help).rpartition("default: ")[2]

    if default is None:
        assert stated == "no limit"
    else:
        assert float(stated.replace(",", "")) == default


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "10.5"], "invalid port '10.5': expected an integer from 0 to 65535"),
        (["--max-bytes", "0"], "argument --max-bytes: invalid number '0'"),
        (["--deadline-s", "-1"], "argument --deadline-s: invalid duration '-1'"),
        (["--threshold", "half"], "invalid share 'half'"),
        (["--api-key-file", "nowhere"], "cannot read the API key in nowhere: No such file"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_used_is_explained(
    arguments: list[str], message: str, fail: Fail
) -> None:
    assert message in fail("serve", "--no-browser", *arguments)


def test_a_key_file_that_is_not_text_is_explained(fail: Fail, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")

    assert fail("serve", "--no-browser", "--api-key-file", "key") == (
        "cannot read the API key in key: the file is not text"
    )
