"""Writes the tables of README.md and docs from the result files in this folder: `make tables`.

The script replaces the text between `<!-- NAME -->` and `<!-- end -->` by the table NAME.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from inkdigits.evaluation import summarise

RESULTS = Path(__file__).parent
ROOT = RESULTS.parent

RECIPES = (
    *("classic", "classic-small-batch", "dropout", "quick"),
    *("pictures", "strided", "best", "ensemble", "small", "tiny"),
)
SUITES = {
    "mnist": "MNIST's test images",
    "corruptions": "fifteen corruptions of MNIST-C (Mu and Gilmer, 2019), mean",
    "digits8x8": "digits of 8 × 8 pixels by other writers (Alpaydin and Kaynak, 1998)",
    "pages": "drawn pages: all digits of a page right, mean of 21 kinds",
    "marks": "mean of the six rows below",
}
MARKS = {
    "separators": "drawn numbers: every separator at its place, no other separator",
    "letters": "drawn letters: no digit read",
    "signs": "mathematical signs: no digit read",
    "words": "words: no digit read",
    "blank paper": "paper without writing: nothing read",
    "photographs": "photographs: nothing read",
}
"""Rows of the suite `marks` with their own line."""


def tabulate_recipes() -> str:
    """Returns a table with one row for each recipe, the ensemble included."""
    rows = [
        "| recipe | parameters | test | with shifts | reviewed labels | training | validation "
        "| fitting |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in RECIPES:
        # Some recipes are not measured with shifts.
        is_shifted = (RESULTS / f"{name}-shifts.json").is_file()
        shifted = _load(f"{name}-shifts")["models"] if is_shifted else []
        rows.append(f"| `{name}` | {' | '.join(_describe(_load(name)['models'], shifted))} |")
    return "\n".join(rows)


def tabulate_ensemble_sizes() -> str:
    """Returns a table with one column for each number of averaged networks."""
    found = _load("ensemble-sizes")["rows"]
    rows = [
        f"| networks averaged | {' | '.join(str(row['networks']) for row in found)} |",
        "|---|" + "---|" * len(found),
    ]
    for what, name in (("test", "accuracy"), ("with shifts", "accuracy_with_shifts")):
        rows.append(f"| {what} | {' | '.join(f'{100 * row[name]:.2f} %' for row in found)} |")
    misread = " | ".join(f"{row['misread_by_all']:.0f}" for row in found)
    rows.append(f"| digits that all of them misread | {misread} |")
    return "\n".join(rows)


def tabulate_suites() -> str:
    """Returns a table with one row for each suite."""
    rows = ["| what | n | read | classified as tiles | command |", "|---|---|---|---|---|"]
    for name, what in SUITES.items():
        suite = _load(f"suite-{name}")
        tiles = suite.get("classify_mean")
        cells = (
            what,
            f"{sum(row['n'] for row in suite['rows']):,}",
            f"{100 * suite['mean']:.2f} %",
            "" if tiles is None else f"{100 * tiles:.2f} %",
            f"`inkdigits evaluate --suite {name}`",
        )
        rows.append(f"| {' | '.join(cells)} |")
        if name == "marks":
            found = {row["name"]: row for row in suite["rows"]}
            rows += [
                f"| {what} | {found[row]['n']:,} | {100 * found[row]['accuracy']:.2f} % | | |"
                for row, what in MARKS.items()
            ]
    return "\n".join(rows)


def tabulate_load() -> str:
    """Returns a table of the service and its peers: a row for each load, a column for each peer."""
    result = _load("load")
    peers = list(dict.fromkeys(row["peer"] for row in result["rows"]))
    found = {(row["what"], row["clients"], row["peer"]): row for row in result["rows"]}
    rows = [f"| requests per second (p99) | {' | '.join(peers)} |", "|---|" + "---|" * len(peers)]
    for what, clients in dict.fromkeys((what, clients) for what, clients, _ in found):
        cells = [
            f"{_show(row['requests_per_s'])} ({_show(row['p99_ms'])} ms)"
            for row in (found[what, clients, peer] for peer in peers)
        ]
        rows.append(f"| {what}, {clients} client{'s' * (clients > 1)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def tabulate_benchmark() -> str:
    """Returns a table with one row for each figure of `inkdigits benchmark`."""
    rows = ["| benchmark | figure | measured | target |", "|---|---|---|---|"]
    for result in _load("benchmark")["results"]:
        for figure in result["figures"]:
            target = [
                f"{word} {figure[name]:g}"
                for word, name in (("at least", "least"), ("at most", "most"))
                if figure[name] is not None
            ]
            missed = " (not met)" if figure["is_met"] is False else ""
            measured = f"{figure['value']:,.4g} {figure['unit']}".strip()
            cells = (f"`{result['name']}`", figure["name"], measured, ", ".join(target) + missed)
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def tabulate_attacks() -> str:
    """Returns a table with one row for each kind of hostile request."""
    rows = [
        "| request | MB | status | CPU time in s | memory in MB | delay |",
        "|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {cost['name']} | {cost['n_bytes'] / 1e6:.1f} | {cost['status']} | {cost['cpu_s']:.2f} "
        f"| {max(cost['mb'], 0):.0f} | {cost['wait_ms']:.0f} ms |"
        for cost in json.loads((RESULTS / "attacks.json").read_bytes())
    ]
    return "\n".join(rows)


def write_tables(name: str, text: str) -> str:
    """Returns a document with tables from the current results.

    Args:
        name: Path of the document, a key of `DOCUMENTS`.
        text: Its text.

    Raises:
        SystemExit: The document does not have exactly one place for a table.
    """
    for table, tabulate in DOCUMENTS[name].items():
        pattern = rf"(<!-- {table} -->\n).*?(<!-- end -->)"
        text, n = re.subn(pattern, rf"\g<1>{tabulate()}\n\g<2>", text, flags=re.DOTALL)
        if n != 1:
            raise SystemExit(
                f"{name} has {n} places for the table {table}: expected exactly one pair of "
                f"<!-- {table} --> and <!-- end -->"
            )
    return text


def _show(value: float) -> str:
    return f"{value:.1f}" if value < 20 else f"{value:,.0f}"


def _load(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_bytes())
    return result


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
    if not figures[0]:  # an ensemble has no training figures
        return ["", *cells, "", "", ""]
    seconds = sorted(figure["fit_seconds"] for figure in figures)[len(figures) // 2]
    return [
        f"{figures[0]['parameters']:,}",
        *cells,
        str(summarise([figure["training_accuracy"] for figure in figures])),
        str(summarise([figure["validation_accuracy"] for figure in figures])),
        f"{seconds:.0f} s",
    ]


DOCUMENTS = {
    "README.md": {
        "recipes": tabulate_recipes,
        "ensemble-sizes": tabulate_ensemble_sizes,
        "suites": tabulate_suites,
        "benchmark": tabulate_benchmark,
        "load": tabulate_load,
    },
    "docs/service-under-attack.md": {"attacks": tabulate_attacks},
}

if __name__ == "__main__":
    for document in DOCUMENTS:
        path = ROOT / document
        path.write_text(write_tables(document, path.read_text(encoding="utf-8")), encoding="utf-8")
