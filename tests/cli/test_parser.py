from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from inkdigits.cli import main
from inkdigits.cli.program import COMMANDS, build_command_parser, parse

Fail = Callable[..., str]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["train", "--sead", "1"],
            "unknown option '--sead' for 'inkdigits train': did you mean '--seed'?",
        ),
        (
            ["train", "quick", "--sead=1"],
            "unknown option '--sead' for 'inkdigits train': did you mean '--seed'?",
        ),
        (
            ["predict", "--modle", "m", "a.png"],
            "unknown option '--modle' for 'inkdigits predict': did you mean '--model'?",
        ),
        (
            ["predict", "--thresh", "0.8", "a.png"],  # options cannot be abbreviated
            "unknown option '--thresh' for 'inkdigits predict': did you mean '--threshold'?",
        ),
        (
            ["data", "--xyzzy"],
            "unknown option '--xyzzy' for 'inkdigits data'; see 'inkdigits data --help'",
        ),
        (
            ["train", "quick", "dropout"],
            "unexpected argument 'dropout' for 'inkdigits train'; see 'inkdigits train --help'",
        ),
        (
            ["train", "--seed"],
            "argument --seed: expected one argument; see 'inkdigits train --help'",
        ),
        (
            ["export", "runs/quick"],
            "the following arguments are required: --format; see 'inkdigits export --help'",
        ),
        (
            ["benchmark", "latancy"],
            "argument BENCHMARK: unknown benchmark 'latancy': did you mean 'latency'?",
        ),
    ],
    ids=str,
)
def test_wrong_arguments_are_explained_in_one_line(
    arguments: list[str], expected: str, fail: Fail
) -> None:
    assert fail(*arguments) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.png", "b.png", "--json", "--digits", "one"],
        ["--json", "a.png", "--digits", "one", "b.png"],
        ["a.png", "--json", "b.png", "--digits", "one"],
        ["--json", "--digits", "one", "--", "a.png", "b.png"],
    ],
    ids=" ".join,
)
def test_options_may_stand_before_between_and_after_the_pictures(arguments: list[str]) -> None:
    name, options = parse(["predict", *arguments])

    assert name == "predict"
    assert options.pictures == ["a.png", "b.png"]
    assert options.json
    assert options.digits == "one"


def test_a_name_that_begins_with_a_dash_may_follow_two_dashes() -> None:
    _, options = parse(["predict", "--json", "--", "-1.png", "--json"])

    assert options.pictures == ["-1.png", "--json"]


def test_an_option_of_several_values_ends_at_the_next_option() -> None:
    _, options = parse(["train", "small", "--teacher", "a", "b", "--seed", "3"])

    assert [str(teacher) for teacher in options.teacher] == ["a", "b"]
    assert (options.recipe, options.seed) == ("small", 3)


@pytest.mark.parametrize("columns", [60, 100])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_the_terminal(
    command: str,
    columns: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    with pytest.raises(SystemExit):
        main([command, "--help"] if command else ["--help"])

    explanation, _, examples = capsys.readouterr().out.partition("\nexamples:\n")
    assert [line for line in explanation.splitlines() if len(line) > columns] == []
    # A command that is wrapped cannot be copied.
    shown = [example for example in examples.splitlines() if example]
    assert all(re.match("  (inkdigits|mkdir|#) ?", example) for example in shown)


@pytest.mark.parametrize(
    ("command", "titles"),
    [
        ("train", ["recipe", "data", "run", "output"]),
        (
            "evaluate",
            [
                "models",
                "test images as tiles (MNIST's by default)",
                "labelled pictures instead",
                "a suite of pictures instead",
                "labelled pictures or a suite",
                "output",
            ],
        ),
        ("predict", ["pictures", "model", "output"]),
        ("serve", ["model", "page", "address", "security", "limits"]),
    ],
)
def test_help_groups_the_options(command: str, titles: list[str]) -> None:
    printed = build_command_parser(command).format_help()

    assert re.findall(r"^(\S.*):$", printed, re.MULTILINE) == ["options", *titles, "examples"]
    alone = printed.partition("\noptions:\n")[2].partition("\n\n")[0]
    assert " ".join(alone.split()) == (
        "-h, --help show this help message and exit --verbose print how long each step takes, and "
        "the traceback of an error"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_argument(command: str) -> None:
    assert [
        action.dest for action in build_command_parser(command)._actions if not action.help
    ] == []
