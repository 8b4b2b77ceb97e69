from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import onnx
import pytest

from inkdigits.cli import main
from inkdigits.data import LabelledImages, Mnist
from inkdigits.errors import (
    InkdigitsError,
    ModelError,
    OutputError,
    OutputExistsError,
    RunError,
    UsageError,
)
from inkdigits.recognition.card import Card
from inkdigits.training import FORMATS, Run, export, load_recognizer
from inkdigits.training.model_files.loading import load_keras_model

EIGHT_BITS = "onnx-int8"


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_gives_the_same_probabilities(
    exported: dict[str, Path], smoke_run: Run, test_slice: LabelledImages, form: str
) -> None:
    keras_network = load_keras_model(smoke_run.keras_model)
    expected = np.asarray(keras_network.predict(test_slice.images, batch_size=500, verbose=0))

    probabilities = load_recognizer(exported[form]).network(test_slice.images)

    assert probabilities.dtype == np.float32
    if form == EIGHT_BITS:
        differences = np.abs(probabilities - expected)
        assert differences.mean() < 2e-3
        sure = expected.max(axis=1) > 0.9
        assert (probabilities.argmax(axis=1) == expected.argmax(axis=1))[sure].all()
        return
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), expected.argmax(axis=1))


def test_int8_weights(exported: dict[str, Path]) -> None:
    """Every layer but the last computes in 8 bits, so the file is much smaller."""
    operations: dict[str, list[str]] = {"onnx": [], EIGHT_BITS: []}
    for form, found in operations.items():
        found += [node.op_type for node in onnx.load(exported[form]).graph.node]

    plain = [name for name in operations["onnx"] if name in ("Conv", "MatMul")]
    assert plain == ["Conv", "MatMul", "MatMul"]
    eight_bits = [name for name in operations[EIGHT_BITS] if "Conv" in name or "Gemm" in name]
    assert eight_bits == ["QLinearConv", "QGemm", "Gemm"]
    assert operations[EIGHT_BITS][-1] == "Softmax"
    assert exported[EIGHT_BITS].stat().st_size < 0.6 * exported["onnx"].stat().st_size


def test_int8_weights_cannot_saturate_sums(exported: dict[str, Path]) -> None:
    """Without instructions for 8 bits, processors add two products in 16 bits."""
    arrays = map(onnx.numpy_helper.to_array, onnx.load(exported[EIGHT_BITS]).graph.initializer)
    weights = [array for array in arrays if array.dtype == np.int8 and array.ndim > 1]

    assert len(weights) == 2
    for array in weights:
        assert 2 * 255 * np.abs(array.astype(int)).max() <= np.iinfo(np.int16).max


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("n", [0, 1, 513])
def test_every_form_takes_any_number_of_tiles(
    exported: dict[str, Path], test_slice: LabelledImages, form: str, n: int
) -> None:
    assert load_recognizer(exported[form]).classify(test_slice.images[:n]).shape == (n, 10)


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_goes_back_into_predict(
    exported: dict[str, Path],
    pictures: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
    form: str,
) -> None:
    assert main(["predict", str(pictures["seven"]), "--model", str(exported[form]), "--json"]) == 0

    ((row,), error) = (json.loads((printed := capsys.readouterr()).out), printed.err)
    assert row["text"] == "7"
    assert error == ""


@pytest.fixture(scope="module")
def accuracy(smoke_run: Run, mnist: Mnist) -> float:
    probabilities = load_recognizer(smoke_run.onnx_model).network(mnist.test.images)
    return float(np.mean(probabilities.argmax(axis=1) == mnist.test.labels))


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_goes_back_into_evaluate(
    exported: dict[str, Path], accuracy: float, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    assert main(["evaluate", str(exported[form]), "--json"]) == 0

    printed = json.loads(capsys.readouterr().out)
    assert printed["accuracy_mean"] == pytest.approx(accuracy, abs=2e-4)


@pytest.mark.parametrize("form", ["keras", "h5"])
def test_keras_itself_takes_the_file(
    exported: dict[str, Path], test_slice: LabelledImages, form: str
) -> None:
    import keras

    network = keras.models.load_model(exported[form])
    labels = test_slice.labels.astype(np.int32)

    _, accuracy = network.evaluate(test_slice.images, labels, verbose=0)
    assert 0.85 < accuracy < 0.985
    if form == "keras":  # from the old format, Keras needs to compile it again first
        network.fit(test_slice.images[:64], labels[:64], verbose=0)


def test_card_goes_with_the_model(exported: dict[str, Path], smoke_run: Run) -> None:
    card = Card.load(exported["h5"].with_suffix(".json"))

    assert card == Card.load(smoke_run.card)
    assert Card.load(exported[EIGHT_BITS].with_suffix(".json")) == card
    assert {path.name for path in exported["h5"].parent.iterdir()} == {
        "net.json",
        "net.int8.json",
        *(f"net{suffix}" for suffix in FORMATS.values()),
    }


def test_beside_the_run_by_default(smoke_run: Run, tmp_path: Path) -> None:
    run = Run(Path(shutil.copytree(smoke_run.folder, tmp_path / "run")))

    assert export(run.folder, "h5") == run.folder / "model.h5"
    assert load_recognizer(run.folder / "model.h5").card == Card.load(run.card)


def test_from_a_keras_file(exported: dict[str, Path], tmp_path: Path) -> None:
    path = export(exported["h5"], "litert", output=tmp_path / "new" / "from-h5.tflite")

    assert path.is_file()
    assert path.with_suffix(".json").is_file()


@pytest.mark.parametrize("form", FORMATS)
def test_existing_output_is_refused(smoke_run: Run, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"mine{FORMATS[form]}"
    path.write_text("mine")

    with pytest.raises(OutputExistsError, match="exists already"):
        export(smoke_run, form, output=path)

    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("other", ["{}", '{"mine": true}', "mine"])
def test_existing_card_of_another_model_is_refused(
    smoke_run: Run, tmp_path: Path, other: str
) -> None:
    card = tmp_path / "model.json"
    card.write_text(other)

    with pytest.raises(InkdigitsError, match=r"model\.json"):
        export(smoke_run, "h5", output=tmp_path / "model.h5")

    assert card.read_text() == other
    assert list(tmp_path.iterdir()) == [card]


@pytest.mark.parametrize(
    ("source", "form", "output", "expected", "message"),
    [
        ("", "pickle", None, UsageError, "unknown format 'pickle'"),
        ("", "h5", "net.onnx", UsageError, r"should end in \.h5"),
        ("", "savedmodel", "net", UsageError, r"should end in \.savedmodel"),
        ("", "onnx-int8", "net.onnx", UsageError, r"should end in \.int8\.onnx"),
        ("missing", "h5", None, ModelError, "cannot be converted"),
        ("missing.keras", "h5", None, ModelError, "missing"),
        ("model.onnx", "h5", None, ModelError, "cannot be converted"),
        ("..", "h5", None, RunError, r"no settings\.json"),
    ],
)
def test_refused(
    smoke_run: Run,
    source: str,
    form: str,
    output: str | None,
    expected: type[Exception],
    message: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(expected, match=message):
        export(smoke_run.folder / source, form, output=output and tmp_path / output)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS)
def test_impossible_place(smoke_run: Run, tmp_path: Path, form: str) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(OutputError, match="cannot be written"):
        export(smoke_run, form, output=tmp_path / "file" / f"net{FORMATS[form]}")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]


FULL_DISK = """
import resource, sys
from inkdigits.cli import main
status = 0
for form, suffix in zip(sys.argv[3::2], sys.argv[4::2]):
    from inkdigits.training.networks.frameworks import load_keras
    load_keras()
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, resource.RLIM_INFINITY))
    print(form, main(["export", sys.argv[1], "--format", form, "--output", sys.argv[2] + suffix]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


@pytest.mark.slow
def test_full_disk(
    smoke_run: Run, tmp_path: Path, python: Callable[..., CompletedProcess[str]]
) -> None:
    words = [word for form, suffix in FORMATS.items() for word in (form, suffix)]
    ended = python("-c", FULL_DISK, str(smoke_run.folder), str(tmp_path / "net"), *words)

    assert ended.stdout.splitlines() == [f"{form} 4" for form in FORMATS], ended
    lines = ended.stderr.splitlines()
    assert len(lines) == len(FORMATS), ended.stderr
    assert all("cannot be written" in line for line in lines), ended.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"net.json", "net.int8.json"}
