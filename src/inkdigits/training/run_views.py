"""What the folder of a run contains, as plain values, as one line, and as HTML for notebooks.

A run is shown whatever its state is: what is missing or damaged is left out.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inkdigits.percentages import format_share
from inkdigits.presentation.data_frames import REAL, TEXT, WHOLE, build_frame
from inkdigits.presentation.html_fragments import (
    Html,
    render_block,
    render_picture,
    render_table,
)

if TYPE_CHECKING:
    from pandas import DataFrame

_MAX_EPOCHS: Final = 30
_MAX_FIELD: Final = 60
"""Longer values of a recipe, such as its layers, are not shown."""


def describe_folder(folder: Path, *, is_finished: bool) -> dict[str, Any]:
    """Returns a run as plain numbers, strings, lists and dicts.

    Args:
        folder: The folder of the run.
        is_finished: Whether its training has finished.

    Returns:
        `folder`, `recipe`, `seed`, `is_finished`, `versions`, `figures` (those of the card) and
        `history` (the rows of `history.csv`). What is missing is None, or empty.
    """
    settings = _load_json(folder / "settings.json")
    figures = _load_json(folder / "model.json").get("figures")
    return {
        "folder": str(folder),
        "recipe": settings.get("recipe"),
        "seed": settings.get("seed"),
        "is_finished": is_finished,
        "versions": settings.get("versions", {}),
        "figures": figures if isinstance(figures, dict) else {},
        "history": list_history(folder),
    }


def list_history(folder: Path) -> list[dict[str, Any]]:
    """Returns the rows of `history.csv`, numbers as numbers; none if it is missing or damaged."""
    try:
        with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
            return [
                {name: _parse(value) for name, value in row.items()} for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, TypeError, csv.Error):
        return []


def frame_history(history: list[dict[str, Any]]) -> DataFrame:
    """Returns the result of `list_history` as a data frame.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    columns = {}
    for name in history[0] if history else ():
        kinds = {type(row.get(name)) for row in history}
        columns[name] = WHOLE if kinds == {int} else REAL if kinds <= {int, float} else TEXT
    return build_frame(history, columns)


def format_line(run: dict[str, Any]) -> str:
    """Returns the representation of a run, from the result of `describe_folder`."""
    shown = [repr(run["folder"])]
    name = _find_name(run)
    if name is not None:
        shown.append(f"recipe={name!r}")
    if run["seed"] is not None:
        shown.append(f"seed={run['seed']}")
    last = run["history"][-1] if run["history"] else {}
    if "epoch" in last:
        shown.append(f"epochs={last['epoch']}")
    if _is_number(last.get("val_accuracy")):
        shown.append(f"val_accuracy={last['val_accuracy']:.4f}")
    shown.append(f"is_finished={run['is_finished']}")
    return f"Run({', '.join(shown)})"


def render_run(run: dict[str, Any]) -> str:
    """Returns a run as HTML that needs no other file, from the result of `describe_folder`."""
    state = "finished" if run["is_finished"] else "unfinished: continue with inkdigits.resume"
    rows = [["state", state]]
    if run["seed"] is not None:
        rows.append(["seed", str(run["seed"])])
    recipe = run["recipe"] if isinstance(run["recipe"], dict) else {}
    rows += [
        [name, str(value)]
        for name, value in recipe.items()
        if value is not None and len(str(value)) <= _MAX_FIELD
    ]
    figures = [[name, _format(name, value)] for name, value in run["figures"].items()]
    parts = [render_table(["setting", "value"], rows)]
    if figures:
        parts.append(render_table(["figure", "value"], figures))
    if history := run["history"][-_MAX_EPOCHS:]:
        names = list(history[0])
        cells = [[_format(name, row.get(name)) for name in names] for row in history]
        parts.append(render_table(names, cells))
    curves = _render_curves(Path(run["folder"]) / "curves.png")
    return render_block(f"{run['folder']}: {_find_name(run) or 'run'}", *parts, curves)


def _render_curves(path: Path) -> Html:
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.load()
            curves = image.convert("RGB")
    except OSError:
        return Html("")
    curves.thumbnail((900, 900))
    return render_picture(curves, "accuracy and loss over the epochs")


def _find_name(run: dict[str, Any]) -> str | None:
    recipe = run["recipe"]
    name = recipe.get("name") if isinstance(recipe, dict) else None
    return name if isinstance(name, str) else None


def _load_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _parse(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _format(name: str, value: object) -> str:
    if isinstance(value, float):
        return format_share(value, 2) if name.endswith("accuracy") else f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)
