"""The networks in adopted files, wrapped so that they take the pixels of any number of tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ModelError
from inkdigits.recognition.card import LABELS
from inkdigits.recognition.session import Session
from inkdigits.training.model_files.source_graphs import Source

if TYPE_CHECKING:
    import onnx

TOLERANCE: Final = 1e-3
"""Largest difference between outputs that count as the same."""

_BATCH: Final = 250
_MAX_EARLIER: Final = 16  # values that are tried instead of an output with ties


@dataclass(frozen=True)
class Core:
    """A network from float pixels to scores, in a file.

    Attributes:
        model: The graph, as `tile_graph.build_core` builds it.
        batch: The fixed size of the source's batch; None if it is free.
        layout: The shape of one tile in the source's input.
        input_shape: As in `Adoption`.
        input_type: As in `Adoption`.
        run: Maps float32 (n, 28, 28) to scores, float32 (n, 10).
        source: The network before it was wrapped.
        output: The name of its value that holds the scores.
        one_by_one: As in `tile_graph.build_core`.
    """

    model: onnx.ModelProto
    batch: int | None
    layout: tuple[int, ...]
    input_shape: tuple[int | None, ...]
    input_type: str
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    source: onnx.ModelProto
    output: str
    one_by_one: bool


def build_core(path: Path, source: Source, tiles: NDArray[np.uint8], folder: Path) -> Core:
    """Wraps a network so that it takes any number of tiles.

    Raises:
        ModelError: Its inputs or outputs do not fit.
    """
    import onnx

    from inkdigits.training.model_files import tile_graph

    try:
        model = tile_graph.modernise(source.graph)
    except Exception as error:  # ONNX's converter has no common error class
        raise ModelError(f"{path} has an opset that ONNX cannot convert: export it anew") from error
    tile_graph.remove_zip_maps(model)
    inputs = tile_graph.list_inputs(model)
    if len(inputs) != 1:
        raise ModelError(f"{path} has {len(inputs)} inputs; expected one, for 28 × 28 pixels")
    shape, kind = tile_graph.get_shape(inputs[0]), tile_graph.get_type(inputs[0])
    found = tile_graph.find_layout(shape)
    if kind is None or shape is None or found is None:
        described = "an unknown shape" if shape is None else _describe_shape(shape)
        raise ModelError(
            f"{path} takes {kind or 'other'} inputs of shape {described}; expected numbers of "
            "shape (n, 28, 28), (n, 28, 28, 1), (n, 1, 28, 28) or (n, 784)"
        )
    batch, layout = found
    output = _find_output(path, model)
    pixels: NDArray[np.float32] = (tiles / 255).astype(np.float32)
    errors = []
    for one_by_one in (False, True):
        core = tile_graph.build_core(model, output, batch, layout, one_by_one=one_by_one)
        file = folder / f"core-{int(one_by_one)}.onnx"
        try:
            onnx.save(core, file)
            session = Session(file, n_threads=1)
            run = _build_run(session, tile_graph.PIXELS)
            together = run(pixels)
            apart = np.concatenate([run(row) for row in np.split(pixels, len(pixels))])
        except ModelError as error:
            errors.append(str(error).replace(str(file), str(path)))
            continue
        if together.shape == apart.shape and np.allclose(together, apart, atol=TOLERANCE):
            return Core(core, batch, layout, shape, kind, run, model, output, one_by_one)
    raise ModelError(errors[-1] if errors else f"{path} gives other results for a batch of tiles")


def avoid_ties(
    core: Core, pixels: NDArray[np.float32], labels: NDArray[np.uint8], folder: Path
) -> Core | None:
    """Returns the core of the scores before a last activation that makes digits equally likely.

    A sigmoid in float32 is 1 for every score above 17. scikit-learn's linear classifiers choose the
    digit by the scores, but export the sigmoids, so that several digits are equally likely.

    Args:
        core: The core, whose outputs may have ties.
        pixels: float32, shape (n, 28, 28), validation digits in the encoding of the core.
        labels: Their labels, shape (n,).
        folder: A folder for temporary files.

    Returns:
        The core that ends with an earlier value of the same network. It classifies all digits
        without a tie as before, and is more accurate. None if there is no such value, or no tie.
    """
    import onnx

    from inkdigits.training.model_files import tile_graph

    scores = core.run(pixels)
    highest = np.sort(scores, axis=1)
    is_clear = highest[:, -1] > highest[:, -2]
    if is_clear.all():
        return None
    chosen = scores.argmax(axis=1)
    for name in tile_graph.list_earlier_values(core.source, core.output)[:_MAX_EARLIER]:
        model = tile_graph.build_core(
            core.source, name, core.batch, core.layout, one_by_one=core.one_by_one
        )
        file = folder / "earlier.onnx"
        try:
            onnx.save(model, file)
            run = _build_run(Session(file, n_threads=1), tile_graph.PIXELS)
            earlier = run(pixels)
        except ModelError:
            continue  # a value of another shape
        if earlier.shape != scores.shape or not np.isfinite(earlier).all():
            continue
        is_same = (earlier.argmax(axis=1) == chosen)[is_clear].all()
        if is_same and np.mean(earlier.argmax(axis=1) == labels) > np.mean(chosen == labels):
            return replace(core, model=model, run=run, output=name)
    return None


def _build_run(session: Session, name: str) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    def run(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = [pixels[start : start + _BATCH] for start in range(0, len(pixels), _BATCH)]
        return np.concatenate([session.run({name: part})[0] for part in parts])

    return run


def _find_output(path: Path, model: onnx.ModelProto) -> str:
    """Returns the name of the output with ten scores.

    Raises:
        ModelError: There is none, or more than one.
    """
    from inkdigits.training.model_files import tile_graph

    shapes = {value.name: tile_graph.get_shape(value) for value in model.graph.output}
    kinds = {value.name: tile_graph.get_type(value) for value in model.graph.output}
    numbers = [name for name, kind in kinds.items() if kind and np.dtype(kind).kind not in "iu"]
    # Integers are scores only in quantised networks; beside floats they are labels.
    numbers = numbers or [name for name, kind in kinds.items() if kind]
    fitting = [name for name in numbers if _has_ten_values(shapes[name])]
    if len(fitting) > 1:
        raise ModelError(
            f"{path} has {len(fitting)} outputs of ten values ({', '.join(fitting)[:100]}); "
            "expected one, with the probabilities of the digits"
        )
    if not fitting:
        described = ", ".join(_describe_shape(shape or ()) for shape in shapes.values())
        raise ModelError(
            f"{path} returns outputs of shape {described}; expected ten probabilities or "
            "logits, (n, 10)"
        )
    return str(fitting[0])


def _has_ten_values(shape: tuple[int | None, ...] | None) -> bool:
    """Returns whether an output of this shape may have ten values for each tile."""
    if shape is None or shape == (len(LABELS),):
        return True
    sides = shape[1:]
    n_values = int(np.prod([side or 1 for side in sides], dtype=np.int64))
    return len(LABELS) % n_values == 0 if None in sides else n_values == len(LABELS)


def _describe_shape(shape: Sequence[int | None]) -> str:
    return f"({', '.join('n' if side is None else str(side) for side in shape)})"
