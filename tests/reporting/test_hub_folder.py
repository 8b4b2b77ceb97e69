"""A folder for the hub: the card takes its figures from files, and the examples run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from inkdigits.data import LabelledImages
from inkdigits.errors import DataFormatError, DataUnavailableError, ModelError, OutputExistsError
from inkdigits.evaluation.metrics import compute_interval
from inkdigits.pictures.decoding import decode_picture
from inkdigits.recognition import Recognizer
from inkdigits.recognition.card import Card, ReaderCard
from inkdigits.reporting import write_hub_folder
from inkdigits.reporting.model_card import SUITES

PROJECT = Path(__file__).parents[2]
NODE_MODULES = PROJECT / "build" / "node" / "node_modules"
CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two suites printed, with figures that are nowhere else."""
    folder = tmp_path_factory.mktemp("results")
    rows = {
        "mnist": [{"name": "mnist", "n": 10_000, "accuracy": 0.9123, "classify": 0.9234}],
        "marks": [
            {"name": "blank paper", "n": 300, "accuracy": 0.81, "digits": None},
            {"name": "photographs", "n": 200, "accuracy": 1.0, "digits": None},
        ],
    }
    for suite, content in rows.items():
        text = json.dumps({"suite": suite, "rows": content})
        (folder / f"suite-{suite}.json").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def limits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("limits") / "limits.md"
    path.write_text("# Title\nNo [cursive](../cursive.md).\n\n## Advice\nCrop.\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=["reader", "tiles"])
def folder(
    request: pytest.FixtureRequest,
    results: Path,
    limits: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    output = tmp_path_factory.mktemp("hub") / request.param
    return write_hub_folder(request.param, output, results=results, limits=limits)


def read_card(folder: Path) -> tuple[dict[str, Any], str]:
    """The metadata and the text of a model card, as the hub reads them."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    _, metadata, body = text.split("---\n", 2)
    return yaml.safe_load(metadata), body


def test_metadata_is_what_the_hub_asks_for(folder: Path) -> None:
    metadata, body = read_card(folder)

    assert metadata["license"] == "mit"
    assert metadata["library_name"] == "inkdigits"
    assert metadata["pipeline_tag"] in ("object-detection", "image-classification")
    assert "onnx" in metadata["tags"]
    (model,) = metadata["model-index"]
    assert body.startswith(f"# {model['name']}\n")
    for result in model["results"]:
        assert {"task", "dataset", "metrics"} == set(result)
        assert {"type", "name"} <= set(result["dataset"])
        assert result["task"]["type"] == metadata["pipeline_tag"]


def test_figures_are_those_of_the_files(folder: Path, results: Path) -> None:
    metadata, body = read_card(folder)
    column = "accuracy" if folder.name == "reader" else "classify"
    expected = {}
    for path in sorted(results.iterdir()):
        content = json.loads(path.read_text(encoding="utf-8"))
        for row in content["rows"]:
            if row.get(column) is not None:
                expected[f"inkdigits/{content['suite']}", row["name"]] = row[column]
                low, high = compute_interval(round(row[column] * row["n"]), row["n"])
                line = f"| {row['n']:,} | {row[column]:.2%} | {100 * low:.2f} to {100 * high:.2f} %"
                assert line in body
    found = {
        (result["dataset"]["type"], result["dataset"]["name"]): result["metrics"][0]["value"]
        for result in metadata["model-index"][0]["results"]
    }

    assert found == expected
    assert len(expected) == (3 if folder.name == "reader" else 1)


def test_the_card_says_how_it_was_fitted_and_with_what(folder: Path) -> None:
    _, body = read_card(folder)
    kind = ReaderCard if folder.name == "reader" else Card
    card = kind.load(folder / "model.json")
    hours = card.figures["fit_seconds"] * card.figures["cores"] / 3600

    assert f"Fitted in {hours:.1f} core-hours" in body
    assert (" on a GPU." in body) is ("gpu_seconds" in card.figures)
    assert f"keras {card.versions['keras']}" in body
    assert "train-images-idx3-ubyte" in body
    fonts = [name for name in card.data_sha256 if name.endswith(".woff")]
    counted = sum(int(n) for n in re.findall(r"^- (\d+) font files under", body, re.MULTILINE))
    assert counted == len(fonts)
    for name in fonts:
        assert re.search(rf"^- `{re.escape(name)}`: (OFL-1\.1|Apache-2\.0)$", body, re.MULTILINE)


def test_limits_are_taken_from_their_file(folder: Path) -> None:
    _, body = read_card(folder)

    assert "## What it cannot do\nNo cursive.\n\n" in body
    assert "Crop." not in body


def test_the_folder_is_a_model(folder: Path, test_slice: LabelledImages) -> None:
    tiles = test_slice.images[:20]
    recognizer = Recognizer.load(folder)

    assert recognizer.judges_tiles is (folder.name == "tiles")
    assert (recognizer.classify(tiles) == Recognizer.load().classify(tiles)).all()
    assert "*.onnx filter=lfs" in (folder / ".gitattributes").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "1984.png"
    with Image.open(PROJECT / "samples" / "1984-on-ruled-paper.jpg") as opened:
        opened.convert("RGB").save(path)
    return path


@pytest.fixture(scope="module")
def tile(test_slice: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tile") / "7.png"
    Image.fromarray(test_slice.images[0]).save(path)
    return path


@pytest.fixture
def expected(folder: Path, picture: Path, tile: Path) -> tuple[Path, str]:
    """A picture, and what the examples print for it, computed by inkdigits."""
    recognizer = Recognizer.load(folder)
    if folder.name == "tiles":
        probabilities = recognizer.network(np.asarray(Image.open(tile))[np.newaxis])[0]
        lines = [f"{n} {probabilities[n]:.2f}" for n in np.argsort(-probabilities)[:3].tolist()]
        return tile, "".join(f"{line}\n" for line in lines)
    card = recognizer.reader.card
    found = recognizer.reader.detect(decode_picture(picture).pixels)
    lines = []
    for n in np.argsort(found.boxes[:, 0]).tolist():
        if found.scores[n] >= card.threshold:
            left, top, width, height = (round(float(side)) for side in found.boxes[n])
            name = card.classes[found.classes[n]]
            lines.append(
                f"{name} {found.scores[n]:.2f} at {left},{top} of {width} x {height} pixels\n"
            )
    assert [line[0] for line in lines] == list("1984")
    return picture, "".join(lines)


def find_example(folder: Path, suffix: str) -> Path:
    """The only example in a language, which the card names."""
    (path,) = (folder / "examples").glob(f"*{suffix}")
    assert suffix == ".cs" or path.name in read_card(folder)[1]
    return path


def test_the_example_in_python(
    folder: Path, expected: tuple[Path, str], python: CommandLine
) -> None:
    path, printed = expected
    ended = python(str(find_example(folder, ".py")), str(path))

    assert ended.stdout == printed, ended.stderr


@pytest.mark.skipif(
    shutil.which("node") is None or not (NODE_MODULES / "onnxruntime-node").exists(),
    reason="needs Node and onnxruntime-node, which 'make build/node/installed' brings",
)
def test_the_example_in_javascript(folder: Path, expected: tuple[Path, str]) -> None:
    path, printed = expected
    link = folder / "examples" / "node_modules"
    if not link.exists():
        link.symlink_to(NODE_MODULES)
    ended = subprocess.run(
        ["node", str(find_example(folder, ".mjs")), str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.stdout == printed, ended.stderr


@pytest.mark.skipif(
    shutil.which("dotnet") is None,
    reason="needs the .NET SDK and NuGet, of which no registry of Python or Debian has a copy",
)
def test_the_example_in_csharp(folder: Path, expected: tuple[Path, str]) -> None:
    path, printed = expected
    ended = subprocess.run(
        ["dotnet", "run", "--project", "examples", str(path)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ended.stdout == printed, ended.stderr


def test_the_example_in_csharp_uses_what_the_model_has(folder: Path) -> None:
    """Without .NET, at least its names are checked."""
    code = find_example(folder, ".cs").read_text(encoding="utf-8")
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    keys = set(re.findall(r'GetProperty\("(\w+)"\)', code))

    assert keys <= set(card)
    assert code.count("{") == code.count("}")
    assert code.count("(") == code.count(")")
    project = (folder / "examples" / "examples.csproj").read_text(encoding="utf-8")
    for package in ("Microsoft.ML.OnnxRuntime", "SixLabors.ImageSharp"):
        assert f'Include="{package}"' in project


def test_a_run_is_exported_without_figures(smoke_run: Any, tmp_path: Path) -> None:
    written = write_hub_folder(smoke_run.folder, tmp_path / "hub")
    metadata, body = read_card(written)

    assert "model-index" not in metadata
    assert "## Figures" not in body
    assert "# inkdigits-smoke\n" in body


def test_other_folders_are_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputExistsError, match=r"choose another folder$"):
        write_hub_folder("tiles", tmp_path, overwrite=True)
    written = write_hub_folder("tiles", tmp_path / "hub")
    with pytest.raises(OutputExistsError, match="--force"):
        write_hub_folder("tiles", written)
    write_hub_folder("tiles", written, overwrite=True)

    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "hub"}


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no ONNX model at nowhere: expected reader or tiles"):
        write_hub_folder("nowhere", tmp_path / "hub")
    with pytest.raises(DataUnavailableError, match=r"expected files suite-NAME\.json"):
        write_hub_folder("tiles", tmp_path / "hub", results=tmp_path / "nowhere")
    (tmp_path / "suite-mnist.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataFormatError, match="evaluate --suite mnist --json"):
        write_hub_folder("tiles", tmp_path / "hub", results=tmp_path)
    assert not (tmp_path / "hub").exists()


def test_published_results_are_taken_in_whole(tmp_path: Path) -> None:
    """Each suite whose result is published is in the card of the reader."""
    written = write_hub_folder("reader", tmp_path / "hub", results=PROJECT / "results")
    _, body = read_card(written)

    for suite in SUITES:
        rows = json.loads((PROJECT / "results" / f"suite-{suite}.json").read_text())["rows"]
        assert all(f"| {row['name']} | {row['n']:,} |" in body for row in rows)
