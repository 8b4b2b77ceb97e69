"""Each exit status has one meaning, and the help and the docs say which."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inkdigits import errors
from inkdigits.cli import exit_status, main
from inkdigits.cli.exit_status import MEANINGS

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"


def list_leaves(kind: type[errors.InkdigitsError]) -> list[type[errors.InkdigitsError]]:
    below = [leaf for child in kind.__subclasses__() for leaf in list_leaves(child)]
    return below or [kind]


def test_every_status_has_a_meaning() -> None:
    statuses = [value for name, value in vars(exit_status).items() if name.isupper()]

    assert [value for value in statuses if isinstance(value, int)] == list(MEANINGS)
    assert len(set(MEANINGS.values())) == len(MEANINGS)


@pytest.mark.parametrize("kind", list_leaves(errors.InkdigitsError), ids=lambda kind: kind.__name__)
def test_the_status_of_an_error_follows_from_its_kind(kind: type[errors.InkdigitsError]) -> None:
    expected = {
        errors.UsageError: exit_status.USAGE,
        errors.PictureError: exit_status.INPUT,
        errors.DataFormatError: exit_status.INPUT,
        errors.DataLeakageError: exit_status.INPUT,
        errors.DataUnavailableError: exit_status.INPUT,
        errors.ModelError: exit_status.INPUT,
        errors.RunError: exit_status.INPUT,
        errors.OutputError: exit_status.OUTPUT,
        errors.OutputExistsError: exit_status.OUTPUT,
        errors.MissingExtraError: exit_status.MISSING_EXTRA,
        errors.TrainingInterrupted: exit_status.INTERRUPTED,
        errors.RequestError: exit_status.FAULT,  # of the service, never of a command
    }

    assert kind.exit_code == next(expected[base] for base in kind.__mro__ if base in expected)


def test_the_docs_have_the_table_of_all_statuses() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)

    assert {int(status): meaning.replace("`", "") for status, meaning in rows} == dict(MEANINGS)


def test_help_lists_all_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    listed = " ".join(capsys.readouterr().out.partition("exit statuses:")[2].split())
    for status, meaning in MEANINGS.items():
        assert f"{status} {meaning}" in listed


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["recipes"], 0),
        (["predict", "blank.png"], 1),
        (["recipes", "--xyzzy"], 2),
        (["recipes", "smok"], 2),
        (["predict"], 2),
        (["predict", "nowhere.png"], 3),
        (["predict", "blank.png", "nowhere.png"], 3),
        (["predict", "blank.png", "--model", "nowhere"], 3),
        (["data", "--data", "nowhere"], 3),
        (["train", "--resume", "nowhere"], 3),
        (["predict", "blank.png", "--csv", "taken.csv"], 4),
        (["predict", "blank.png", "--csv", "taken.csv/deeper.csv"], 4),
    ],
    ids=str,
)
def test_commands_end_with_the_status_that_the_table_says(
    arguments: list[str], status: int, pictures: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "blank.png").write_bytes(pictures["blank"].read_bytes())
    (tmp_path / "taken.csv").write_text("mine")

    assert main(arguments) == status
    assert (tmp_path / "taken.csv").read_text() == "mine"


def test_a_fault_is_told_apart_from_every_other_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(options: object) -> int:
        raise TypeError("a fault")

    monkeypatch.setattr("inkdigits.cli.recipes.run", fail)

    assert main(["recipes"]) == 70

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Traceback (most recent call last):")
    assert "TypeError: a fault" in printed.err
    assert re.search(
        r"\ninkdigits: a fault in inkdigits .* \(TypeError\): please report it .*\n$", printed.err
    )
