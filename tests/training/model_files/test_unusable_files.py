from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inkdigits.errors import ModelError
from inkdigits.training import adopt, load_recognizer
from inkdigits.training.model_files.unusable_files import explain_unusable


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnist.pt", "a file of PyTorch: a pickle, which can run any code and is never opened"),
        ("mnist.pkl", "is a pickle, which can run any code and is never opened"),
        ("mnist.weights.h5", "contains weights only, without the network"),
        ("mnist.json", "the architecture of a Keras network without its weights"),
    ],
)
def test_each_kind_has_its_own_sentence(
    theirs: dict[str, Path], tmp_path: Path, name: str, expected: str
) -> None:
    for load in (load_recognizer, lambda path: adopt(path, output=tmp_path / "adopted")):
        with pytest.raises(ModelError) as caught:
            load(theirs[name])
        assert str(caught.value).startswith(str(theirs[name]))
        assert expected in str(caught.value)


def test_pytorch_files_show_the_lines_that_export_them(theirs: dict[str, Path]) -> None:
    _, *lines = (explain_unusable(theirs["mnist.pt"]) or "").splitlines()

    assert len(lines) == 5
    compile("\n".join(line.strip() for line in lines), "lines", "exec")
    assert "torch.onnx.export" in lines[-1]


def test_old_weights_of_keras_2(theirs: dict[str, Path], tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv2d"]
        file.create_group("conv2d")

    assert "contains weights only" in (explain_unusable(path) or "")


def test_arrays_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", first=np.zeros(3))

    assert "holds arrays without a network" in (explain_unusable(tmp_path / "weights.npz") or "")


@pytest.mark.parametrize(
    "name", ["mnist_model.h5", "keras2.h5", "mnist_model.keras", "mnist.onnx", "mnist.tflite"]
)
def test_models_are_not_explained_away(theirs: dict[str, Path], name: str) -> None:
    assert explain_unusable(theirs[name]) is None


def test_a_missing_file_has_no_explanation(tmp_path: Path) -> None:
    assert explain_unusable(tmp_path / "missing.pt") is None
