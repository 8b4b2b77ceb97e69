"""Writes the tables of README.md from the files beside this one: `make tables`.

A table stands between `<!-- NAME -->` and `<!-- end -->`; what stands there is replaced.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from inkdigits.evaluation import summarise

RESULTS = Path(__file__).parent
README = RESULTS.parent / "README.md"

RECIPES = (
    *("classic", "classic-small-batch", "dropout", "quick"),
    *("best", "ensemble", "small", "tiny", "pictures"),
)
SUITES = {
    "corruptions": "fifteen corruptions of MNIST-C (Mu and Gilmer, 2019), mean",
    "digits8x8": "1,797 digits of 8 × 8 pixels by other hands (Alpaydin and Kaynak, 1998)",
    "pages": "drawn pages, all digits of a page right, mean of 21 kinds",
}


def tabulate_recipes() -> str:
    """A row for each recipe that has been measured."""
    rows = [
        "| recipe | parameters | test | with shifts | reviewed labels | training | validation "
        "| fitting |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in RECIPES:
        models = _load_models(name)
        if models:
            cells = _describe(models, _load_models(f"{name}-shifts"))
            rows.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def tabulate_suites() -> str:
    """A row for each suite that has been measured."""
    rows = ["| what | accuracy | command |", "|---|---|---|"]
    for name, what in SUITES.items():
        path = RESULTS / f"suite-{name}.json"
        if path.is_file():
            mean = json.loads(path.read_bytes())["mean"]
            rows.append(f"| {what} | {100 * mean:.2f} % | `inkdigits evaluate --suite {name}` |")
    return "\n".join(rows)


def write_tables(text: str) -> str:
    """The README with its tables as the results are now."""
    for name, table in (("recipes", tabulate_recipes()), ("suites", tabulate_suites())):
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        text, n = re.subn(pattern, rf"\g<1>{table}\n\g<2>", text, flags=re.DOTALL)
        if n != 1:
            raise SystemExit(f"README.md has {n} places for the table of {name}; expected 1")
    return text


def _load_models(name: str) -> list[dict[str, Any]]:
    path = RESULTS / f"{name}.json"
    models: list[dict[str, Any]] = []
    if path.is_file():
        models = json.loads(path.read_bytes())["models"]
    return models


def _summarise(models: list[dict[str, Any]], name: str) -> str:
    values = [model["evaluation"].get(name) for model in models]
    return "" if None in values or not values else str(summarise(values))


def _describe(models: list[dict[str, Any]], shifted: list[dict[str, Any]]) -> list[str]:
    figures = [model["figures"] for model in models]
    cells = [
        _summarise(models, "accuracy"),
        _summarise(shifted, "accuracy"),
        _summarise(models, "reviewed_accuracy"),
    ]
    if not figures[0]:  # an ensemble has none of its own
        return ["", *cells, "", "", ""]
    seconds = sorted(figure["fit_seconds"] for figure in figures)[len(figures) // 2]
    return [
        f"{figures[0]['parameters']:,}",
        *cells,
        str(summarise([figure["training_accuracy"] for figure in figures])),
        str(summarise([figure["validation_accuracy"] for figure in figures])),
        f"{seconds:.0f} s",
    ]


if __name__ == "__main__":
    README.write_text(write_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
