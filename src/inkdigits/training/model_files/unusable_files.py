"""Recognises files that hold no usable model, and says what to do instead."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Final

from inkdigits.files import read_limited

_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_PICKLE: Final = b"\x80"
_PICKLE_SUFFIXES: Final = (".pt", ".pth", ".pkl", ".pickle", ".joblib", ".sav", ".ckpt")
_MAX_JSON_BYTES: Final = 1_000_000
_MAX_NAMES: Final = 100_000

FROM_PYTORCH: Final = """\
export it where the class of the network is at hand, and adopt mnist.onnx:
  import torch
  network.eval()
  tile = torch.zeros(1, 1, 28, 28)
  names = {"input_names": ["input"], "output_names": ["output"]}
  torch.onnx.export(network, tile, "mnist.onnx", **names, dynamo=False)"""


def explain_unusable(path: Path) -> str | None:
    """Says why a file holds no model that can be loaded.

    Only names and first bytes are read; no pickle is opened.

    Args:
        path: A file of any kind. It may be missing.

    Returns:
        The reason and what to do, or None if the file may hold a model.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(64)
    suffix = path.suffix.lower()
    if head.startswith(b"PK") and suffix != ".keras":
        return _explain_zip(path)
    if head.startswith(_HDF5):
        return _explain_hdf5(path)
    if (head.startswith(_PICKLE) and head[1:2] in b"\1\2\3\4\5") or suffix in _PICKLE_SUFFIXES:
        if suffix in (".pt", ".pth", ".ckpt"):
            return _describe_pytorch(path)
        return (
            f"{path} is a pickle, which can run any code and is never opened: convert the model to "
            "ONNX where it was trained, for scikit-learn with skl2onnx.to_onnx(model, "
            "numpy.zeros((1, 784), numpy.float32)), and adopt the .onnx file"
        )
    if head.lstrip().startswith(b"{") and _is_architecture(path):
        return (
            f"{path} is the architecture of a Keras network without its weights: load both where "
            "you have them, save the whole model with model.save('model.keras'), and adopt that"
        )
    return None


def _explain_zip(path: Path) -> str | None:
    """Explains a zip archive that is not a Keras file."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:_MAX_NAMES]
    except (zipfile.BadZipFile, OSError, ValueError):
        return None
    if any(name.endswith(("/data.pkl", "/constants.pkl")) for name in names):
        return _describe_pytorch(path)
    if names and all(name.endswith(".npy") for name in names):
        return (
            f"{path} holds arrays without a network: build the network where you have its code, "
            "load the arrays, save the whole model with model.save('model.keras'), and adopt that"
        )
    return None


def _explain_hdf5(path: Path) -> str | None:
    """Explains an HDF5 file without an architecture."""
    try:
        import h5py
    except ImportError:  # a later step names the extra
        return None
    try:
        with h5py.File(path, "r") as content:
            if "model_config" in content.attrs:
                return None
            is_of_keras = (
                "layer_names" in content.attrs
                or "layers" in content
                or path.name.endswith(".weights.h5")
            )
    except (OSError, RuntimeError, ValueError):
        return None
    if not is_of_keras:
        return None
    return (
        f"{path} contains weights only, without the network: build the network where you have its "
        "code, call model.load_weights, save the whole model with model.save('model.keras'), and "
        "adopt that"
    )


def _is_architecture(path: Path) -> bool:
    try:
        config = json.loads(read_limited(path, _MAX_JSON_BYTES))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and "class_name" in config and "config" in config


def _describe_pytorch(path: Path) -> str:
    return (
        f"{path} is a file of PyTorch: a pickle, which can run any code and is never opened; "
        + FROM_PYTORCH
    )
