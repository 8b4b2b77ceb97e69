from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import inkdigits
from inkdigits.cli import main
from inkdigits.data import Mnist
from inkdigits.errors import ModelError, OutputExistsError
from inkdigits.recognition import Card, Recognizer
from inkdigits.recognition.network import OnnxNetwork
from inkdigits.training import adopt, export, load_recognizer
from inkdigits.training.networks.frameworks import silence_frameworks

HEADER = "## Models"
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "what-you-can-bring.md"


@pytest.fixture(scope="session")
def home_accuracy(their_network: Any, mnist: Mnist) -> float:
    """The accuracy of `their_network` where it was trained, on the test images."""
    pixels = mnist.test.images[..., np.newaxis].astype(np.float32) / 255
    found = their_network.predict(pixels, batch_size=500, verbose=0).argmax(axis=1)
    return float(np.mean(found == mnist.test.labels))


def measure(model: Path, mnist: Mnist) -> float:
    found = Recognizer.load(model).classify(mnist.test.images).argmax(axis=1)
    return float(np.mean(found == mnist.test.labels))


@pytest.mark.parametrize(
    ("name", "format", "scale", "activation"),
    [
        ("keras2.h5", "Keras", "0 to 1", "none"),
        ("mnist_model.h5", "Keras", "0 to 1", "none"),
        ("mnist_model.keras", "Keras", "0 to 1", "none"),
        ("saved_model", "SavedModel", "0 to 1", "none"),
        ("mnist.tflite", "TFLite", "0 to 1", "none"),
        ("mnist.onnx", "ONNX", "mean 0.1307, SD 0.3081", "softmax"),
    ],
)
def test_a_network_is_as_accurate_as_at_home(
    theirs: dict[str, Path],
    home_accuracy: float,
    mnist: Mnist,
    tmp_path: Path,
    name: str,
    format: str,
    scale: str,
    activation: str,
) -> None:
    adoption = adopt(theirs[name], output=tmp_path / "adopted")

    assert (adoption.format, adoption.found.encoding) == (format, scale)
    assert adoption.activation == activation
    assert len(adoption.trials) == 16
    assert adoption.has_keras_model == (format == "Keras")
    assert abs(measure(adoption.run.folder, mnist) - home_accuracy) < 0.0002


def build_small(
    encode: Callable[[str], list[onnx.NodeProto]],
    weights: list[np.ndarray[Any, Any]],
    shape: list[Any],
    *,
    kind: int = TensorProto.FLOAT,
    last: str = "Softmax",
    n_outputs: int = 10,
) -> onnx.ModelProto:
    """Builds a linear network on 784 pixels; `encode` first maps its input to "pixels"."""
    matrix, bias = weights
    nodes = [
        helper.make_node("Cast", ["input"], ["float"], to=TensorProto.FLOAT),
        *encode("float"),
        helper.make_node("Reshape", ["pixels", "flat"], ["rows"]),
        helper.make_node("Gemm", ["rows", "matrix", "bias"], ["logits"]),
        helper.make_node(last, ["logits"], ["output"]),
    ]
    constants = {
        "flat": np.asarray([-1, 784], np.int64),
        "matrix": matrix,
        "bias": bias,
        "scale": np.float32(1 / 255),
        "half": np.float32(0.5),
        "one": np.float32(1),
        "white": np.float32(255),
        "square": np.asarray([-1, 28, 28], np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input", kind, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [shape[0], n_outputs])],
        [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="session")
def linear(mnist: Mnist) -> list[np.ndarray[Any, Any]]:
    """Weights and biases of a least-squares fit on pixels from 0 to 1."""
    few = mnist.train.take(range(6_000))
    pixels = few.images.reshape(-1, 784).astype(np.float64) / 255
    pixels = np.hstack([pixels, np.ones((len(pixels), 1))])
    truth = np.eye(10)[few.labels]
    gram = pixels.T @ pixels + np.eye(785)
    found = 10 * np.linalg.solve(gram, pixels.T @ truth)
    return [found[:-1].astype(np.float32), found[-1].astype(np.float32)]


def op(kind: str, *inputs: str, output: str = "pixels", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, list(inputs), [output], **attributes)


ENCODINGS: dict[str, Callable[[str], list[onnx.NodeProto]]] = {
    "0 to 1": lambda given: [op("Identity", given)],
    "0 to 255": lambda given: [op("Mul", given, "scale")],
    "-1 to 1": lambda given: [op("Add", given, "one", output="a"), op("Mul", "a", "half")],
    "0 to 1, inverted": lambda given: [op("Sub", "one", given)],
    "0 to 255, inverted": lambda given: [
        op("Sub", "white", given, output="a"),
        op("Mul", "a", "scale"),
    ],
    "0 to 1, transposed": lambda given: [
        op("Reshape", given, "square", output="a"),
        op("Transpose", "a", perm=[0, 2, 1]),
    ],
}


@pytest.mark.parametrize(
    ("encoding", "shape"),
    [
        ("0 to 1", ["n", 28, 28]),
        ("0 to 255", [1, 1, 28, 28]),
        ("-1 to 1", ["n", 784]),
        ("0 to 1, inverted", [1, 28, 28, 1]),
        ("0 to 255, inverted", ["n", "height", "width", 1]),
        ("0 to 1, transposed", [4, 784]),
    ],
)
def test_every_encoding_and_shape_is_found(
    linear: list[np.ndarray[Any, Any]],
    mnist: Mnist,
    tmp_path: Path,
    encoding: str,
    shape: list[Any],
) -> None:
    path = tmp_path / "mnist.onnx"
    onnx.save(build_small(ENCODINGS[encoding], linear, shape), path)
    matrix, bias = linear
    pixels = mnist.test.images.reshape(-1, 784).astype(np.float32) / 255
    expected = np.mean((pixels @ matrix + bias).argmax(axis=1) == mnist.test.labels)

    adoption = adopt(path, output=tmp_path / "adopted")

    assert adoption.found.encoding == encoding
    assert adoption.found.accuracy == max(trial.accuracy for trial in adoption.trials)
    assert abs(measure(adoption.run.folder, mnist) - expected) < 0.0002


@pytest.mark.parametrize(
    ("kind", "encoding", "last", "activation"),
    [
        (TensorProto.UINT8, "0 to 255", "Softmax", "none"),
        (TensorProto.INT32, "0 to 255", "Softmax", "none"),
        (TensorProto.DOUBLE, "0 to 1", "Softmax", "none"),
        (TensorProto.FLOAT16, "0 to 1", "Softmax", "none"),
        (TensorProto.FLOAT, "0 to 1", "Identity", "softmax"),
        (TensorProto.FLOAT, "0 to 1", "LogSoftmax", "softmax"),
        # Its probabilities saturate and tie, so the scores before them are taken.
        (TensorProto.FLOAT, "0 to 1", "Sigmoid", "softmax"),
    ],
)
def test_types_and_outputs(
    linear: list[np.ndarray[Any, Any]],
    mnist: Mnist,
    tmp_path: Path,
    kind: int,
    encoding: str,
    last: str,
    activation: str,
) -> None:
    path = tmp_path / "mnist.onnx"
    model = build_small(ENCODINGS[encoding], linear, ["n", 784], kind=kind, last=last)
    onnx.save(model, path)

    adoption = adopt(path, output=tmp_path / "adopted")

    assert (adoption.found.encoding, adoption.activation) == (encoding, activation)
    rows = OnnxNetwork(adoption.run.onnx_model)(mnist.test.images[:50])
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-4)


def test_ten_sigmoids_that_do_not_tie_are_normalised(
    linear: list[np.ndarray[Any, Any]], mnist: Mnist, tmp_path: Path
) -> None:
    weights = [array / 1000 for array in linear]
    path = tmp_path / "mnist.onnx"
    onnx.save(build_small(ENCODINGS["0 to 1"], weights, ["n", 784], last="Sigmoid"), path)

    adoption = adopt(path, output=tmp_path / "adopted")

    assert adoption.activation == "share"
    rows = OnnxNetwork(adoption.run.onnx_model)(mnist.test.images[:50])
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-4)


@pytest.mark.slow
def test_int8_litert(
    their_network: Any, home_accuracy: float, mnist: Mnist, tmp_path: Path
) -> None:
    import tensorflow

    pixels = mnist.train.images[:100, np.newaxis, ..., np.newaxis].astype(np.float32) / 255
    with silence_frameworks():
        converter = tensorflow.lite.TFLiteConverter.from_keras_model(their_network)
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([row] for row in pixels)
        converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tensorflow.int8
        converter.inference_output_type = tensorflow.int8
        path = tmp_path / "mnist.tflite"
        path.write_bytes(converter.convert())

    adoption = adopt(path, output=tmp_path / "adopted")

    assert adoption.input_type == "int8"
    assert abs(measure(adoption.run.folder, mnist) - home_accuracy) < 0.005  # of 8 bits


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("with_maps", [True, False])
def test_scikit_learn(mnist: Mnist, tmp_path: Path, with_maps: bool) -> None:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    few = mnist.train.take(range(4_000))
    model = LogisticRegression(max_iter=20)
    model.fit(few.images.reshape(-1, 784).astype(np.float32) / 255, few.labels.astype(np.int64))
    options = None if with_maps else {id(model): {"zipmap": False}}
    path = tmp_path / "sklearn.onnx"
    onnx.save(to_onnx(model, np.zeros((1, 784), np.float32), options=options), path)
    tested = mnist.test.images.reshape(-1, 784).astype(np.float32) / 255
    expected = float(np.mean(model.predict(tested) == mnist.test.labels))

    adoption = adopt(path, output=tmp_path / "adopted")

    assert abs(measure(adoption.run.folder, mnist) - expected) < 0.0002


def test_digits_that_the_last_activation_makes_equal_are_told_apart(
    mnist: Mnist, tmp_path: Path
) -> None:
    """scikit-learn chooses by the scores, but exports sigmoids, which are 1 for large scores."""
    from skl2onnx import to_onnx
    from sklearn.linear_model import SGDClassifier

    few = mnist.train.take(range(4_000))
    model = SGDClassifier(loss="log_loss", max_iter=8, tol=None, random_state=0, average=True)
    model.fit(few.images.reshape(-1, 784).astype(np.float32) / 255, few.labels.astype(np.int64))
    model.coef_ *= 20  # as sure of itself as after many epochs
    model.intercept_ *= 20
    path = tmp_path / "sklearn.onnx"
    onnx.save(to_onnx(model, np.zeros((1, 784), np.float32)), path)
    tested = mnist.test.images.reshape(-1, 784).astype(np.float32) / 255
    expected = float(np.mean(model.predict(tested) == mnist.test.labels))
    of_sigmoids = np.mean(model.predict_proba(tested).argmax(axis=1) == mnist.test.labels)
    assert of_sigmoids < expected - 0.002

    adoption = adopt(path, output=tmp_path / "adopted")

    assert adoption.activation == "softmax"
    assert adoption.found.encoding == "0 to 1"
    assert abs(measure(adoption.run.folder, mnist) - expected) < 0.0002


def test_what_was_found_is_in_the_card(theirs: dict[str, Path], tmp_path: Path) -> None:
    run = adopt(theirs["mnist.onnx"], output=tmp_path / "adopted").run

    card = Card.load(run.card)
    assert card.recipe["name"] == "adopted"
    assert card.recipe["source"] == "mnist.onnx"
    assert card.recipe["encoding"] == "mean 0.1307, SD 0.3081"
    assert card.recipe["format"] == "ONNX"
    assert 0.5 < card.temperature < 2
    assert json.loads((run.folder / "settings.json").read_text())["adopted"]["activation"]


def test_the_folder_is_a_model_for_every_command(
    theirs: dict[str, Path],
    pictures: dict[str, Path],
    home_accuracy: float,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "adopted"
    assert main(["adopt", str(theirs["keras2.h5"]), "--output", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["found"]["encoding"] == "0 to 1"

    assert main(["predict", str(pictures["seven"]), "--model", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["text"] == "7"

    for format in ("keras", "h5", "tflite", "tf"):
        suffix = {"tflite": "tflite", "tf": "savedmodel"}.get(format, format)
        file = str(tmp_path / f"net.{suffix}")
        assert main(["export", str(run), "--format", format, "--output", file]) == 0
        assert main(["evaluate", file, "--json"]) == 0
        accuracy = json.loads(capsys.readouterr().out.partition("\n")[2])["accuracy_mean"]
        assert abs(accuracy - home_accuracy) < 0.0002


@pytest.mark.parametrize("name", ["keras2.h5", "mnist.tflite"])
def test_frameworks_write_nothing_to_stderr(
    name: str, theirs: dict[str, Path], tmp_path: Path, python: Callable[..., CompletedProcess[str]]
) -> None:
    run = str(tmp_path / "adopted")
    commands = [["adopt", str(theirs[name]), "--output", run], ["evaluate", run]]
    ended = python("-c", f"from inkdigits.cli import main\nexit(any(map(main, {commands})))")
    ours = [line for line in ended.stderr.splitlines() if line.startswith("inkdigits: ")]
    assert (ended.returncode, ended.stderr.splitlines()) == (0, ours)
    assert (tmp_path / "adopted" / "evaluation").is_dir()


def test_keras_files_work_in_python(
    exported: dict[str, Path], pictures: dict[str, Path], mnist: Mnist
) -> None:
    seven = mnist.test.images[:1]
    expected = load_recognizer(exported["onnx"]).classify(seven)

    np.testing.assert_allclose(
        Recognizer.load(exported["h5"], threshold=0.25).classify(seven), expected, atol=1e-4
    )
    assert Recognizer.load(exported["keras"], threshold=0.25).threshold == 0.25
    assert inkdigits.predict(pictures["seven"], model=exported["keras"]).text == "7"


def test_an_adopted_network_without_keras_file_is_not_converted(
    theirs: dict[str, Path], tmp_path: Path
) -> None:
    run = adopt(theirs["mnist.onnx"], output=tmp_path / "adopted").run

    with pytest.raises(ModelError, match="has no Keras file to convert"):
        export(run, "h5")


def test_an_existing_folder_is_not_touched(theirs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(OutputExistsError, match="exists already"):
        adopt(theirs["mnist.onnx"], output=tmp_path)


def test_an_earlier_folder_is_replaced_on_request(theirs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "adopted"
    adopt(theirs["mnist.onnx"], output=folder)
    (folder / "model.h5").write_text("an export")
    (folder / "notes.txt").write_text("mine")

    run = adopt(theirs["mnist.onnx"], output=folder, overwrite=True).run

    assert run.is_finished
    assert not (folder / "model.h5").exists()
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("others", [[], ["notes.txt"]], ids=str)
def test_a_folder_that_could_not_be_written_is_removed_without_other_files(
    others: list[str], theirs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "adopted"
    adopt(theirs["mnist.onnx"], output=folder)
    for name in others:
        (folder / name).write_text("mine")
    monkeypatch.setattr(Card, "save", lambda card, path: path.joinpath("impossible").touch())

    with pytest.raises(OSError, match="impossible"):
        adopt(theirs["mnist.onnx"], output=folder, overwrite=True)

    assert [path.name for path in tmp_path.rglob("*.txt")] == others
    assert folder.exists() is bool(others)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (
            lambda linear: build_small(ENCODINGS["0 to 1"], linear, ["n", 32, 32, 1]),
            r"takes float32 inputs of shape \(n, 32, 32, 1\); expected numbers of shape",
        ),
        (
            lambda linear: build_small(
                ENCODINGS["0 to 1"],
                [linear[0][:, [*range(10), 0, 1]], linear[1][[*range(10), 0, 1]]],
                ["n", 784],
                n_outputs=12,
            ),
            r"returns outputs of shape \(n, 12\); expected ten",
        ),
        (
            lambda linear: build_small(
                ENCODINGS["0 to 1"], [linear[0][:, ::-1].copy(), linear[1][::-1].copy()], ["n", 784]
            ),
            r"at most \d+\.\d% of 1,000 validation digits, on the scale .*expected at least 80%",
        ),
    ],
    ids=["input", "outputs", "accuracy"],
)
def test_what_cannot_be_adopted_is_told(
    linear: list[np.ndarray[Any, Any]],
    tmp_path: Path,
    build: Callable[[Any], onnx.ModelProto],
    expected: str,
) -> None:
    path = tmp_path / "mnist.onnx"
    onnx.save(build(linear), path)

    with pytest.raises(ModelError, match=expected):
        adopt(path, output=tmp_path / "adopted")
    assert not (tmp_path / "adopted").exists()


def list_rows() -> list[tuple[str, str]]:
    """Reads file and outcome of each row in the page's table of models."""
    section = PAGE.read_text(encoding="utf-8").partition(f"{HEADER}\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| ")
    ]
    return [(row[1].strip("`"), row[2]) for row in rows[1:]]


def test_the_table_of_the_page_has_rows() -> None:
    assert len(list_rows()) >= 10


@pytest.mark.parametrize(("name", "outcome"), list_rows())
def test_each_row_of_the_page_is_true(
    theirs: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    outcome: str,
) -> None:
    source = theirs[name]
    (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / source.name)
    monkeypatch.chdir(tmp_path)

    status = main(["adopt", name])

    printed = capsys.readouterr()
    if outcome.startswith("adopted"):
        assert status == 0, printed.err
        assert Path(f"runs/{source.stem}/model.onnx").is_file()
        (found,) = (line for line in printed.out.splitlines() if line.endswith("<- found"))
        assert found.startswith(outcome.removeprefix("adopted, ") + "  ")
    else:
        assert status == 3
        assert outcome.strip("“”") in printed.err
