"""Records a training with MLflow, by the callback that MLflow has for Keras."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from inkdigits.errors import MissingExtraError
from inkdigits.training.networks.frameworks import silence_frameworks

_MAX_VALUE = 500
"""Longer values, such as the layers of a network, are not recorded as parameters."""


def check_mlflow() -> None:
    """Raises MissingExtraError if MLflow is not installed."""
    _load()


def create_mlflow_run(name: str, recipe: Mapping[str, Any], seed: int) -> str:
    """Creates a run of MLflow, where MLFLOW_TRACKING_URI or MLflow's own settings say.

    Args:
        name: Its name.
        recipe: The recipe as plain JSON, recorded as parameters.
        seed: The seed of the training, recorded as a parameter.

    Returns:
        The identifier of the run.
    """
    mlflow = _load()
    with silence_frameworks(), mlflow.start_run(run_name=name) as active:
        values = {**recipe, "seed": seed}
        mlflow.log_params(
            {name: value for name, value in values.items() if len(str(value)) <= _MAX_VALUE}
        )
        return str(active.info.run_id)


@contextmanager
def record_in_mlflow(run_id: str | None) -> Iterator[list[Any]]:
    """Continues a run of MLflow during the block.

    Args:
        run_id: The identifier of the run; None: nothing is recorded.

    Yields:
        The callbacks for the training: one, or none.
    """
    if run_id is None:
        yield []
        return
    mlflow = _load()
    with mlflow.start_run(run_id=run_id):
        yield [mlflow.keras.MlflowCallback()]


def log_figures(run_id: str | None, figures: Mapping[str, float]) -> None:
    """Records the figures of a finished network in the run that the block continues."""
    if run_id is not None:
        _load().log_metrics({name: float(value) for name, value in figures.items()})


def _load() -> Any:
    try:
        with silence_frameworks():
            importlib.import_module("mlflow.keras")
            return importlib.import_module("mlflow")
    except ImportError as error:
        raise MissingExtraError(
            'mlflow is not installed, but --mlflow needs it: pip install "inkdigits[mlflow]"'
        ) from error
