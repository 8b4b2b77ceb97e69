"""Writes the tables of README.md and docs from the result files in this folder: `make tables`.

The script replaces the text between `<!-- NAME -->` and `<!-- end -->` by the table NAME.
"""

from __future__ import annotations

import json
import re
import statistics
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
_UNIT = re.compile(r"(?<=\d) (?=(%|s|ms|MB|×|points)(\W|$))|(?<=%) (?=±)|(?<=±) (?=\d)")
MARKS = {
    "separators": "drawn numbers: every separator at its place, no other separator",
    "letters": "drawn letters: no digit read",
    "signs": "mathematical signs: no digit read",
    "words": "words: no digit read",
    "blank paper": "paper without writing: nothing read",
    "photographs": "photographs: nothing read",
}
"""Rows of the suite `marks` with their own line."""


def tabulate_summary() -> str:
    """Returns the table of the README: the figures that a newcomer asks for."""
    tiles = _load("suite-mnist")
    marks = {row["name"]: row["accuracy"] for row in _load("suite-marks")["rows"]}
    quick = _load("quick")["models"]
    seconds = statistics.median_high(model["figures"]["fit_seconds"] for model in quick)
    rows = (
        (
            "MNIST's 10,000 test images, recipe `best` with `--shifts`",
            _summarise(_load("best-shifts")["models"], "accuracy"),
        ),
        (
            f"the same, recipe `quick`, trained in {seconds:.0f} s on 2 cores",
            _summarise(quick, "accuracy"),
        ),
        ("the same, network in the package", f"{100 * tiles['classify_mean']:.2f} %"),
        ("the same, read as pictures", f"{100 * tiles['mean']:.2f} %"),
        (
            "pages of 21 kinds, all digits of a page right",
            f"{100 * _load('suite-pages')['mean']:.2f} %",
        ),
        ("photographs without digits, nothing read", f"{100 * marks['photographs']:.2f} %"),
        (
            "`inkdigits predict`, from start to end",
            f"{_find_benchmark('cold-start', 'inkdigits predict'):.2f} s",
        ),
        (
            "size of the default installation; of TensorFlow",
            f"{_load('install-size')['total_mb']:,.0f} MB; "
            f"{_find_benchmark('size', 'TensorFlow'):,.0f} MB",
        ),
    )
    return "\n".join(["| what | measured |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)])


def tabulate_recipes() -> str:
    """Returns a table with one row for each recipe, the ensemble included."""
    rows = [
        "| recipe | parameters | seeds | test | with shifts | reviewed labels | training "
        "| validation | fitting |",
        "|---|---|---|---|---|---|---|---|---|",
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
    """Returns a table with one row for each suite, and for each kind of marks."""
    head = ["what", "n", "read", "by the small reader", "classified as tiles", "command"]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, what in SUITES.items():
        suite, small = _load(f"suite-{name}"), _load(f"small-reader/suite-{name}")
        tiles = suite.get("classify_mean")
        cells = (
            what,
            f"{sum(row['n'] for row in suite['rows']):,}",
            f"{100 * suite['mean']:.2f} %",
            f"{100 * small['mean']:.2f} %",
            "" if tiles is None else f"{100 * tiles:.2f} %",
            f"`inkdigits evaluate --suite {name}`",
        )
        rows.append(f"| {' | '.join(cells)} |")
        if name == "marks":
            found, found_small = (
                {row["name"]: row for row in one["rows"]} for one in (suite, small)
            )
            rows += [
                f"| {what} | {found[row]['n']:,} | {100 * found[row]['accuracy']:.2f} % "
                f"| {100 * found_small[row]['accuracy']:.2f} % | | |"
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


def tabulate_install_size() -> str:
    """Returns a table of what each distribution of the default installation weighs."""
    found = _load("install-size")
    large = {name: size for name, size in found["distributions_mb"].items() if size >= 1}
    rest = len(found["distributions_mb"]) - len(large)
    rows = [
        *(f"| {name} | {size:.0f} MB |" for name, size in large.items()),
        f"| {rest} others | {found['total_mb'] - sum(large.values()):.0f} MB |",
        f"| together | {found['total_mb']:.0f} MB |",
    ]
    return "\n".join(["| distribution | size |", "|---|---|", *rows])


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
        rows = _UNIT.sub("\u00a0", tabulate())  # a figure is not parted from its unit
        text, n = re.subn(pattern, rf"\g<1>{rows}\n\g<2>", text, flags=re.DOTALL)
        if n != 1:
            raise SystemExit(
                f"{name} has {n} places for the table {table}: expected exactly one pair of "
                f"<!-- {table} --> and <!-- end -->"
            )
    return text


def tabulate_bulk_kinds() -> str:
    """Returns a table of what a picture costs, by kind, and of threads beside Ray."""
    result, costs = _load("bulk"), _load("bulk-costs")
    names = {
        "notes": "note of 60 to 900 pixels (PNG)",
        "photographs": "photograph of 2 to 12 megapixels (JPEG)",
        "pages": "page of a PDF file, A5 at 200 dpi",
    }
    rows = ["| picture | core-milliseconds | bytes |", "|---|---|---|"]
    for kind, name in names.items():
        cost = costs["kinds"][kind]
        rows.append(
            f"| {name} | {cost['core_ms_per_picture']:,.0f} | {cost['bytes_per_picture']:,} |"
        )
    both = ("threads", "ray")
    n = result["collection"]["pictures"]
    cells = {
        f"core-milliseconds, mean of {n:,} pictures, a tenth of them photographs": [
            f"{result[way]['core_ms_per_picture']:,.0f}" for way in both
        ],
        "pictures lost, doubled, different in the other way": [
            f"{result[way]['lost']}, {result[way]['doubled']}, {result['different_rows']}"
            for way in both
        ],
        f"two workers over one, median of {len(costs['scaling']['rounds'])}": [
            f"{costs['scaling'][f'{way}_two_over_one']:.2f} times" for way in both
        ],
    }
    if result["threads"]["memory_growth"] is not None:
        cells["memory after the first thousand files, and its growth"] = [
            f"{result[way]['memory_mb']['warm']:,.0f} MB, {result[way]['memory_growth']:+.1%}"
            for way in both
        ]
    rows += ["", "| | threads | Ray on this machine |", "|---|---|---|"]
    rows += [f"| {name} | {' | '.join(values)} |" for name, values in cells.items()]
    machine = result["machine"]
    rows += [
        "",
        f"{machine['processor']}, {machine['cores']} cores, Python {result['python']}, Ray "
        f"{result['versions']['ray']}; load average of the machine before one and two workers were "
        f"compared: {costs['scaling']['load_before']:.1f}.",
    ]
    return "\n".join(rows)


def tabulate_bulk_plan() -> str:
    """Returns a table of what a billion pictures of each kind take."""
    costs = _load("bulk-costs")
    writer = costs["writer"]
    rows = [
        "| a billion | core-hours | on 1,000 cores | pictures | data set | rate on 1,000 cores |",
        "|---|---|---|---|---|---|",
    ]
    names = {"notes": "notes", "photographs": "photographs", "pages": "PDF pages"}
    for kind, name in names.items():
        cost = costs["kinds"][kind]
        core_hours = cost["core_ms_per_picture"] * 1e9 / 3.6e6
        per_second = 1e6 / cost["core_ms_per_picture"]
        gigabits = per_second * cost["bytes_per_picture"] * 8 / 1e9
        rows.append(
            f"| {name} | {core_hours:,.0f} | {core_hours / 24_000:.1f} days | "
            f"{cost['bytes_per_picture'] / 1000:,.1f} TB | "
            f"{writer['bytes_per_row']:,.0f} GB | {per_second:,.0f} per second, "
            f"{gigabits:.2f} Gbit/s |"
        )
    return "\n".join(rows)


def tabulate_bulk_failures() -> str:
    """Returns a table of what was killed, and what was lost."""
    rows = ["| what fails | files | lost | twice |", "|---|---|---|---|"]
    failures = _load("bulk-failures")
    names = {
        "node": "a node is killed",
        "actor": "a worker is killed",
        "driver": "the command is killed, then `--resume`",
    }
    for name, shown in names.items():
        found = failures[name]
        rows.append(f"| {shown} | {found['files']:,} | {found['lost']} | {found['doubled']} |")
    storage = _load("bulk-storage")
    n_failures = sum(storage["failures_injected"].values())
    rows.append(
        f"| the storage fails {n_failures:,} times, with 500, 503 and closed connections | "
        f"{storage['objects']:,} | {storage['lost']} | {storage['doubled']} |"
    )
    return "\n".join(rows)


def _show(value: float) -> str:
    return f"{value:.1f}" if value < 20 else f"{value:,.0f}"


def _load(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_bytes())
    return result


def _find_benchmark(benchmark: str, name: str) -> float:
    """Returns a figure of `inkdigits benchmark` by its name."""
    (value,) = (
        figure["value"]
        for result in _load("benchmark")["results"]
        for figure in result["figures"]
        if (result["name"], figure["name"]) == (benchmark, name)
    )
    return float(value)


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
    n = str(len(models))
    if not figures[0]:  # an ensemble has no training figures
        return ["", n, *(_leave_out(cell, n) for cell in cells), "", "", ""]
    seconds = sorted(figure["fit_seconds"] for figure in figures)[len(figures) // 2]
    cells += [
        str(summarise([figure[name] for figure in figures]))
        for name in ("training_accuracy", "validation_accuracy")
    ]
    return [
        f"{figures[0]['parameters']:,}",
        n,
        *(_leave_out(cell, n) for cell in cells),
        f"{seconds:,.0f} s",
    ]


def _leave_out(cell: str, n: str) -> str:
    """Returns a cell without the number of seeds, which has its own column."""
    return cell.removesuffix(f" (n = {n})")


DOCUMENTS = {
    "README.md": {"summary": tabulate_summary},
    "docs/explanation/benchmarks.md": {
        "recipes": tabulate_recipes,
        "ensemble-sizes": tabulate_ensemble_sizes,
        "suites": tabulate_suites,
        "benchmark": tabulate_benchmark,
        "install-size": tabulate_install_size,
        "load": tabulate_load,
    },
    "docs/scaling.md": {
        "bulk-kinds": tabulate_bulk_kinds,
        "bulk-plan": tabulate_bulk_plan,
        "bulk-failures": tabulate_bulk_failures,
    },
    "docs/explanation/security.md": {"attacks": tabulate_attacks},
}

if __name__ == "__main__":
    for document in DOCUMENTS:
        path = ROOT / document
        path.write_text(write_tables(document, path.read_text(encoding="utf-8")), encoding="utf-8")
