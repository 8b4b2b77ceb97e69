from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from inkdigits.cli import main
from inkdigits.errors import ModelError
from inkdigits.training import Run, load_recognizer


@pytest.fixture
def folder(smoke_run: Run, tmp_path: Path) -> Path:
    """A folder with a card for a model `net`."""
    shutil.copy(smoke_run.card, tmp_path / "net.json")
    return tmp_path


def build_network(*layers: Any, dtype: str = "uint8") -> Any:
    return keras.Sequential(
        [
            keras.layers.Input([28, 28], dtype=dtype),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            *layers,
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def assert_refused(path: Path, capsys: pytest.CaptureFixture[str], expected: str = "") -> None:
    """In Python with a ModelError, on the command line with one line."""
    with pytest.raises(ModelError) as caught:
        load_recognizer(path)
    assert str(path) in str(caught.value)
    assert expected in str(caught.value)

    capsys.readouterr()
    assert main(["evaluate", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1, printed.err
    assert str(path) in printed.err


@pytest.mark.filterwarnings("ignore")  # Keras' own, on saving
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_lambda_is_refused_and_never_run(
    folder: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    marker = folder / "marker"
    source = f"lambda values: (__import__('pathlib').Path({str(marker)!r}).touch(), values)[1]"
    path = folder / f"net{suffix}"
    build_network(keras.layers.Lambda(eval(source))).save(path)
    assert marker.exists()  # built by running it; the file now holds its code
    marker.unlink()

    assert_refused(path, capsys, "Lambda")

    assert not marker.exists()


@pytest.mark.filterwarnings("ignore")  # Keras' own, on saving
@pytest.mark.parametrize("as_bytes", [True, False])
@pytest.mark.parametrize("blank", ["", "  \n"])
def test_lambda_is_found_however_hdf5_holds_the_text(
    folder: Path, capsys: pytest.CaptureFixture[str], as_bytes: bool, blank: str
) -> None:
    path = folder / "net.h5"
    build_network(keras.layers.Lambda(lambda values: values)).save(path)
    with h5py.File(path, "r+") as file:
        config = blank + file.attrs["model_config"]
        file.attrs["model_config"] = np.bytes_(config.encode()) if as_bytes else config

    assert_refused(path, capsys, "holds keras.Lambda")


def edit_config(path: Path, edit: Callable[[Any], Any]) -> None:
    """Replaces the configuration in a `.keras` or `.h5` file."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = json.dumps(edit(json.loads(file.attrs["model_config"])))
        return
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                content = json.dumps(edit(json.loads(content))).encode()
            new.writestr(name, content)


def replace_rescaling(replacement: dict[str, Any]) -> Callable[[Any], Any]:
    def edit(config: Any) -> Any:
        layers = config["config"]["layers"]
        (place,) = (i for i, layer in enumerate(layers) if layer["class_name"] == "Rescaling")
        layers[place] = replacement
        return config

    return edit


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ({"module": "os", "class_name": "system", "config": "true"}, "os.system"),
        ({"module": "subprocess", "class_name": "Popen", "config": {}}, "subprocess.Popen"),
        ({"module": "builtins", "class_name": "function", "config": "eval"}, "builtins.function"),
        ({"module": "kerasy.layers", "class_name": "Dense", "config": {}}, "kerasy.layers.Dense"),
        ({"module": "keras", "class_name": "__lambda__", "config": {}}, "__lambda__"),
        ({"module": "keras.layers", "class_name": "TFSMLayer", "config": {}}, "TFSMLayer"),
        ({"class_name": "TorchModuleWrapper", "config": {}}, "TorchModuleWrapper"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_classes_that_are_not_keras_layers_are_refused(
    exported: dict[str, Path],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
    layer: dict[str, Any],
    expected: str,
) -> None:
    path = Path(shutil.copy(exported[suffix[1:]], folder))
    edit_config(path, replace_rescaling(layer))

    assert_refused(path, capsys, expected)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    "edit",
    [
        lambda config: [],
        lambda config: {},
        lambda config: None,
        lambda config: {**config, "config": 5},
        replace_rescaling({"module": "keras.layers", "class_name": "Nothing", "config": {}}),
        replace_rescaling({"module": "keras.layers", "class_name": "Dense", "config": {}}),
    ],
    ids=range(6),
)
def test_configuration_that_means_nothing(
    exported: dict[str, Path],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
    edit: Callable[[Any], Any],
) -> None:
    path = Path(shutil.copy(exported[suffix[1:]], folder))
    edit_config(path, edit)

    assert_refused(path, capsys)


@pytest.mark.parametrize("form", ["keras", "h5", "onnx", "litert"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.98])
def test_truncated_file(
    exported: dict[str, Path],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    form: str,
    share: float,
) -> None:
    whole = exported[form].read_bytes()
    path = folder / exported[form].name
    path.write_bytes(whole[: int(share * len(whole))])

    assert_refused(path, capsys)


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".onnx", ".tflite"])
def test_text_file_named_as_a_model(
    folder: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = folder / f"net{suffix}"
    path.write_text("Dear reader,\nthis is no network.\n")

    assert_refused(path, capsys)


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "net.onnx", "net.tflite", "net", "net.pt"])
def test_missing_model(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert_refused(folder / name, capsys)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "saved_model.pb").write_bytes(b"half"),
        lambda path: (path / "saved_model.pb").write_bytes(b""),
        lambda path: (path / "saved_model.pb").unlink(),
        lambda path: shutil.rmtree(path / "variables"),
        lambda path: [file.write_bytes(b"half") for file in (path / "variables").iterdir()],
    ],
    ids=["cut graph", "empty graph", "no graph", "no variables", "cut variables"],
)
def test_damaged_saved_model(
    exported: dict[str, Path],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], object],
) -> None:
    path = Path(shutil.copytree(exported["savedmodel"], folder / "net.savedmodel"))
    damage(path)

    assert_refused(path, capsys)


def test_missing_card(exported: dict[str, Path], tmp_path: Path) -> None:
    for form in ("keras", "h5", "litert"):
        path = Path(shutil.copy(exported[form], tmp_path))
        with pytest.raises(ModelError, match=r"net\.json is missing"):
            load_recognizer(path)


def save_form(network: Any, path: Path) -> None:
    if path.suffix in (".keras", ".h5"):
        network.save(path)
    else:
        network(np.zeros(network.inputs[0].shape[1:])[np.newaxis])  # exported only once called
        form = {".savedmodel": "tf_saved_model", ".onnx": "onnx", ".tflite": "litert"}[path.suffix]
        network.export(path, format=form, verbose=False)


@pytest.mark.filterwarnings("ignore")  # the converters' own
@pytest.mark.parametrize("suffix", [".keras", ".h5", ".onnx", ".savedmodel", ".tflite"])
@pytest.mark.parametrize("side", [28, 32])
def test_network_of_another_shape(
    folder: Path, capsys: pytest.CaptureFixture[str], suffix: str, side: int
) -> None:
    """32 × 32 to ten, and 28 × 28 to twelve."""
    network = keras.Sequential(
        [
            keras.layers.Input([side, side], dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(10 if side == 32 else 12, activation="softmax"),
        ]
    )
    path = folder / f"net{suffix}"
    save_form(network, path)

    assert_refused(path, capsys, "expected")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".onnx", ".savedmodel", ".tflite"])
def test_network_of_floats(folder: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    """A script of one's own may have scaled the pixels before the network."""
    path = folder / f"net{suffix}"
    save_form(build_network(dtype="float32"), path)

    assert_refused(path, capsys, "uint8")
