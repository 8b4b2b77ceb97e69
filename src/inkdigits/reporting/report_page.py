"""The page of a report: its sections, and the file they are in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits import __version__
from inkdigits.evaluation.evaluation_result import Evaluation, TileResult
from inkdigits.evaluation.metrics import CalibrationBin, compute_interval
from inkdigits.percentages import format_confidence
from inkdigits.presentation.html_fragments import Html
from inkdigits.presentation.svg_curves import Curve, draw_curves, load_style
from inkdigits.recognition.card import Card
from inkdigits.reporting.embedding import FITTED
from inkdigits.reporting.inner_network import InnerNetwork
from inkdigits.reporting.learning_rates import plan_rate
from inkdigits.reporting.shown_images import choose_signs, list_names, name_kind
from inkdigits.reporting.svg_charts import (
    draw_map,
    draw_network,
    draw_reliability,
    list_rates,
    shorten_number,
    tabulate_layers,
)
from inkdigits.reporting.tile_images import (
    SPRITE_COLUMNS,
    encode_maps,
    encode_signed,
    encode_sprite,
)

_FOLDER: Final = Path(__file__).parent
_MAX_FILTERS: Final = 64
_MAX_MAPS: Final = 24
_MANY_CLASSES: Final = 16
_POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)


@dataclass(frozen=True, eq=False)
class PageContent:
    """What a report shows.

    Attributes:
        name: The model, as the user named it.
        card: Its card.
        network: Its layers.
        measured_on: Which images it reads.
        evaluation: Its metrics on them.
        bins: Accuracy by confidence.
        examples: The images whose pictures are in the file.
        tiles: Their tiles, uint8, shape (n, 28, 28), 0 background, 255 full ink.
        worst: Positions of the worst mistakes among them.
        heats: Occlusion maps of the worst mistakes, float32, shape (m, 28, 28), -1 to 1.
        mapped: Positions of the images on the map.
        places: Where these are on the map, float32, shape (k, 2), 0 to 1; None: no map.
        typical: A tile that is read correctly, uint8, shape (28, 28).
        history: The rows of `history.csv`; empty if there is none.
        batch: Tiles and labels as trained on, as `draw_batch` returns them; None: unknown.
    """

    name: str
    card: Card
    network: InnerNetwork
    measured_on: str
    evaluation: Evaluation
    bins: Sequence[CalibrationBin]
    examples: Sequence[TileResult]
    tiles: NDArray[np.uint8]
    worst: Sequence[int]
    heats: NDArray[np.float32]
    mapped: Sequence[int]
    places: NDArray[np.float32] | None
    typical: NDArray[np.uint8]
    history: Sequence[dict[str, Any]]
    batch: tuple[NDArray[np.uint8], NDArray[Any]] | None


def render_page(content: PageContent) -> str:
    """Returns the page: HTML with its style sheet, script and pictures inside."""
    sections = [
        _render_summary(content),
        _render_network(content),
        _render_training(content),
        _render_digits(content),
        _render_confusion(content),
        _render_calibration(content),
        _render_mistakes(content),
        _render_map(content),
        _render_maps(content),
        _render_filters(content),
        _render_batch(content),
        _render_settings(content),
    ]
    found = [section for section in sections if section]
    sprites = [("evaluated", content.tiles)]
    if content.batch is not None:
        sprites.append(("trained", content.batch[0]))
    backgrounds = "".join(
        f".{name}{{background-image:url({encode_sprite(tiles)})}}"
        for name, tiles in sprites
        if len(tiles)
    )
    data = {
        "columns": SPRITE_COLUMNS,
        "examples": [
            [one.index, one.label, one.predicted, round(one.confidence, 4)]
            for one in content.examples
        ],
        "mapped": list(content.mapped),
        "names": list_names(content.card),
    }
    # "<" could end the script element.
    script = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    style = load_style() + (_FOLDER / "report.css").read_text(encoding="utf-8")
    code = (_FOLDER / "report.js").read_text(encoding="utf-8")
    title = f"Report on {content.name}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)}</title><style>{style}{backgrounds}</style></head>"
        f"<body><header><h1>{escape(title)}</h1></header><main>{''.join(found)}</main>"
        f"<footer>Written by inkdigits {escape(__version__)}</footer>"
        f'<div id="hint" role="status" hidden></div>'
        f'<script type="application/json" id="data">{script}</script>'
        f"<script>{code}</script></body></html>\n"
    )


def _render_summary(content: PageContent) -> Html:
    evaluation, network = content.evaluation, content.network
    lower, upper = evaluation.accuracy_interval
    figures = [
        (f"{100 * evaluation.accuracy:.2f} %", f"accuracy, 95 % interval {100 * lower:.2f} to "
         f"{100 * upper:.2f} %"),
        (f"{evaluation.mistakes:,}", f"mistakes in {evaluation.n:,} images"),
        (f"{100 * evaluation.expected_calibration_error:.2f} %", "calibration error"),
        (f"{network.parameters:,}", "parameters"),
        (shorten_number(network.operations), "operations for one image"),
    ]  # fmt: skip
    items = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for v, n in figures)
    summary = content.card.recipe.get("summary", "")
    name = content.card.recipe.get("name", "none")
    return Html(
        f"<section><p>Recipe <b>{escape(str(name))}</b>{': ' if summary else ''}"
        f"{escape(str(summary))}. Measured on {escape(content.measured_on)}. Images shown "
        f'below are of these images, if nothing else is said.</p><dl class="figures">{items}</dl>'
        "</section>"
    )


def _render_network(content: PageContent) -> Html:
    network = content.network
    rows = [["", "input", "28 × 28", "–", "–"], *tabulate_layers(network.layers)]
    rows.append(["", "all", "", f"{network.parameters:,}", f"{network.operations:,}"])
    return _render_section(
        "The network",
        "The layers of the ONNX file, in the order of computation. Normalisation that follows a "
        "layer can be part of its weights, and dropout exists only during training. An operation "
        "is one multiplication of a weight with an input.",
        draw_network(network),
        _render_table(["", "layer", "output", "parameters", "operations"], rows, numbers=3),
    )


def _render_training(content: PageContent) -> Html:
    rows = [row for row in content.history if isinstance(row.get("epoch"), int | float)]
    if not rows:
        return Html("")
    n_planned = content.card.recipe.get("epochs") or rows[-1]["epoch"]
    # The rate in the middle of each epoch.
    planned = [plan_rate(content.card.recipe, (row["epoch"] - 0.5) / n_planned) for row in rows]
    rates = [row.get("learning_rate", rate) for row, rate in zip(rows, planned, strict=True)]
    error = [
        Curve(name, style, [(row["epoch"], 100 * (1 - row[key])) for row in rows if _has(row, key)])
        for name, style, key in (
            ("training", "second", "accuracy"),
            ("validation", "first", "val_accuracy"),
        )
    ]
    loss = [
        Curve(name, style, [(row["epoch"], row[key]) for row in rows if _has(row, key)])
        for name, style, key in (
            ("training", "second", "loss"),
            ("validation", "first", "val_loss"),
        )
    ]
    rate = [Curve("middle of the epoch", "first", list_rates(rows, rates))]
    names = [name for name in rows[0] if _has(rows[0], name)]
    cells = [[_format(row.get(name)) for name in names] for row in rows]
    return _render_section(
        "Training",
        "Error and loss have logarithmic axes. Training is measured with dropout and augmentation, "
        "validation without dropout.",
        Html(
            '<div class="charts">'
            + draw_curves("Error", "%", error, logarithmic=True)
            + draw_curves("Loss", "nats", loss, logarithmic=True)
            + draw_curves("Learning rate", "", rate, logarithmic=False)
            + "</div>"
        ),
        _render_details("All epochs", _render_table(names, cells, numbers=len(names))),
    )


def _render_digits(content: PageContent) -> Html:
    matrix = content.evaluation.confusion_matrix
    rows = []
    for one in content.evaluation.per_digit:
        right = int(matrix[one.digit, one.digit])
        cells = [content.card.name_label(one.digit)]
        for share, n in (
            (one.recall, one.support),
            (one.precision, int(matrix[:, one.digit].sum())),
        ):
            cells.append(f"{100 * share:.2f} %" if n else "–")
            cells.append(_format_interval(right, n))
        cells += [f"{100 * one.f1:.2f} %", f"{one.support:,}"]
        rows.append(cells)
    noun = name_kind(content.card)
    header = [noun, "recall", "95 % interval", "precision", "95 % interval", "F1", "images"]
    return _render_section(
        f"Each {noun}",
        f"Recall is the share of a {noun}'s images that are read as it; precision is the share of "
        "what is read as it that is right. The intervals are those of Wilson (1927): those that "
        "overlap widely may not differ.",
        _render_table(header, rows, numbers=6),
    )


def _render_confusion(content: PageContent) -> Html:
    matrix = content.evaluation.confusion_matrix
    support = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    shares = np.where(np.eye(len(matrix), dtype=bool), 0, matrix / support)
    worst = float(shares.max()) or 1.0
    names = list_names(content.card)
    many = " many" if len(names) > _MANY_CLASSES else ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = []
    for truth in range(len(names)):
        cells = []
        for predicted in range(len(names)):
            count = int(matrix[truth, predicted])
            if not count:
                cells.append("<td>·</td>")
                continue
            depth = round(100 * float(shares[truth, predicted]) / worst)
            kind = "right" if truth == predicted else "wrong"
            cells.append(
                f'<td class="{kind}" style="--depth:{depth}%"><button type="button" '
                f'data-label="{truth}" data-predicted="{predicted}" data-count="{count}" '
                f'aria-label="{escape(names[truth])} read as {escape(names[predicted])}: '
                f'{count:,} images">{count:,}</button>'
                "</td>"
            )
        body.append(f'<tr><th scope="row">{escape(names[truth])}</th>{"".join(cells)}</tr>')
    return _render_section(
        "Confusion matrix",
        f"Rows are the true {name_kind(content.card)}, columns what was read. Choose a number to "
        "see its images.",
        Html(
            f'<div class="scroll"><table class="confusion{many}"><thead><tr><td></td>'
            f"{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
            '<div id="cell" aria-live="polite"></div>'
        ),
    )


def _render_calibration(content: PageContent) -> Html:
    rows = [
        [
            f"{100 * one.lower:.0f} to {100 * one.upper:.0f} %",
            f"{one.count:,}",
            f"{100 * one.confidence:.2f} %",
            f"{100 * one.accuracy:.2f} %",
            _format_interval(one.count - one.mistakes, one.count),
        ]
        for one in content.bins
    ]
    header = ["confidence", "images", "mean", "accuracy", "95 % interval"]
    return _render_section(
        "Calibration",
        "A well calibrated network is right as often as it is sure: on the dashed line. Below it, "
        "the network is too sure (Guo et al., 2017).",
        Html(
            f'<div class="beside">{draw_reliability(content.bins)}'
            f"{_render_table(header, rows, numbers=4)}</div>"
        ),
    )


def _render_mistakes(content: PageContent) -> Html:
    if not len(content.worst):
        return _render_section("Worst mistakes", "No image was misread.")
    figures = []
    for position, heat in zip(content.worst, content.heats, strict=True):
        one = content.examples[position]
        label, predicted = (
            escape(content.card.name_label(each)) for each in (one.label, one.predicted)
        )
        overlay = encode_signed(heat[np.newaxis], 1, gap=0)
        figures.append(
            f'<figure class="mistake"><div class="pair">{_render_tile("evaluated", position)}'
            f'<span class="overlay">{_render_tile("evaluated", position)}<img alt="" '
            f'src="{overlay}"></span></div><figcaption><b>{label} read as {predicted}</b>'
            f"<br>{format_confidence(one.confidence)} sure, image {one.index:,}</figcaption>"
            "</figure>"
        )
    return _render_section(
        "Worst mistakes",
        "The misread images with the highest confidence. On the right, orange is the ink that "
        "spoke for what was read: covering it lowers its probability. Blue ink spoke "
        "against it (occlusion; Zeiler and Fergus, 2014).",
        Html(f'<div class="mistakes">{"".join(figures)}</div>'),
    )


def _render_map(content: PageContent) -> Html:
    if content.places is None:
        return Html("")
    shown = [content.examples[position] for position in content.mapped]
    labels = [one.label for one in shown]
    wrong = [one.label != one.predicted for one in shown]
    card = content.card
    names, signs = list_names(card), choose_signs(card)
    listed = ", ".join(f"{label} {name}" for label, name in enumerate(names))
    classes = "" if signs == names else f" The numbers are classes: {listed}."
    placed = "t-SNE places them."
    if len(shown) > FITTED:
        placed = (
            f"t-SNE places {FITTED:,} of them, and each other one lies between its nearest "
            "neighbours among these."
        )
    drawn = draw_map(content.places, labels, wrong, signs)
    noun = name_kind(card, "image")
    return _render_section(
        f"Map of {noun}s",
        f"{'All' if len(shown) == content.evaluation.n else 'At random'} {len(shown):,} images, "
        f"by the last hidden layer: what the network finds similar lies close together. {placed} "
        "Distances between groups mean little. Misread images have a ring. Point at one, or "
        "use the arrow keys, to see its image."
        f"{classes}",
        Html(f'<div class="map" tabindex="0">{drawn}</div>'),
    )


def _render_maps(content: PageContent) -> Html:
    network = content.network
    numbers = [number for number, layer in enumerate(network.layers) if layer.has_maps]
    if not numbers:
        return Html("")
    noun = "an image" if content.card.class_names else "a digit"
    outputs = network.run(content.typical[np.newaxis], numbers)
    parts = [
        f'<figure><figcaption>{noun}</figcaption><img class="ink pixels" width="84" alt="" '
        f'src="{encode_sprite(content.typical[np.newaxis])}"></figure>'
    ]
    for number in numbers:
        maps = outputs[number][0].transpose(2, 0, 1)
        # Those that answer most come first.
        strongest = np.argsort(-np.abs(maps).sum(axis=(1, 2)), kind="stable")[:_MAX_MAPS]
        layer = network.layers[number]
        which = f", {len(strongest)} of {len(maps)}" if len(strongest) < len(maps) else ""
        parts.append(
            f"<figure><figcaption>{number + 1}: {escape(layer.describe())}{which}</figcaption>"
            f'<img class="pixels wide" alt="{len(strongest)} feature maps" '
            f'src="{encode_maps(maps[strongest], 8)}"></figure>'
        )
    return _render_section(
        f"What the layers make of {noun}",
        "The feature maps of one image, strongest first. The more opaque, the stronger the answer; "
        "blue is below 0.",
        Html(f'<div class="charts">{"".join(parts)}</div>'),
    )


def _render_filters(content: PageContent) -> Html:
    filters = content.network.get_filters()
    shown = filters[:_MAX_FILTERS]
    which = f" The first {len(shown)} of {len(filters)}." if len(shown) < len(filters) else ""
    return _render_section(
        "Filters of the first layer",
        "Orange weights answer to ink, blue ones to its absence. Each filter is scaled by its "
        f"largest weight.{which}",
        Html(
            f'<img class="pixels wide" alt="{len(shown)} filters of '
            f'{shown.shape[1]} × {shown.shape[2]} weights" src="{encode_signed(shown, 8)}">'
        ),
    )


def _render_batch(content: PageContent) -> Html:
    if content.batch is None:
        return Html("")
    tiles, labels = content.batch
    recipe = content.card.recipe
    figures = "".join(
        f"<figure>{_render_tile('trained', position)}<figcaption>"
        f"{escape(content.card.name_label(int(label)))}"
        "</figcaption></figure>"
        for position, label in zip(range(len(tiles)), labels, strict=True)
    )
    outliers = recipe.get("outliers") or 0
    without = f", with {100 * outliers:g} % more tiles without a digit" if outliers else ""
    return _render_section(
        "Images as trained on",
        f"Training images, drawn as this recipe draws them in each epoch: augmentation "
        f"“{recipe.get('augmentation', 'none')}”{without}.",
        Html(f'<div class="tiles">{figures}</div>'),
    )


def _render_settings(content: PageContent) -> Html:
    card = content.card
    settings = [
        [name, json.dumps(value) if isinstance(value, list | dict) else str(value)]
        for name, value in card.recipe.items()
        if name not in ("name", "summary", "network") and value is not None
    ]
    settings += [["seed", str(card.seed)], ["temperature", f"{card.temperature:.4f}"]]
    settings.append(["refusal threshold", f"{card.refusal_threshold:.4f}"])
    figures = [[name, _format(value)] for name, value in card.figures.items()]
    layers = "\n".join(json.dumps(one) for one in card.recipe.get("network", []))
    return _render_section(
        "Settings, versions and hashes",
        "As the card of the model has them.",
        Html(
            '<div class="charts">'
            + _render_table(["setting", "value"], settings)
            + _render_table(["figure", "value"], figures)
            + _render_table(["package", "version"], [list(pair) for pair in card.versions.items()])
            + "</div>"
        ),
        _render_details("Layers of the recipe", Html(f"<pre>{escape(layers)}</pre>")),
        _render_details(
            "SHA-256 of the data",
            _render_table(["file", "SHA-256"], [list(pair) for pair in card.data_sha256.items()]),
        ),
    )


def _render_section(title: str, text: str, *parts: str) -> Html:
    return Html(f"<section><h2>{escape(title)}</h2><p>{escape(text)}</p>{''.join(parts)}</section>")


def _render_details(title: str, content: str) -> Html:
    return Html(f"<details><summary>{escape(title)}</summary>{content}</details>")


def _render_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0
) -> Html:
    """Returns a table whose last columns are numbers, aligned right."""
    first = len(header) - numbers

    def render_row(cells: Sequence[str], tag: str) -> str:
        """Returns a row of cells of one kind."""
        return "<tr>" + "".join(
            f"<{tag}{' class=number' if place >= first else ''}>{escape(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        ) + "</tr>"  # fmt: skip

    body = "".join(render_row(row, "td") for row in rows)
    return Html(
        f'<div class="scroll"><table><thead>{render_row(header, "th")}</thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _render_tile(sprite: str, position: int) -> str:
    left, top = position % SPRITE_COLUMNS, position // SPRITE_COLUMNS
    return f'<span class="tile {sprite}" style="--x:{left};--y:{top}"></span>'


def _format_interval(right: int, n: int) -> str:
    if not n:
        return "–"
    low, high = compute_interval(right, n)
    return f"{100 * low:.2f} to {100 * high:.2f} %"


def _format(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _has(row: dict[str, Any], name: str) -> bool:
    return isinstance(row.get(name), int | float)
