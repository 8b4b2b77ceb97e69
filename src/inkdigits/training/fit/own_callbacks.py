"""Passes the events of a training to a user's own Keras callbacks, as `Model.fit` does.

The network is fitted epoch by epoch, so Keras itself would tell callbacks of many trainings of one
epoch each.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from inkdigits.errors import MissingExtraError, UsageError
from inkdigits.training.networks.frameworks import load_keras

TENSORBOARD: Final = "tensorboard"
"""Folder of TensorBoard's files in a run."""


class OwnCallbacks:
    """A user's callbacks during one training."""

    def __init__(
        self, callbacks: Sequence[Any], network: Any, *, n_epochs: int, n_steps: int
    ) -> None:
        """Prepares the callbacks; `start` tells them of the training.

        Args:
            callbacks: Callbacks of Keras.
            network: The compiled Keras model.
            n_epochs: Maximum number of epochs.
            n_steps: Number of steps of an epoch.
        """
        self._network = network
        self._list = load_keras().callbacks.CallbackList(
            list(callbacks), model=network, epochs=n_epochs, steps=n_steps, verbose=0
        )
        self.has_stopped = False
        network.stop_training = False

    def start(self) -> None:
        """Tells the callbacks that training begins."""
        self._list.on_train_begin()

    def start_epoch(self, epoch: int) -> None:
        """Tells the callbacks that an epoch begins, counted from 0."""
        self._list.on_epoch_begin(epoch)

    def end_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        """Tells the callbacks the figures of a complete epoch, counted from 0.

        Sets `has_stopped` if one of them ends the training, as `EarlyStopping` does.
        """
        figures = {name: row[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
        self._list.on_epoch_end(epoch, figures)
        self.has_stopped = bool(self._network.stop_training)

    def end(self) -> None:
        """Tells the callbacks that training is over."""
        self._list.on_train_end()

    def follow_batches(self) -> Any:
        """Returns a Keras callback that passes on the events of steps, for `fit` and `evaluate`."""
        passed = self._list

        class PassOn(load_keras().callbacks.Callback):  # type: ignore[misc]
            def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
                passed.on_train_batch_begin(batch, logs)

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                passed.on_train_batch_end(batch, logs)

            def on_test_begin(self, logs: Any = None) -> None:
                passed.on_test_begin(logs)

            def on_test_end(self, logs: Any = None) -> None:
                passed.on_test_end(logs)

            def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
                passed.on_test_batch_begin(batch, logs)

            def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
                passed.on_test_batch_end(batch, logs)

        return PassOn()


def check_callbacks(callbacks: Sequence[Any]) -> None:
    """Raises UsageError unless all values are callbacks of Keras."""
    if not callbacks:
        return
    for callback in callbacks:
        if not isinstance(callback, load_keras().callbacks.Callback):
            raise UsageError(
                f"callbacks contains {str(callback)[:60]!r}; expected objects of "
                "keras.callbacks.Callback, such as keras.callbacks.CSVLogger('log.csv')"
            )


def check_tensorboard() -> None:
    """Raises MissingExtraError if TensorBoard is not installed."""
    try:
        importlib.import_module("tensorboard")
    except ImportError as error:
        raise MissingExtraError(
            'tensorboard is not installed, but --tensorboard needs it: pip install "tensorboard"'
        ) from error


def build_tensorboard(run_folder: Path) -> Any:
    """Returns the callback that writes a run for TensorBoard."""
    return load_keras().callbacks.TensorBoard(
        log_dir=str(run_folder / TENSORBOARD), write_graph=False
    )
