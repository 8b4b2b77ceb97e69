"""What the README and the docs show is tried: every command, the Python, every figure."""

from __future__ import annotations

import inspect
import json
import re
import runpy
import shlex
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from inkdigits.cli import main
from inkdigits.data import Mnist
from inkdigits.evaluation import summarise
from inkdigits.recognition import DEFAULT_MODEL
from inkdigits.training import Run
from inkdigits.training.recipes import READER_RECIPES, RECIPES, catalogue

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = ROOT / "docs"
GUIDE = DOCS / "explanation" / "how-a-picture-becomes-a-reading.md"
BENCHMARKS = DOCS / "explanation" / "benchmarks.md"
# The rows of the first and the examples of the second page are run by tests of their own, with the
# files that they need; the others hold no commands.
TRIED_ELSEWHERE = ("what-you-can-bring", "commands", "changelog", "contributing")
# Whole trainings take minutes to hours; the same commands on fewer images take seconds.
SHORT = ("epochs=1", "training_images=200", "validation_images=100")
# Detector and judge alone; tests/training/fit/test_reader_training.py trains all networks.
SHORT_READER = (
    *("detector_pages=16", "judge_windows=128", "glyphs=100"),
    *("validation_images=100", "validation_pages=2", "context_pages=0", "picture_windows=0"),
)
# Placeholders, help, suites of minutes, and files of others: tests of their own have slices and
# such files.
SLOW_SUITES = ("--suite mnist", "--suite corruptions", "--suite pages", "--suite marks")
FILES_OF_OTHERS = (
    *("adopt", "runs/adopted", "my-digits", "my-test-digits", "to-review"),
    *("my-emnist", "my-shapes", "runs/letters"),
)
NOT_TRIED = ("COMMAND", "RUN", "SOURCE", "--help", *SLOW_SUITES, *FILES_OF_OTHERS)
# These commands read MNIST whole, which takes seconds for each; here, they get part of it.
WITH_DATA = ("train", "evaluate", "compare", "report", "sweep")
FEWER = {"--trials": {"20": "2", "40": "3"}, "--folds": {"5": "2"}}
# Some of the pictures of the folder: those that the docs name, and one of another format.
SAMPLES = (
    *("1984-on-ruled-paper.jpg", "3-blackboard.jpg", "5-photo-in-shadow.jpg"),
    *("7-canvas.png", "0-tiny.gif"),
)
NAMED_OUTPUT = re.compile(r" --(annotate|csv|output|tiles) (?!-( |$))")  # not stdout


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sample pictures and pictures of one's own, as the README assumes it."""
    for folder in ("samples", "scans"):
        (tmp_path / folder).mkdir()
        for sample in SAMPLES:
            small = ROOT / "tests" / "samples" / sample  # of some of them, which take less time
            whole = ROOT / "samples" / sample
            shutil.copy(small if small.is_file() else whole, tmp_path / folder)
    shutil.copy(tmp_path / "samples" / "7-canvas.png", tmp_path / "seven.png")
    shutil.copy(tmp_path / "samples" / "1984-on-ruled-paper.jpg", tmp_path / "date.jpg")
    form = Image.new("L", (1000, 240), 255)
    for name, place in (("1984-on-ruled-paper.jpg", (40, 120)), ("7-canvas.png", (700, 120))):
        with Image.open(ROOT / "samples" / name) as picture:
            form.paste(ImageOps.contain(picture.convert("L"), (480, 80)), place)
    form.save(tmp_path / "form.png")
    (tmp_path / "results").mkdir()
    shutil.copy(ROOT / "results" / "reader-0.npz", tmp_path / "results")
    guide = (DOCS / "how-to" / "your-own-network.md").read_text(encoding="utf-8")
    for language in ("toml", "py"):  # the files that the guide shows
        text = re.findall(rf"```{language}\n(.*?)```", guide, re.DOTALL)[0]
        (tmp_path / f"my.{language}").write_text(text, encoding="utf-8")
    (tmp_path / "my-pictures" / "7").mkdir(parents=True)
    shutil.copy(tmp_path / "seven.png", tmp_path / "my-pictures" / "7")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def list_commands() -> list[str]:
    """Every `inkdigits …` of README and docs, in their order, without what follows a #."""
    guides = [path for path in sorted(DOCS.rglob("*.md")) if path.stem not in TRIED_ELSEWHERE]
    text = "\n".join([README, *(path.read_text("utf-8") for path in guides)])
    text = re.sub(r"^```console\n.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)  # transcripts
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`(inkdigits [a-z]+ [^`\n]+)`", text)
    shown = [line for line in [*lines, *inline] if line.startswith("inkdigits ")]
    return [
        line.partition("#")[0].strip()
        for line in shown
        if not any(word in line for word in NOT_TRIED)
    ]


def serve_once(arguments: list[str]) -> int:
    """The exit status of a service that is stopped once it listens."""
    command = [sys.executable, "-m", "inkdigits", *arguments, "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("inkdigits serves http://")
        process.terminate()
        return process.wait(60)


@pytest.mark.parametrize(
    "command", [command for command in list_commands() if NAMED_OUTPUT.search(command)]
)
def test_a_command_that_names_an_output_can_be_repeated(command: str) -> None:
    """It replaces what the first call wrote. Training anew would be no repetition."""
    words = shlex.split(command)

    assert "--force" in words or words[1] in ("train", "sweep")


@pytest.mark.slow
def test_every_command(workplace: Path, mnist: Mnist, capsys: pytest.CaptureFixture[str]) -> None:
    part = workplace / "part.npz"
    np.savez(
        part,
        x_train=mnist.train.images[:3000],
        y_train=mnist.train.labels[:3000],
        x_test=mnist.test.images[:500],
        y_test=mnist.test.labels[:500],
    )
    commands = list_commands()
    assert {shlex.split(command)[1] for command in commands} == {
        "predict", "train", "evaluate", "compare", "export", "data", "recipes", "benchmark",
        "report", "serve", "batch", "sweep",
    }  # fmt: skip
    # The README trains the recipe before it goes on with the run of that name.
    commands.sort(key=lambda command: "train" not in command or "--resume" in command)
    for command in dict.fromkeys(commands):
        arguments = shlex.split(command)[1:]
        for option, fewer in FEWER.items():
            if option in arguments:
                place = arguments.index(option) + 1
                arguments[place] = fewer[arguments[place]]
        if arguments[0] in ("train", "sweep") and "--resume" not in arguments:
            short = SHORT_READER if arguments[1] in READER_RECIPES else SHORT
            if "--find-learning-rate" in arguments:  # it takes 300 steps: here, one epoch
                short = (*short, "training_images=2400", "batch_size=8")
            arguments += ["--quiet", *(word for value in short for word in ("--set", value))]
        if "--suite" in arguments:
            arguments += ["--limit", "20"]
        elif arguments[0] in WITH_DATA and not {"--resume", "--pictures"} & set(arguments):
            arguments += ["--data", str(part)]
        if arguments[0] == "serve":
            assert serve_once(arguments) == 0
            continue
        assert main(arguments) == 0, f"{command}: {capsys.readouterr().err}"
    assert (workplace / "runs" / "quick" / "evaluation" / "confusion_matrix.png").is_file()

    import keras

    network = keras.models.load_model(workplace / "mnist_model.h5")
    assert network.output_shape == (None, 10)


def test_the_reader_outside_python(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example of the docs reads a sample picture with the graph alone."""
    (code,) = list_python(GUIDE)
    assert "inkdigits" not in code
    shutil.copy(DEFAULT_MODEL, workplace / "reader.onnx")
    exec(compile(code, "how-a-picture-becomes-a-reading.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert "".join(line.split()[0] for line in lines) == "1984"


def test_docs_state_the_names_of_the_graph() -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(DEFAULT_MODEL), providers=["CPUExecutionProvider"])
    for value in (*session.get_inputs(), *session.get_outputs()):
        kind = {
            **{"tensor(uint8)": "uint8", "tensor(int64)": "int64", "tensor(float)": "float32"},
            "tensor(bool)": "bool",
        }
        stated = re.search(rf"^\|.*`{value.name}` \| (\w+)", GUIDE.read_text("utf-8"), re.MULTILINE)
        assert stated is not None, f"{value.name} is not in the table"
        assert stated[1] == kind[value.type]


def list_python(page: Path) -> list[str]:
    """The blocks of Python of a page that run as they stand."""
    found: list[str] = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    return found


def test_python_of_the_readme(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = list_python(ROOT / "README.md")
    exec(compile(code, "README.md", "exec"), {})

    assert re.match(r"3 (0\.9|1\.0)", capsys.readouterr().out)


@pytest.mark.parametrize("name", ["photographs", "forms", "bulk-reading", "sweeps", "train"])
def test_python_of_a_guide(
    name: str, workplace: Path, smoke_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("rate-0.003", "rate-0.03"):
        shutil.copytree(smoke_run.folder, workplace / "runs" / folder)
    names: dict[str, Any] = {}
    blocks = list_python(DOCS / "how-to" / f"{name}.md")
    assert blocks
    for block in blocks:
        exec(compile(block, f"{name}.md", "exec"), names)
    printed = capsys.readouterr().out

    expected = {
        "photographs": r"3 (0\.9|1\.0)",
        "forms": r"date 1984 .*\namount 7 ",
        "bulk-reading": r"samples/.*scans/",
        "sweeps": r"Run\('runs/rate-0\.0",
        "train": r".*Accuracy",
    }[name]
    assert re.match(expected, printed, re.S), printed


def test_python_of_the_first_page(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = list_python(DOCS / "start" / "five-minutes.md")
    exec(compile(code, "five-minutes.md", "exec"), {})

    assert re.match(r"1984\n1 0\.9\d* Box\(", capsys.readouterr().out)


def load_models(name: str) -> list[dict[str, Any]]:
    models: list[dict[str, Any]]
    models = json.loads((ROOT / "results" / f"{name}.json").read_bytes())["models"]
    return models


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"smoke"}))
def test_recipes_state_what_was_measured(name: str) -> None:
    source = Path(inspect.getfile(catalogue)).read_text(encoding="utf-8")
    (stated,) = re.findall(rf'name="{name}".*?\n\)\n"""(.*?)"""', source, re.DOTALL)[:1]
    models = load_models(name)
    accuracy = summarise([model["evaluation"]["accuracy"] for model in models])
    seconds = statistics.median_high(model["figures"]["fit_seconds"] for model in models)
    cores = {model["figures"]["cores"] for model in models}

    assert [model["seed"] for model in models] == list(range(len(models)))
    assert stated.startswith(f"{accuracy} of the test images; fitted in {seconds:.0f} s on 2 cores")
    assert cores == {2}
    if "--shifts" in stated:
        shifted = summarise([m["evaluation"]["accuracy"] for m in load_models(f"{name}-shifts")])
        assert stated.rstrip().endswith(f"(`inkdigits evaluate --shifts`) gives {shifted}.")


def test_tables_are_those_of_the_results() -> None:
    tables = runpy.run_path(str(ROOT / "results" / "write_tables.py"))
    for name in tables["DOCUMENTS"]:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert tables["write_tables"](name, text) == text
    published = {*tables["RECIPES"], *(f"suite-{name}" for name in tables["SUITES"])}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    others = set(re.findall(r"results/([a-z-]+)\.json", makefile)) - published
    measured = {path.stem.removesuffix("-shifts") for path in (ROOT / "results").glob("*.json")}
    assert measured <= published | others, "no target of the Makefile writes the others"
    page = BENCHMARKS.read_text(encoding="utf-8")
    for name in measured - others:
        assert f"`{name}`" in page or f"--suite {name.removeprefix('suite-')}`" in page
