"""Python, the command line and HTTP have the same options, with the same names and values.

The tables of docs/reference/vocabulary.md are the third witness: an option that is missing in one
of the places, or in the table, fails here.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from fastapi import FastAPI

import inkdigits
from inkdigits.bulk.dataset import FORMATS
from inkdigits.cli import argument_types
from inkdigits.cli import batch as batch_command
from inkdigits.cli.program import build_command_parser
from inkdigits.recognition import reading_options
from inkdigits.recognition.devices import DEVICES
from inkdigits.recognition.reading_options import DIGITS, FORMER_DIGITS
from inkdigits.training.recipes import ReaderRecipe, Recipe
from inkdigits.training.recipes.recipe_fields import RecipeFields
from inkdigits.web.routes import v1_read

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "vocabulary.md"
TABLES = PAGE.read_text(encoding="utf-8")

# The same thing under another name, where each place has a strong habit of its own.
SYNONYMS = {"overwrite": "force", "progress": "quiet"}

# Options that not every place has; the page says why.
NOT_OVER_HTTP = {"model", "device", "allow_url"}  # who runs the service chooses these
ONLY_OVER_HTTP = {"tiles", "heat", "page"}  # parts of the answer, which Python has in a Reading

# Options of `inkdigits train` that are `overrides`, or functions of their own in Python.
OWN_FUNCTIONS = {"set", "resume", "folds", "find_learning_rate"}

# What does not say how something is read, measured or trained. `report_progress` is a function.
PRINTING = {"help", "json", "verbose", "report_progress"}

# In Python, `output` replaces an existing report, and `inkdigits.report` writes the file.
REPLACES_REPORTS = {"force", "report"}


def list_python(function: Callable[..., Any]) -> dict[str, Any]:
    """The keywords of a function and their defaults, without the deprecated ones."""
    documentation = inspect.getdoc(function) or ""
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
        and parameter.name not in PRINTING
        and not re.search(rf"^ +{parameter.name}: Deprecated", documentation, re.MULTILINE)
    }


def list_actions(command: str, *, without: tuple[str, ...] = ()) -> dict[str, argparse.Action]:
    """The options of a command by their names in Python, without some of its groups."""
    return {
        action.option_strings[-1].removeprefix("--").replace("-", "_"): action
        for group in build_command_parser(command)._action_groups
        for action in group._group_actions
        if action.option_strings and group.title not in without
    }


def list_command_line(command: str, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        name: action.default
        for name, action in list_actions(command, without=without).items()
        if name not in PRINTING
    }


def list_parameters() -> dict[str, dict[str, Any]]:
    """The schema of each query parameter of POST /v1/read, from the OpenAPI document."""
    app = FastAPI()
    app.include_router(v1_read.router)
    parameters = app.openapi()["paths"]["/v1/read"]["post"]["parameters"]
    return {parameter["name"]: parameter["schema"] for parameter in parameters}


def list_rows(title: str) -> list[list[str]]:
    """The rows of the table under a heading; each cell is the names that it shows as code."""
    table = TABLES.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def name_option(cell: str) -> str | None:
    """The name of the option in a cell such as `digits="one"` or `--digits one`."""
    found = re.match(r"`(?:--)?([a-z][a-z-]*(?:_[a-z]+)*)(?:[= ].*)?`", cell)
    return found[1].replace("-", "_") if found else None


def take_names(title: str, column: int) -> list[str]:
    return [name for row in list_rows(title) if (name := name_option(row[column])) is not None]


# Reading


def test_reading_has_the_same_options_everywhere() -> None:
    python = set(list_python(inkdigits.predict))
    command_line = set(list_command_line("predict", without=("output",))) - {"image"}  # a picture
    http = set(list_parameters())

    assert command_line == python
    assert http - ONLY_OVER_HTTP == python - NOT_OVER_HTTP
    assert http >= ONLY_OVER_HTTP
    assert not NOT_OVER_HTTP & http


def test_one_digit_is_read_with_the_options_of_reading() -> None:
    assert set(list_python(inkdigits.predict_digit)) == set(list_python(inkdigits.predict)) - {
        "digits",  # always one
        "separators",  # between digits
    }


def test_recognizers_have_the_options_of_reading() -> None:
    loading = set(list_python(inkdigits.Recognizer.load)) | {"model"}
    for read in (inkdigits.Recognizer.read_each, inkdigits.Recognizer.read):
        assert set(list_python(read)) <= set(list_python(inkdigits.predict)) | {"n_threads"}
    both = loading | set(list_python(inkdigits.Recognizer.read_each))
    assert set(list_python(inkdigits.predict)) <= both


def test_batches_have_the_options_of_reading() -> None:
    python = list_python(inkdigits.batch)
    command_line = list_command_line("batch")

    assert set(python) >= set(list_python(inkdigits.predict))
    assert {SYNONYMS.get(name, name) for name in python} == set(command_line) - {
        "quiet",
        "apply_review",  # a function of its own
    }
    for name in set(python) - {"model", "overwrite"}:
        assert command_line[name] == python[name], name
    assert batch_command.FORMAT_NAMES == FORMATS


def test_reading_has_the_same_defaults_everywhere() -> None:
    python = list_python(inkdigits.predict)
    command_line = list_command_line("predict", without=("output",))
    http = list_parameters()

    for name in set(python) - {"model"}:
        assert command_line[name] == python[name], name
        if name not in NOT_OVER_HTTP:
            assert http[name].get("default") == python[name], name


def test_digits_has_the_same_values_everywhere() -> None:
    hints = get_type_hints(
        inkdigits.Recognizer.read, localns=vars(reading_options) | {"ModelSource": Any}
    )
    action = list_actions("predict")["digits"]

    assert get_args(hints["digits"]) == DIGITS
    assert tuple(action.choices or ()) == DIGITS
    assert tuple(list_parameters()["digits"]["enum"]) == DIGITS
    assert list_actions("evaluate")["digits"].choices == action.choices
    assert argument_types.FORMER_DIGITS_NAMES == FORMER_DIGITS


def test_devices_have_the_same_names_everywhere() -> None:
    assert argument_types.DEVICE_NAMES == DEVICES
    for command in ("predict", "serve"):
        assert list_actions(command)["device"].default == "cpu"


def test_the_threshold_has_the_same_bounds_everywhere() -> None:
    (schema,) = [one for one in list_parameters()["threshold"]["anyOf"] if one["type"] == "number"]
    assert (schema["minimum"], schema["maximum"]) == (0, 1)
    parse = list_actions("predict")["threshold"].type
    assert callable(parse)

    for inside in (0.0, 1.0):
        assert parse(str(inside)) == reading_options.check_threshold(inside) == inside
    for outside in (-0.01, 1.01):
        with pytest.raises(argparse.ArgumentTypeError):
            parse(str(outside))
        with pytest.raises(inkdigits.errors.UsageError):
            reading_options.check_threshold(outside)


# Evaluating and training


def test_evaluating_has_the_same_options_in_python_and_on_the_command_line() -> None:
    python = set(list_python(inkdigits.evaluate)) - {"model"}  # the models, if there is only one
    command_line = set(list_command_line("evaluate"))

    assert python == command_line - REPLACES_REPORTS


def test_comparing_has_the_same_options_in_python_and_on_the_command_line() -> None:
    python = set(list_python(inkdigits.compare))
    command_line = set(list_command_line("compare"))

    assert python == command_line - REPLACES_REPORTS


def test_reporting_has_the_same_options_in_python_and_on_the_command_line() -> None:
    python = list_python(inkdigits.report)
    command_line = list_command_line("report")

    assert set(python) == set(command_line) - REPLACES_REPORTS
    assert {name: command_line[name] for name in python} == python


def test_sweeping_has_the_same_options_in_python_and_on_the_command_line() -> None:
    names = {"progress": "quiet", "overrides": "set", "early_stopping": "no_early_stopping"}
    python = set(list_python(inkdigits.sweep))
    command_line = set(list_command_line("sweep"))

    assert {names.get(name, name) for name in python} == command_line - {"resume"}
    assert set(list_python(inkdigits.resume_sweep)) <= python  # --resume


def test_training_has_the_same_options_in_python_and_on_the_command_line() -> None:
    # The fields are keywords; callbacks are objects, which the command line cannot take.
    python = set(list_python(inkdigits.train)) - {"overrides", "callbacks"}
    command_line = set(list_command_line("train")) - OWN_FUNCTIONS

    assert {SYNONYMS.get(name, name) for name in python} == command_line
    assert callable(inkdigits.resume)  # --resume
    folds = set(list_python(inkdigits.training.cross_validate)) - {"overrides", "callbacks"}
    assert folds - {"folds"} <= python
    rates = set(list_python(inkdigits.find_learning_rate)) - {"overrides"}
    assert rates <= python


def test_every_field_of_a_recipe_is_a_keyword_of_train() -> None:
    keywords = get_type_hints(RecipeFields)
    (last,) = list(inspect.signature(inkdigits.train).parameters.values())[-1:]
    assert last.kind is last.VAR_KEYWORD

    fields = {
        name: hint
        for kind in (Recipe, ReaderRecipe)
        for name, hint in get_type_hints(kind).items()
        if name != "name"
    }
    assert set(keywords) == set(fields)
    for name in set(fields) - {"network"}:  # which is also taken in its JSON form
        assert keywords[name] == fields[name], name
    assert not set(fields) & set(list_python(inkdigits.train))


# The tables


@pytest.mark.parametrize(
    ("title", "function", "command", "without"),
    [
        ("Reading", inkdigits.predict, "predict", ("output",)),
        ("Evaluating", inkdigits.evaluate, "evaluate", ()),
        ("Training", inkdigits.train, "train", ()),
    ],
)
def test_the_tables_list_every_option(
    title: str, function: Callable[..., Any], command: str, without: tuple[str, ...]
) -> None:
    python = take_names(title, 1)
    command_line = take_names(title, 2)

    assert len(set(python)) == len(python)
    own = {"model"} if title == "Evaluating" else set()  # positional models have a row
    given = set(list_python(function)) - own - {"overrides"}
    assert set(python) - {"epochs"} == given
    known = set(list_command_line(command, without=without)) - {"image"}
    if command == "evaluate":
        known -= REPLACES_REPORTS
    assert set(command_line) == known
    for row in list_rows(title):
        names = [name_option(cell) for cell in row[1:3]]
        if None not in names and names != ["epochs", "set"]:
            assert SYNONYMS.get(str(names[0]), names[0]) == names[1]


def test_the_table_of_reading_lists_every_parameter_of_http() -> None:
    assert sorted(take_names("Reading", 3)) == sorted(list_parameters())
    for row in list_rows("Reading"):
        names = {name for cell in row[1:] if (name := name_option(cell)) is not None}
        assert len(names) == 1, row
        if not all(name_option(cell) for cell in row[1:]):
            assert names <= NOT_OVER_HTTP | ONLY_OVER_HTTP
