"""Model cards in the form of the Hugging Face hub: Markdown after a block of YAML.

Every figure comes from a file: the JSON card beside the model, and what `inkdigits evaluate --suite
NAME --json` printed. Nothing is typed by hand, so a new model only needs its files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inkdigits.data.fonts import list_font_packages
from inkdigits.data.photographs import list_photograph_licences
from inkdigits.errors import DataFormatError
from inkdigits.evaluation.metrics import compute_interval
from inkdigits.recognition.card import Card, ReaderCard
from inkdigits.recognition.session import Session

SUITES: Final[Mapping[str, str]] = {
    "mnist": "MNIST's 10,000 test images",
    "digits8x8": "digits of 8 × 8 pixels by other writers (Alpaydin and Kaynak, 1998)",
    "corruptions": "MNIST's test images under the corruptions of MNIST-C (Mu and Gilmer, 2019)",
    "pages": "drawn pages, all digits of a page right",
    "marks": "drawn marks and photographs, everything right",
}
"""What each suite shows, by its name, in the order of the card."""

_TASKS: Final = {True: "object-detection", False: "image-classification"}
"""Task of the hub: of a reader, and of a network for tiles."""

_PLAIN: Final = (int, float, str)


@dataclass(frozen=True)
class CardFigure:
    """An accuracy on one kind of picture.

    Attributes:
        suite: Name of the suite.
        kind: Kind of picture.
        n: Number of pictures.
        accuracy: Share that is right, 0 to 1.
        interval: Its 95 % confidence interval (Wilson, 1927), 0 to 1.
    """

    suite: str
    kind: str
    n: int
    accuracy: float
    interval: tuple[float, float]


def load_figures(folder: Path, *, is_reader: bool) -> tuple[CardFigure, ...]:
    """Loads what the suites measured: the files `suite-NAME.json` of a folder.

    Args:
        folder: The folder. Suites without a file are left out.
        is_reader: Whether the figures are those of whole pictures, or else those of tiles.

    Raises:
        DataFormatError: A file is not the JSON of a suite.
    """
    figures = []
    for suite in SUITES:
        path = folder / f"suite-{suite}.json"
        if not path.exists():
            continue
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
            for row in rows:
                accuracy = row["accuracy"] if is_reader else row.get("classify")
                if accuracy is not None:
                    n = int(row["n"])
                    interval = compute_interval(round(accuracy * n), n)
                    figures.append(CardFigure(suite, row["name"], n, float(accuracy), interval))
        except (ValueError, TypeError, KeyError, ZeroDivisionError) as error:
            raise DataFormatError(
                f"{path} is not the result of a suite ({error!r}): write it with "
                f"'inkdigits evaluate --suite {suite} --json'"
            ) from error
    return tuple(figures)


def write_model_card(
    card: Card | ReaderCard,
    session: Session,
    *,
    sha256: str,
    figures: Sequence[CardFigure] = (),
    limits: str = "",
) -> str:
    """Returns the card as Markdown.

    Args:
        card: The JSON card of the model.
        session: The opened model, for its inputs and outputs.
        sha256: SHA-256 of the model file.
        figures: What the model was measured with.
        limits: What the model cannot do, as Markdown without headings.
    """
    name = f"inkdigits-{card.recipe['name']}"
    sections = {
        f"# {name}": _describe_model(card),
        "## What it takes and returns": "\n".join(_list_values(session)),
        "## Use": _describe_use(isinstance(card, ReaderCard)),
        "## What it cannot do": limits.strip(),
        "## Figures": _tabulate(figures),
        "## How it was fitted": "\n".join(_describe_fit(card)),
        "## Data and licences": "\n".join(_describe_data(card.data_sha256)),
        "## Files": f"`model.onnx` has the SHA-256 `{sha256}`. `model.json` is the card that "
        "inkdigits reads: thresholds, classes, data and versions.",
    }
    text = "\n\n".join(f"{title}\n{body}" for title, body in sections.items() if body)
    metadata = "\n".join(_to_yaml(_collect_metadata(name, card, figures)))
    return f"---\n{metadata}\n---\n{text}\n"


def _collect_metadata(
    name: str, card: Card | ReaderCard, figures: Sequence[CardFigure]
) -> dict[str, Any]:
    task = _TASKS[isinstance(card, ReaderCard)]
    results = [
        {
            "task": {"type": task, "name": "Handwritten digits"},
            "dataset": {"type": f"inkdigits/{figure.suite}", "name": figure.kind},
            "metrics": [
                {"type": "accuracy", "value": round(figure.accuracy, 4), "name": f"n={figure.n}"}
            ],
        }
        for figure in figures
    ]
    metadata: dict[str, Any] = {
        "license": "mit",
        "library_name": "inkdigits",
        "pipeline_tag": task,
        "tags": ["onnx", "onnxruntime", "handwritten-digits", "mnist", "ocr"],
        "datasets": ["ylecun/mnist"],
        "metrics": ["accuracy"],
    }
    if results:
        metadata["model-index"] = [{"name": name, "results": results}]
    return metadata


def _to_yaml(value: dict[str, Any] | list[Any], indent: str = "") -> Iterator[str]:
    """Yields the lines of nested dictionaries and lists as YAML; texts are quoted as in JSON."""
    items = [(f"{key}:", item) for key, item in value.items()] if isinstance(value, dict) else []
    items += [("-", item) for item in value] if isinstance(value, list) else []
    for start, item in items:
        if isinstance(item, dict) and start == "-":
            first, *rest = _to_yaml(item, f"{indent}  ")
            yield f"{indent}- {first.strip()}"
            yield from rest
        elif isinstance(item, dict | list):
            yield f"{indent}{start}"
            yield from _to_yaml(item, f"{indent}  ")
        else:
            yield f"{indent}{start} {json.dumps(item, ensure_ascii=False)}"


def _describe_model(card: Card | ReaderCard) -> str:
    parameters = card.figures.get("parameters")
    size = f" It has {int(parameters):,} parameters." if parameters else ""
    if isinstance(card, ReaderCard):
        kinds = ", ".join(card.classes)
        return (
            "Finds and classifies handwritten digits and signs in whole pictures: photographs, "
            f"scans and drawings.{size}\n\nIts classes are {kinds}. Boxes with a score below "
            f"{card.threshold:g} are not read."
        )
    other = ", or none of them: the eleventh output" if len(card.labels) > len("0123456789") else ""
    return (
        f"Classifies a tile of 28 × 28 pixels as one of ten digits{other}.{size} Ink is light on a "
        "black background, and lies in the tile as in MNIST. Dividing the logarithms of the "
        f"outputs by {card.temperature:.3f} before another softmax calibrates them; tiles with a "
        f"probability below {card.refusal_threshold:.3f} are rejected."
    )


def _list_values(session: Session) -> Iterator[str]:
    yield "| | name | type | shape |"
    yield "|---|---|---|---|"
    for role, values in (("input", session.inputs), ("output", session.outputs)):
        for value in values:
            # Converters give sides of any length names such as unk__72.
            shape = ", ".join("n" if "unk" in str(side) else str(side) for side in value.shape)
            kind = value.type.removeprefix("tensor(").rstrip(")")
            yield f"| {role} | `{value.name}` | {kind} | ({shape}) |"


def _describe_use(is_reader: bool) -> str:
    name = "find_digits" if is_reader else "classify_tile"
    return (
        "With inkdigits, where FOLDER is this folder:\n```\npip install inkdigits\n"
        "inkdigits predict --model FOLDER picture.png\n```\n"
        "With ONNX Runtime alone, in Python, JavaScript and C#:\n```\n"
        f"pip install onnxruntime pillow && python examples/{name}.py picture.png\n"
        f"cd examples && npm install && node {name}.mjs ../picture.png\n"
        "dotnet run --project examples picture.png\n```"
    )


def _tabulate(figures: Sequence[CardFigure]) -> str:
    parts = []
    for suite, title in SUITES.items():
        rows = [figure for figure in figures if figure.suite == suite]
        if rows:
            lines = ["| kind | pictures | accuracy | 95 % interval |", "|---|---|---|---|"]
            for row in rows:
                low, high = (f"{100 * end:.2f}" for end in row.interval)
                lines.append(f"| {row.kind} | {row.n:,} | {row.accuracy:.2%} | {low} to {high} % |")
            command = f"`inkdigits evaluate --suite {suite}` measures it."
            parts.append(f"{title[0].upper()}{title[1:]}. {command}\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _describe_fit(card: Card | ReaderCard) -> Iterator[str]:
    seconds, cores = card.figures.get("fit_seconds"), card.figures.get("cores")
    if seconds and cores:
        hours = seconds * cores / 3600
        gpu = card.figures.get("gpu_seconds")
        also = f", and {gpu / 60:.1f} min on a GPU" if gpu else ""
        time = f"{seconds / 3600:.2f} h on {int(cores)} cores{also}"
        yield f"Fitted in {hours:.1f} core-hours: {time}."
    versions = ", ".join(f"{name} {version}" for name, version in card.versions.items())
    yield f"Seed {card.seed}; {versions}."
    yield ""
    yield "| setting of the recipe | value |"
    yield "|---|---|"
    for key, value in card.recipe.items():
        if isinstance(value, _PLAIN) and key not in ("name", "kind", "summary"):
            yield f"| {key} | {value} |"
    yield ""
    yield "| measured on validation data | value |"
    yield "|---|---|"
    for key, value in card.figures.items():
        if key not in ("fit_seconds", "gpu_seconds", "cores", "parameters"):
            yield f"| {key} | {value:.4g} |"


def _describe_data(sha256: Mapping[str, str]) -> Iterator[str]:
    fonts = {file: package.licence for package in list_font_packages() for file in package.sha256}
    photographs = list_photograph_licences()
    known = (*fonts, *photographs)
    yield "MNIST (LeCun et al., 1998), and whatever else this list names:"
    yield ""
    for title, table in (("font files", fonts), ("photographs", photographs)):
        licences = [table[file] for file in sha256 if file in table]
        for licence in sorted(set(licences)):
            yield f"- {licences.count(licence)} {title} under {licence}"
    yield "- " + ", ".join(f"`{file}`" for file in sha256 if file not in known)
    used = [file for file in sha256 if file in known]
    if used:
        yield ""
        yield "Neither licence of the fonts applies to pictures drawn with them or to this network."
        yield ""
        yield f"<details><summary>The {len(used)} fonts and photographs</summary>\n"
        for file in used:
            yield f"- `{file}`: {fonts.get(file) or photographs[file]}"
        yield "\n</details>"
