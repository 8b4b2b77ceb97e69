from __future__ import annotations

import io
import json
import shutil
import time
import tracemalloc
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
from inkdigits.training.model_files.keras_files import MAX_CLASSES
from inkdigits.training.networks.frameworks import load_keras


@pytest.fixture
def folder(smoke_run: Run, tmp_path: Path) -> Path:
    """A folder with the card of a model `net`."""
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
    """Asserts a ModelError in Python, and one line on the command line."""
    with pytest.raises(ModelError) as caught:
        load_recognizer(path)
    assert str(path) in str(caught.value)
    assert expected in str(caught.value)

    capsys.readouterr()
    assert main(["evaluate", str(path)]) == 3
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
    assert marker.exists()  # building the layer ran its code, which the file now contains
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

    assert_refused(path, capsys, "contains keras.Lambda")


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
        # Keras exports a network only after its first call.
        network(np.zeros(network.inputs[0].shape[1:])[np.newaxis])
        form = {".savedmodel": "tf_saved_model", ".onnx": "onnx", ".tflite": "litert"}[path.suffix]
        network.export(path, format=form, verbose=False)


@pytest.mark.filterwarnings("ignore")  # the converters' own
@pytest.mark.parametrize("suffix", [".keras", ".h5", ".onnx", ".savedmodel", ".tflite"])
@pytest.mark.parametrize("side", [28, 32])
def test_network_of_another_shape(
    folder: Path, capsys: pytest.CaptureFixture[str], suffix: str, side: int
) -> None:
    """A network from 32 × 32 pixels to ten outputs, and one from 28 × 28 to twelve."""
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
@pytest.mark.parametrize("suffix", [".onnx", ".savedmodel", ".tflite", ".keras", ".h5"])
def test_network_of_floats(folder: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    """As from a script that scales the pixels before the network."""
    path = folder / f"net{suffix}"
    save_form(build_network(dtype="float32"), path)

    assert_refused(path, capsys, "uint8")


def write_archive(
    path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


class Zeros(io.RawIOBase):
    """A stream of 128 MiB of zeros that needs almost no memory."""

    left = 2**27

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n = min(len(buffer), self.left)
        buffer[:n] = bytes(n)
        self.left -= n
        return n


def write_bomb(path: Path, member: str) -> Path:
    """Writes an archive of half a megabyte with a member that expands to 128 MiB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("config.json", "metadata.json", "model.weights.h5"):
            with archive.open(name, "w") as file:
                if name == member:
                    shutil.copyfileobj(Zeros(), file, 2**20)
                else:
                    file.write(b"{}")
    return path


@pytest.mark.parametrize("member", ["config.json", "metadata.json", "model.weights.h5"])
def test_a_zip_bomb_is_refused_before_it_expands(
    folder: Path, capsys: pytest.CaptureFixture[str], member: str
) -> None:
    path = write_bomb(folder / "net.keras", member)
    load_keras()
    start = time.process_time()
    tracemalloc.start()
    try:
        assert_refused(path, capsys, member)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < 5


@pytest.mark.parametrize("lies", [False, True], ids=["many", "many, and the end says few"])
def test_a_zip_of_many_members_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], lies: bool
) -> None:
    path = write_archive(folder / "net.keras", {f"{i:06}": b"" for i in range(20_000)})
    if lies:
        content = bytearray(path.read_bytes())
        content[-14:-10] = (2).to_bytes(2, "little") * 2
        path.write_bytes(content)

    assert_refused(path, capsys, "nothing else")


def test_a_member_that_keras_does_not_write_is_refused(
    exported: dict[str, Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shutil.copy(exported["keras"], folder / "net.keras"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("assets/vocabulary.txt", "")

    assert_refused(path, capsys, "nothing else")


def test_a_member_that_says_less_than_it_holds_is_refused(
    exported: dict[str, Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_bomb(folder / "net.keras", "config.json")
    content = path.read_bytes()
    size = (2**27).to_bytes(4, "little")
    assert size in content
    path.write_bytes(content.replace(size, (1_000).to_bytes(4, "little")))

    assert_refused(path, capsys)


def test_an_architecture_of_many_layers_is_refused(
    exported: dict[str, Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shutil.copy(exported["keras"], folder / "net.keras"))
    layer = {"class_name": "ReLU"}
    edit_config(path, lambda config: {**config, "more": [layer] * (MAX_CLASSES + 1)})

    assert_refused(path, capsys, "more layers")


def deepen(config: Any) -> Any:
    for _ in range(900):
        config = [config]
    return config


def test_a_deeply_nested_architecture_is_refused(
    exported: dict[str, Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shutil.copy(exported["keras"], folder / "net.keras"))
    edit_config(path, deepen)

    assert_refused(path, capsys)


def declare_much(file: Any) -> None:
    file.create_dataset("much", (2**38,), np.float32, chunks=(2**20,))


def compress_much(file: Any) -> None:
    file.create_dataset("much", data=np.zeros(5_000_000, np.float32), compression="gzip")


def link_outside(file: Any) -> None:
    file["much"] = h5py.ExternalLink("/etc/passwd", "/")


def store_outside(file: Any) -> None:
    file.create_dataset("much", (100,), np.uint8, external="/etc/passwd")


def read_through(file: Any) -> None:
    layout = h5py.VirtualLayout((10,), np.float32)
    layout[:] = h5py.VirtualSource("/etc/passwd", "data", (10,))
    file.create_virtual_dataset("much", layout)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    "harm", [declare_much, compress_much, link_outside, store_outside, read_through]
)
def test_weights_that_expand_or_are_elsewhere_are_refused(
    exported: dict[str, Path],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
    harm: Callable[[Any], None],
) -> None:
    path = Path(shutil.copy(exported[suffix[1:]], folder / f"net{suffix}"))
    if suffix == ".h5":
        with h5py.File(path, "r+") as file:
            harm(file)
    else:
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        weights = io.BytesIO(content["model.weights.h5"])
        with h5py.File(weights, "r+") as file:
            harm(file)
        write_archive(path, {**content, "model.weights.h5": weights.getvalue()})

    assert_refused(path, capsys, "'much'")


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "net.tflite", "net.savedmodel"])
def test_a_file_larger_than_any_model_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = file = folder / name
    if name == "net.savedmodel":
        path.mkdir()
        file = path / "saved_model.pb"
    with file.open("wb") as large:
        large.truncate(2**30 + 1)

    assert_refused(path, capsys, "at most 1,073,741,824")


def test_a_compressed_copy_of_a_model_is_read(exported: dict[str, Path], folder: Path) -> None:
    path = folder / "net.keras"
    with zipfile.ZipFile(exported["keras"]) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    write_archive(path, content, zipfile.ZIP_DEFLATED)

    assert load_recognizer(path).network(np.zeros((2, 28, 28), np.uint8)).shape == (2, 10)


@pytest.mark.filterwarnings("ignore")  # Keras' own, on saving
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_probabilities_that_are_not_finite_are_refused(folder: Path, suffix: str) -> None:
    network = build_network()
    network.set_weights([np.full(weight.shape, np.nan) for weight in network.get_weights()])
    network.save(folder / f"net{suffix}")

    recognizer = load_recognizer(folder / f"net{suffix}")

    with pytest.raises(ModelError, match="not finite"):
        recognizer.network(np.zeros((2, 28, 28), np.uint8))
