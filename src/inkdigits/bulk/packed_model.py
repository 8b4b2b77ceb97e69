"""A model as the bytes of its files, so that the machines of a cluster need no common folder."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from inkdigits.errors import ModelError, UsageError
from inkdigits.recognition.card import ReaderCard, locate_card
from inkdigits.recognition.detection import Detector
from inkdigits.recognition.devices import Device
from inkdigits.recognition.recognizer import DEFAULT_MODEL, Reader, Recognizer

ModelPaths: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class PackedModel:
    """One or several models. It can be pickled.

    Attributes:
        files: For each model, its files: the path below a folder, and the content.
        names: For each model, the path below that folder that `Recognizer.load` gets; empty for
            the model that comes with inkdigits.
        sha256: SHA-256 of the model file; of several files, that of their digests.
        shifts: As in `Recognizer.load`.
        device: As in `Recognizer.load`.
    """

    files: tuple[tuple[tuple[str, bytes], ...], ...]
    names: tuple[str, ...]
    sha256: str
    shifts: bool
    device: Device

    @classmethod
    def pack(
        cls, model: ModelPaths, *, shifts: bool = False, device: Device = "cpu"
    ) -> PackedModel:
        """Reads the files of models.

        Args:
            model: The path of a model file or run, or several of them, whose mean is taken; none of
                them is the model that comes with inkdigits.
            shifts: As in `Recognizer.load`.
            device: As in `Recognizer.load`.

        Raises:
            ModelError: There is no model at a path.
            UsageError: Something else than paths.
        """
        given = [model] if isinstance(model, str | os.PathLike) else list(model)
        for one in given:
            if not isinstance(one, str | os.PathLike):
                raise UsageError(
                    f"invalid model of type {type(one).__name__}: a batch expects paths of models"
                )
        paths = [Path(one) for one in given if Path(one) != DEFAULT_MODEL]
        if not given or (len(given) == 1 and not paths):
            return cls((), (), _hash_file(DEFAULT_MODEL), shifts, device)
        packed = [_pack_one(path) for path in map(Path, given)]
        digests = [digest for _, _, digest in packed]
        joined = hashlib.sha256("".join(digests).encode()).hexdigest()
        return cls(
            tuple(files for files, _, _ in packed),
            tuple(name for _, name, _ in packed),
            digests[0] if len(digests) == 1 else joined,
            shifts,
            device,
        )

    def load(self) -> Recognizer:
        """Loads the models, with one core for each picture: a batch reads several at a time.

        Raises:
            ModelError, MissingExtraError, UsageError: As in `Recognizer.load`.
        """
        if not self.names:
            recognizer = Recognizer.load(shifts=self.shifts, device=self.device)
            return self._use_one_core(recognizer, DEFAULT_MODEL)
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for number, (files, name) in enumerate(zip(self.files, self.names, strict=True)):
                for inner, content in files:
                    path = Path(folder, str(number), inner)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                paths.append(Path(folder, str(number), name))
            recognizer = Recognizer.load(paths, shifts=self.shifts, device=self.device)
            path = DEFAULT_MODEL if recognizer.has_default_reader else paths[0]
            return self._use_one_core(recognizer, path)

    def _use_one_core(self, recognizer: Recognizer, path: Path) -> Recognizer:
        """Returns a recognizer whose reader, at `path`, shares no picture among several cores."""
        detector = Detector(path, n_threads=1, device=self.device)
        return recognizer.adapt(reader=Reader(detector, ReaderCard.load(locate_card(path))))


def _pack_one(path: Path) -> tuple[tuple[tuple[str, bytes], ...], str, str]:
    """Returns the files of a model, its path among them, and its SHA-256."""
    try:
        if path.is_file():
            files = [one for one in (path, locate_card(path)) if one.is_file()]
            packed = tuple((one.name, one.read_bytes()) for one in files)
            return packed, path.name, hashlib.sha256(packed[0][1]).hexdigest()
        if (path / "model.onnx").is_file():
            files = [one for one in (path / "model.onnx", path / "model.json") if one.is_file()]
            packed = tuple((one.name, one.read_bytes()) for one in files)
            return packed, "model.onnx", hashlib.sha256(packed[0][1]).hexdigest()
        files = sorted(one for one in path.rglob("*") if one.is_file())
        packed = tuple(
            (str(PurePosixPath(path.name, *one.relative_to(path).parts)), one.read_bytes())
            for one in files
        )
    except OSError as error:
        raise ModelError(f"{error.filename} cannot be read ({error.strerror})") from error
    if not packed:
        raise ModelError(
            f"no model at {path}: expected a run folder, or a model file such as model.onnx"
        )
    digest = hashlib.sha256()
    for name, content in packed:
        digest.update(name.encode() + hashlib.sha256(content).digest())
    return packed, path.name, digest.hexdigest()


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
