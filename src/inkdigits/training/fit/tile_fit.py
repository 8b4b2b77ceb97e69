"""The training of a network for tiles, epoch by epoch, so that it can continue after any epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import RunError
from inkdigits.training.fit.own_callbacks import OwnCallbacks
from inkdigits.training.fit.tile_report import TileReport
from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.networks.layer_table import list_layers
from inkdigits.training.networks.optimizers import (
    build_loss,
    build_optimizer,
    compute_class_weight,
)
from inkdigits.training.networks.tile_network import build_network
from inkdigits.training.recipes.tile_recipe import Recipe
from inkdigits.training.runs import Checkpoint
from inkdigits.training.samples.tile_epochs import EpochFeed

# Steps that TensorFlow and JAX run between two updates of the progress bar; PyTorch runs one.
STEPS_AT_ONCE = 16


def find_best_epoch(history: Sequence[Mapping[str, float]]) -> int:
    """Returns the number of the epoch with the lowest validation loss, counted from 1.

    Args:
        history: One row per complete epoch, at least one.
    """
    return 1 + int(np.argmin([row["val_loss"] for row in history]))


def has_stopped_early(history: Sequence[Mapping[str, float]], patience: int | None) -> bool:
    """Returns whether early stopping ends a training after these epochs.

    Args:
        history: One row per complete epoch.
        patience: As in `Recipe`.
    """
    if patience is None or not history:
        return False
    return len(history) - find_best_epoch(history) >= patience


@dataclass(eq=False)
class TileFit:
    """A network, its optimizer and the epochs that it has been trained for.

    Attributes:
        recipe: How the network is trained.
        seed: Seed of the run.
        network: The compiled Keras model.
        validation: Tiles to validate on, uint8 (n, 28, 28), and their targets.
        history: One row per complete epoch.
        best_weights: The weights at the lowest validation loss; None without early stopping.
        callbacks: The user's own callbacks; None: there are none.
    """

    recipe: Recipe
    seed: int
    network: Any
    validation: tuple[NDArray[np.uint8], NDArray[Any]]
    history: list[dict[str, float]]
    best_weights: list[Any] | None
    callbacks: OwnCallbacks | None = None

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        seed: int,
        n_training: int,
        validation: tuple[NDArray[np.uint8], NDArray[Any]],
        checkpoint: Checkpoint | None,
        *,
        steps_at_once: int = STEPS_AT_ONCE,
    ) -> TileFit:
        """Builds the network, or restores it from a checkpoint.

        Args:
            recipe: How the network is trained.
            seed: Seed of the run.
            n_training: Number of tiles per epoch.
            validation: Tiles, uint8 (n, 28, 28), and targets: labels, int32 (n,), or with a teacher
                probabilities, float32 (n, n_outputs).
            checkpoint: The state to continue from; None: random weights.
            steps_at_once: Steps that TensorFlow and JAX run between two calls of callbacks.

        Raises:
            RunError: The checkpoint does not match the network.
        """
        tiles, targets = validation
        network = build_network(recipe)
        n_steps = recipe.epochs * -(-n_training // recipe.batch_size)
        optimizer = build_optimizer(recipe, n_steps)
        network.compile(
            optimizer,
            build_loss(recipe, with_labels=targets.ndim == 1),
            metrics=["accuracy"],
            steps_per_execution=1 if load_keras().backend.backend() == "torch" else steps_at_once,
        )
        # Keras builds the metrics and the state of the optimizer on first use, which draws a random
        # number on PyTorch. In the first epoch, this would make a resumed run differ from an
        # uninterrupted one, and TensorFlow would trace the step twice, in a second.
        network.compute_metrics(tiles[:1], targets[:1], network(tiles[:1], training=False))
        optimizer.build(network.trainable_variables)
        if checkpoint is None:
            return cls(recipe, seed, network, validation, [], None)
        try:
            network.set_weights(checkpoint.weights)
            for variable, value in zip(optimizer.variables, checkpoint.optimizer, strict=True):
                variable.assign(value)
        except ValueError as error:
            raise RunError(
                "the checkpoint does not match the network in the run's settings: start a new run"
            ) from error
        return cls(recipe, seed, network, validation, checkpoint.history, checkpoint.best_weights)

    @property
    def best_epoch(self) -> int:
        """Number of the epoch with the lowest validation loss, counted from 1."""
        return find_best_epoch(self.history)

    @property
    def noisy_layers(self) -> list[Any]:
        """The layers with random noise, such as dropout."""
        return [layer for layer in list_layers(self.network) if hasattr(layer, "seed_generator")]

    @property
    def is_over(self) -> bool:
        """True after the last epoch of the recipe, or when early stopping or a callback ends it."""
        if self.callbacks is not None and self.callbacks.has_stopped:
            return True
        return len(self.history) >= self.recipe.epochs or has_stopped_early(
            self.history, self.recipe.patience
        )

    def run_epoch(self, feed: EpochFeed, report: TileReport) -> None:
        """Trains for one epoch, validates, and adds a row to the history."""
        epoch = len(self.history)
        started = time.perf_counter()
        drawn = feed.draw(epoch)
        for layer, noise_seed in zip(self.noisy_layers, drawn.noise_seeds, strict=True):
            layer.seed_generator.state.assign([noise_seed, 0])
        # On PyTorch, these layers use the process-wide random generator instead.
        load_keras().utils.set_random_seed(drawn.process_seed)
        n_steps = -(-len(drawn.images) // self.recipe.batch_size)
        own = [] if self.callbacks is None else [self.callbacks.follow_batches()]
        if self.callbacks is not None:
            self.callbacks.start_epoch(epoch)
        fitted = self.network.fit(
            drawn.images,
            drawn.targets,
            batch_size=self.recipe.batch_size,
            shuffle=False,
            verbose=0,
            class_weight=compute_class_weight(self.recipe, drawn.targets),
            callbacks=[report.follow_epoch(epoch + 1, n_steps), *own],
        )
        val_loss, val_accuracy = self.network.evaluate(
            *self.validation, batch_size=1_000, verbose=0, callbacks=own
        )
        row = {
            "epoch": epoch + 1,
            "loss": fitted.history["loss"][0],
            "accuracy": fitted.history["accuracy"][0],
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
            "seconds": round(time.perf_counter() - started, 3),
        }
        self.history.append(row)
        if self.callbacks is not None:
            self.callbacks.end_epoch(epoch, row)
        if self.recipe.patience is not None and self.best_epoch == epoch + 1:
            self.best_weights = self.network.get_weights()

    def restore_best(self) -> None:
        """Restores the weights with the lowest validation loss if the recipe stops early."""
        if self.best_weights is not None:
            self.network.set_weights(self.best_weights)

    def take_checkpoint(self) -> Checkpoint:
        """Returns the state to continue from."""
        optimizer = [np.asarray(variable.numpy()) for variable in self.network.optimizer.variables]
        return Checkpoint(self.history, self.network.get_weights(), optimizer, self.best_weights)
