"""A trial of a sweep: one set of values, and what its runs reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, get_args

State = Literal["running", "finished", "stopped", "failed"]
STATES: Final = get_args(State)


@dataclass(frozen=True)
class SweepTrial:
    """One set of values and its runs.

    Attributes:
        number: Number of the trial, from 1.
        values: The swept fields and their values.
        state: "finished"; "stopped" early, because others were better after as many epochs;
            "failed", as with a learning rate at which the network diverges; or "running", also
            after an interruption.
        folder: Name of the run's folder in that of the sweep. With several seeds or folds, it holds
            a folder for each run.
        accuracies: The figure that trials are compared by, of each finished run: the accuracy on
            the validation images, or a reader's fraction of digits that are read correctly on
            validation pages; 0 to 1.
        losses: The validation loss of each finished run of a network for tiles.
        reached: What a stopped trial had reached on the validation images; None for others.
        epochs: Number of complete epochs of the first run.
        seconds: Time of fitting of all runs.
        error: Why a trial failed, in one line.
    """

    number: int
    values: Mapping[str, Any]
    state: State
    folder: str
    accuracies: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()
    reached: float | None = None
    epochs: int = 0
    seconds: float = 0.0
    error: str | None = None

    @property
    def accuracy(self) -> float | None:
        """Mean of `accuracies`; None unless the trial is finished."""
        if self.state != "finished" or not self.accuracies:
            return None
        return sum(self.accuracies) / len(self.accuracies)

    @property
    def loss(self) -> float | None:
        """Mean of `losses`; None if there are none."""
        return sum(self.losses) / len(self.losses) if self.losses else None

    def to_dict(self) -> dict[str, Any]:
        """Returns the trial as plain values."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "values": dict(self.values),
            "accuracies": list(self.accuracies),
            "losses": list(self.losses),
            "accuracy": self.accuracy,
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> SweepTrial:
        """Returns the trial of the result of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: The values are not such a result.
        """
        values = {field.name: row[field.name] for field in fields(cls)}
        if values["state"] not in STATES:
            raise ValueError(f"state is {values['state']!r}")
        values["accuracies"] = tuple(map(float, row["accuracies"]))
        values["losses"] = tuple(map(float, row["losses"]))
        return cls(**values)


def rank_trials(trials: list[SweepTrial]) -> list[SweepTrial]:
    """Returns trials best first: finished ones by accuracy, then by loss, then the others."""

    def build_key(trial: SweepTrial) -> tuple[float, ...]:
        order = ("finished", "stopped", "running", "failed").index(trial.state)
        figure = trial.accuracy if trial.state == "finished" else trial.reached
        loss = float("inf") if trial.loss is None else trial.loss
        return (order, -(figure or 0.0), loss, trial.number)

    return sorted(trials, key=build_key)
