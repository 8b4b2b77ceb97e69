"""Models as users name them: files and folders of every format, lists of them, and recognizers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from inkdigits.errors import ModelError, UsageError
from inkdigits.model_formats import is_run, load_with_training, needs_training
from inkdigits.recognition.card import Card, is_reader_card, locate_card
from inkdigits.recognition.devices import check_device
from inkdigits.recognition.ensemble import add_shifts, combine
from inkdigits.recognition.network import Network, OnnxNetwork
from inkdigits.recognition.recognizer import (
    DEFAULT_LIMITS,
    DEFAULT_MODEL,
    DEFAULT_TILE_MODEL,
    Reader,
    Recognizer,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inkdigits.pictures.decoding import DecodingLimits

OneModel: TypeAlias = str | os.PathLike[str] | Recognizer
ModelSource: TypeAlias = OneModel | Sequence[OneModel]
"""A model: a path, a run, a recognizer, or a list of these, which is used as an ensemble."""


class _DefaultNetwork:
    """The network for tiles that comes with inkdigits, loaded on the first call."""

    path = DEFAULT_TILE_MODEL

    def __init__(self, device: str) -> None:
        self._device = device

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Network.__call__`."""
        return self._network(tiles)

    @cached_property
    def _network(self) -> Network:
        return OnnxNetwork(DEFAULT_TILE_MODEL, device=self._device)


def load_model(
    model: ModelSource = DEFAULT_MODEL,
    *,
    shifts: bool = False,
    threshold: float | None = None,
    limits: DecodingLimits | None = None,
    device: str = "cpu",
) -> Recognizer:
    """Implements `Recognizer.load`, with the same arguments and errors."""
    check_device(device)
    if _is_one(model):
        found = _load_one(model, limits, device)
    elif isinstance(model, Sequence) and not isinstance(model, bytes | bytearray | memoryview):
        found = _load_ensemble(model, limits, device)
    else:
        raise _describe_invalid(model)
    return (add_shifts(found) if shifts else found).adapt(threshold=threshold)


def load_model_once(model: ModelSource, *, shifts: bool = False, device: str = "cpu") -> Recognizer:
    """Loads a model as `load_model`; models that are given by their paths are loaded only once."""
    if _is_one(model):
        models: Sequence[object] = [model]
    else:
        models = model if isinstance(model, Sequence) else [model]
    paths = [Path(one) for one in models if isinstance(one, str | os.PathLike)]
    if len(paths) == len(models):
        return _load_paths_once(tuple(paths), shifts, device)
    return load_model(model, shifts=shifts, device=device)


@cache
def _load_paths_once(paths: tuple[Path, ...], shifts: bool, device: str) -> Recognizer:
    return load_model(paths, shifts=shifts, device=device)


def _is_one(model: object) -> TypeGuard[OneModel]:
    return isinstance(model, str | os.PathLike | Recognizer)


def _load_one(model: OneModel, limits: DecodingLimits | None, device: str) -> Recognizer:
    if isinstance(model, Recognizer):
        return model if limits is None else model.adapt(limits=limits)
    return _load_path(Path(model), limits or DEFAULT_LIMITS, device)


def _load_path(path: Path, limits: DecodingLimits, device: str) -> Recognizer:
    if needs_training(path):
        return load_with_training(path).adapt(limits=limits)
    if path.is_dir():
        if is_run(path) and not (path / "model.json").is_file():
            raise ModelError(
                f"{path} is an unfinished run: continue it with 'inkdigits train --resume {path}'"
            )
        path = path / "model.onnx"
    is_default = path == DEFAULT_MODEL
    if is_default or is_reader_card(locate_card(path)):
        return Recognizer(
            _DefaultNetwork(device),
            Card.load(locate_card(DEFAULT_TILE_MODEL)),
            reader=None if is_default else Reader.load(path, device=device),
            judges_tiles=False,
            limits=limits,
            device=device,
        )
    network = OnnxNetwork(path, device=device)
    card = Card.load(locate_card(path))
    card.check_outputs(path, network.n_outputs)
    return Recognizer(network, card, limits=limits, device=device)


def _load_ensemble(
    models: Sequence[OneModel], limits: DecodingLimits | None, device: str
) -> Recognizer:
    for model in models:
        if not _is_one(model):
            raise _describe_invalid(model)
    members = [_load_one(model, limits, device) for model in models]
    if len(members) == 1:
        return members[0]
    for model, member in zip(models, members, strict=True):
        if not member.judges_tiles:
            name = "a recognizer" if isinstance(model, Recognizer) else os.fspath(model)
            raise UsageError(
                f"{name} reads whole pictures, but an ensemble is the mean of networks for tiles: "
                "use it alone"
            )
    return combine(members)


def _describe_invalid(model: object) -> UsageError:
    return UsageError(
        f"invalid model of type {type(model).__name__}: expected a path, a Recognizer, or a list "
        "of these"
    )
