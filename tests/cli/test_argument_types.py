from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inkdigits.cli.argument_types import (
    Name,
    parse_count,
    parse_digits,
    parse_picture_path,
    parse_port,
    parse_seconds,
    parse_seed,
    parse_share,
)
from inkdigits.cli.program import parse

parse_suite = Name("suite", ("marks", "mnist"))


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_port, "0", 0),
        (parse_port, "65535", 65535),
        (parse_seed, "0", 0),
        (parse_seed, "4294967295", 2**32 - 1),
        (parse_count, "1", 1),
        (parse_count, "20_000_000", 20_000_000),
        (parse_seconds, "0.5", 0.5),
        (parse_share, "0", 0.0),
        (parse_share, "1", 1.0),
        (parse_share, "9.5e-1", 0.95),
        (parse_picture_path, "new/boxes.PNG", Path("new/boxes.PNG")),
        (parse_suite, "marks", "marks"),
    ],
)
def test_valid_arguments_are_accepted(
    parse: Callable[[str], object], text: str, value: object
) -> None:
    assert parse(text) == value
    assert type(parse(text)) is type(value)


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_port, "10.5", "invalid port '10.5': expected an integer from 0 to 65535"),
        (parse_port, "65536", "invalid port '65536': expected an integer from 0 to 65535"),
        (parse_port, "-1", "invalid port '-1': expected an integer from 0 to 65535"),
        (parse_seed, "", "invalid seed '': expected an integer from 0 to 4294967295"),
        (parse_seed, "-1", "invalid seed '-1': expected an integer from 0 to 4294967295"),
        (
            *(parse_seed, "4294967296"),
            "invalid seed '4294967296': expected an integer from 0 to 4294967295",
        ),
        (parse_count, "0", "invalid number '0': expected an integer of 1 or more"),
        (parse_count, "many", "invalid number 'many': expected an integer of 1 or more"),
        (parse_seconds, "0", "invalid duration '0': expected seconds, more than 0"),
        (parse_seconds, "nan", "invalid duration 'nan': expected seconds, more than 0"),
        (parse_seconds, "1m", "invalid duration '1m': expected seconds, more than 0"),
        (parse_share, "1.5", "invalid share '1.5': expected a number from 0 to 1"),
        (parse_share, "half", "invalid share 'half': expected a number from 0 to 1"),
        (parse_share, "nan", "invalid share 'nan': expected a number from 0 to 1"),
        (
            *(parse_picture_path, "boxes"),
            "invalid picture name 'boxes': expected one that ends in "
            ".png, .jpg, .jpeg, .webp, .bmp, .tif or .tiff",
        ),
        (parse_digits, "two", "invalid digits 'two': expected 'all' or 'one'"),
        (parse_suite, "marsk", "unknown suite 'marsk': did you mean 'marks'?"),
        (parse_suite, "x", "unknown suite 'x': expected one of marks, mnist"),
    ],
)
def test_invalid_arguments_are_explained(
    parse: Callable[[str], Any], text: str, message: str
) -> None:
    with pytest.raises(ArgumentTypeError) as raised:
        parse(text)

    assert str(raised.value) == message


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_the_former_value_of_digits_works_with_a_message(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [command, "seven.png"]
    plain = parse([*arguments, "--digits", "all"])
    assert capsys.readouterr().err == ""

    assert parse([*arguments, "--digits", "any"]) == parse(arguments) == plain

    printed = capsys.readouterr()
    assert printed.err == "inkdigits: --digits any is deprecated: use --digits all\n"
    assert printed.out == ""
