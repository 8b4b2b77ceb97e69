"""Adopts networks from elsewhere: finds out what input they expect, and wraps them for tiles."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.data import LabelledImages, split_validation
from inkdigits.data.leakage import load_training_data
from inkdigits.errors import MissingExtraError, ModelError, OutputExistsError
from inkdigits.evaluation import fit_temperature, score
from inkdigits.files import write_text_whole, write_whole
from inkdigits.recognition.card import LABELS, Card
from inkdigits.recognition.network import MAX_SUM_ERROR, OnnxNetwork
from inkdigits.training.model_files.conversion import save_keras
from inkdigits.training.model_files.encodings import Encoding, list_encodings
from inkdigits.training.model_files.loading import load_keras_model
from inkdigits.training.model_files.source_graphs import Source, read_source
from inkdigits.training.model_files.tile_cores import TOLERANCE, Core, avoid_ties, build_core
from inkdigits.training.networks.frameworks import load_keras, silence_frameworks
from inkdigits.training.runs import ADOPTED, Run, list_versions

MIN_ACCURACY: Final = 0.8
"""Minimum accuracy on validation digits. A linear network reaches 0.92 on the right scale."""

N_VALIDATION: Final = 5_000
"""Number of validation digits: those that the recipes hold out for the seed 0."""

N_FIRST: Final = 1_000
"""Number of digits that every encoding is tried on."""

FINALIST_MARGIN: Final = 0.02
"""Encodings this close to the best one are tried on all validation digits."""

TIE_MARGIN: Final = 0.001
"""Among encodings this close to the best one, the lowest loss decides. A network without biases is
almost as accurate on another scale, but far too sure of its mistakes."""


@dataclass(frozen=True)
class Trial:
    """How a network classifies validation digits in one encoding.

    Attributes:
        encoding: The encoding in words, such as "0 to 1, inverted".
        accuracy: Share of digits classified correctly, 0 to 1.
        loss: Mean negative log-likelihood.
        n_digits: Number of digits.
    """

    encoding: str
    accuracy: float
    loss: float
    n_digits: int


@dataclass(frozen=True)
class Adoption:
    """An adopted network.

    Attributes:
        run: The folder with the wrapped network and its card.
        format: The format of the source, in words.
        input_shape: Shape of the source's input; None for a free length.
        input_type: Type of the source's input, as NumPy names it.
        activation: What turns the source's outputs into probabilities: "none", "softmax" for
            logits, or "share" for ten values from 0 to 1 whose sum is not 1. "softmax" also if the
            scores before the last activation were taken, because it made digits equally likely.
        found: The trial of the encoding that was chosen.
        trials: All trials, the most accurate first.
        temperature: The temperature in the card.
        has_keras_model: Whether the folder also has a Keras file, which `export` can convert.
    """

    run: Run
    format: str
    input_shape: tuple[int | None, ...]
    input_type: str
    activation: str
    found: Trial
    trials: tuple[Trial, ...]
    temperature: float
    has_keras_model: bool

    def to_json(self) -> dict[str, Any]:
        """Returns the attributes as plain JSON."""
        return {
            **{name: value for name, value in vars(self).items() if name not in ("run", "trials")},
            "folder": str(self.run.folder),
            "input_shape": list(self.input_shape),
            "found": vars(self.found),
            "trials": [vars(trial) for trial in self.trials],
        }


def adopt(
    path: Path | str,
    *,
    output: Path | str | None = None,
    overwrite: bool = False,
    data: Path | str | None = None,
) -> Adoption:
    """Adopts a network from elsewhere that classifies MNIST's digits.

    The network is tried on validation digits in every usual encoding: 0 to 1, 0 to 255, -1 to 1 and
    MNIST's mean and standard deviation, each also inverted and transposed. It is then wrapped in an
    ONNX file that takes tiles and contains the encoding. A card with a fitted temperature is
    written beside it. The network may have been trained on the validation digits, in which case it
    is less accurate, and surer than it should be, on other digits.

    Args:
        path: A `.keras`, `.h5`, `.hdf5`, `.onnx` or `.tflite` file, or the folder of a SavedModel,
            with 784 pixels as input and ten probabilities or logits as output.
        output: The folder to write, which must not exist; None: the first of `runs/<name>`,
            `runs/<name>-2`, … that does not exist.
        overwrite: As in `train`.
        data: A path, as in `load_mnist`; None: MNIST from the cache, downloaded if missing.

    Returns:
        What was found out, and the folder, which `evaluate`, `predict`, `export` and `serve` take.

    Raises:
        ModelError: The file cannot be read or converted, its input or output has another shape, or
            it is less accurate than `MIN_ACCURACY` in every encoding.
        UsageError: The backend of Keras cannot convert a Keras file.
        DataFormatError, DataUnavailableError: MNIST is incomplete or cannot be downloaded.
        DataLeakageError: All training images in `data` are MNIST's test images.
        OutputExistsError, RunError, OutputError: The folder exists already or cannot be written.
        MissingExtraError: ONNX, or the framework of the file, is not installed.
    """
    path = Path(path)
    if output is not None and Path(output).exists() and not overwrite:
        raise OutputExistsError(
            f"{output} exists already: choose another folder with --output, or replace it with "
            "--force"
        )
    _check_extra()
    source = read_source(path)
    mnist = load_training_data(data)
    _, validation = split_validation(mnist.train, min(N_VALIDATION, len(mnist.train) // 2), 0)
    with tempfile.TemporaryDirectory() as folder:
        core = build_core(path, source, validation.images[:16], Path(folder))
        trials = _try_encodings(path, core, validation)
        clear = _avoid_ties(core, trials, validation, Path(folder))
        if clear is not None:
            core = clear
            trials = _try_encodings(path, core, validation)
        best = _choose(trials)
        encoding, activation, found = best
        if found.accuracy < MIN_ACCURACY:
            raise ModelError(
                f"{path} cannot be adopted: it classifies at most {found.accuracy:.1%} of "
                f"{found.n_digits:,} validation digits, on the scale {found.encoding}; expected at "
                f"least {MIN_ACCURACY:.0%} on one of {len(trials)} scales"
            )
        run = Run.create(None if output is None else Path(output), path.stem, overwrite=overwrite)
        with run.locked():
            run.replace()
            return _write(run, path, source, core, encoding, activation, validation, trials, found)


def _check_extra() -> None:
    """Raises MissingExtraError if ONNX is not installed."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            'onnx is not installed, but adopting needs it: pip install "inkdigits[train]"'
        ) from error


def _find_activation(scores: NDArray[np.float32]) -> str:
    """Returns what turns scores into probabilities; the names are those of `Adoption`."""
    if scores.min() < 0 or scores.max() > 1 + TOLERANCE:
        return "softmax"
    sums = scores.sum(axis=1, dtype=np.float64)
    return "none" if np.abs(sums - 1).max() < MAX_SUM_ERROR / 2 else "share"


def _activate(scores: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    """Turns scores into probabilities, as the wrapped graph does."""
    if activation == "softmax":
        shares = np.exp(scores - scores.max(axis=1, keepdims=True), dtype=np.float64)
    elif activation == "share":
        shares = scores.astype(np.float64) + np.finfo(np.float32).tiny
    else:
        return scores
    probabilities: NDArray[np.float32] = (shares / shares.sum(axis=1, keepdims=True)).astype(
        np.float32
    )
    return probabilities


_Tried = tuple[Encoding, str, Trial]


def _try_encodings(path: Path, core: Core, validation: LabelledImages) -> list[_Tried]:
    """Tries every encoding on the first digits, and the best ones on all; the best one first."""
    first = validation.take(range(min(N_FIRST, len(validation))))
    tried = [_try(path, core, each, first) for each in list_encodings(core.input_type)]
    best = max(trial.accuracy for _, _, trial in tried)
    tried = [
        _try(path, core, encoding, validation)
        if best >= MIN_ACCURACY / 2 and trial.accuracy >= best - FINALIST_MARGIN
        else (encoding, activation, trial)
        for encoding, activation, trial in tried
    ]
    return sorted(tried, key=lambda each: -each[2].accuracy)


def _try(path: Path, core: Core, encoding: Encoding, digits: LabelledImages) -> _Tried:
    scores = core.run(encoding.encode(digits.images))
    if scores.shape != (len(digits), len(LABELS)):
        raise ModelError(
            f"{path} returns {scores.size} values for {len(digits)} digits; expected ten for each"
        )
    if not np.isfinite(scores).all():  # an overflow on a scale that is not the network's
        return encoding, "softmax", Trial(encoding.name, 0.0, float("inf"), len(digits))
    activation = _find_activation(scores)
    evaluation = score(_activate(scores, activation), digits.labels)
    trial = Trial(encoding.name, evaluation.accuracy, evaluation.loss, len(digits))
    return encoding, activation, trial


def _avoid_ties(
    core: Core, tried: list[_Tried], validation: LabelledImages, folder: Path
) -> Core | None:
    """Calls `avoid_ties` for the encodings that may be the right one, until it finds a core."""
    first = validation.take(range(min(N_FIRST, len(validation))))
    for encoding, _, trial in tried:
        if trial.accuracy >= MIN_ACCURACY / 2:
            clear = avoid_ties(core, encoding.encode(first.images), first.labels, folder)
            if clear is not None:
                return clear
    return None


def _choose(tried: list[_Tried]) -> _Tried:
    best = tried[0][2].accuracy
    close = [
        each
        for each in tried
        if each[2].n_digits == max(t.n_digits for _, _, t in tried)
        and each[2].accuracy >= best - TIE_MARGIN
    ]
    return min(close or tried[:1], key=lambda each: each[2].loss)


def _write(
    run: Run,
    path: Path,
    source: Source,
    core: Core,
    encoding: Encoding,
    activation: str,
    validation: LabelledImages,
    tried: list[_Tried],
    found: Trial,
) -> Adoption:
    """Writes the folder: the settings, the wrapped network and, last, the card."""
    from inkdigits.training.model_files import tile_graph

    try:
        wrapped = tile_graph.build_tile_model(core.model, encoding, activation)
        with write_whole(run.onnx_model) as temporary:
            temporary.write_bytes(wrapped.SerializeToString())
        network = OnnxNetwork(run.onnx_model)
        probabilities = network(validation.images)
        evaluation = score(probabilities, validation.labels)
        settings = {
            "source": path.name,
            "source_sha256": _hash(path),
            "format": source.format,
            "input_shape": list(core.input_shape),
            "input_type": core.input_type,
            "encoding": encoding.name,
            "activation": activation,
        }
        has_keras = _write_keras(run, source, core, encoding, activation, validation, probabilities)
        text = json.dumps({ADOPTED: settings}, indent=2) + "\n"
        write_text_whole(run.folder / "settings.json", text)
        card = Card(
            recipe={"name": ADOPTED, **settings},
            seed=0,
            data_sha256={},
            versions=dict(list_versions()),
            figures={
                "validation_accuracy": evaluation.accuracy,
                "validation_loss": evaluation.loss,
            },
            temperature=fit_temperature(probabilities, validation.labels),
        )
        card.save(run.card)
    except BaseException:
        run.discard()
        raise
    return Adoption(
        run=run,
        format=source.format,
        input_shape=core.input_shape,
        input_type=core.input_type,
        activation=activation,
        found=replace(
            found, accuracy=evaluation.accuracy, loss=evaluation.loss, n_digits=len(validation)
        ),
        trials=tuple(trial for _, _, trial in tried),
        temperature=card.temperature,
        has_keras_model=has_keras,
    )


def _write_keras(
    run: Run,
    source: Source,
    core: Core,
    encoding: Encoding,
    activation: str,
    validation: LabelledImages,
    probabilities: NDArray[np.float32],
) -> bool:
    """Writes the wrapped network as a Keras file too, if Keras has all that it needs.

    Returns:
        Whether the file was written.
    """
    if source.network is None or core.batch is not None or activation == "share":
        return False
    is_plain = encoding.factor == 1 and encoding.offset == 0
    if np.dtype(core.input_type).kind in "iu" and not (core.input_type == "uint8" and is_plain):
        return False
    keras = load_keras()
    layers = [keras.Input(validation.images.shape[1:], dtype="uint8")]
    if np.dtype(core.input_type).kind not in "iu":
        layers.append(keras.layers.Rescaling(encoding.factor, encoding.offset))
    if encoding.transposed:
        layers.append(keras.layers.Permute((2, 1)))
    layers += [keras.layers.Reshape(core.layout), source.network, keras.layers.Reshape((10,))]
    if activation == "softmax":
        layers.append(keras.layers.Softmax())
    try:
        with silence_frameworks():
            save_keras(keras.Sequential(layers, name="adopted"), run.keras_model)
            network = load_keras_model(run.keras_model)
            found = np.asarray(network.predict(validation.images[:100], verbose=0))
        is_same = np.allclose(found, probabilities[:100], atol=TOLERANCE)
    except (ValueError, TypeError):  # Keras', for a network that cannot be a layer
        is_same = False
    if not is_same:
        run.keras_model.unlink(missing_ok=True)
    return is_same


def _hash(path: Path) -> str:
    """Returns the SHA-256 of a file; of a folder, that of its `saved_model.pb`."""
    file = path / "saved_model.pb" if path.is_dir() else path
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
