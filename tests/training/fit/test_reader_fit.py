"""Training of the reader's networks: a resumed one ends with the same weights."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inkdigits.errors import OutputError, RunError
from inkdigits.training import READER_RECIPES
from inkdigits.training.fit import reader_fit
from inkdigits.training.fit.interruption import interrupts_held_back
from inkdigits.training.fit.reader_fit import PartFit, _repeat, fit_part, load_weights, save_weights
from inkdigits.training.fit.reader_report import ReaderReport
from inkdigits.training.samples.page_batches import Batch, Part, Source

resource = pytest.importorskip("resource", reason="needs what Windows lacks")

RECIPE = replace(
    READER_RECIPES["reader-quick"],
    detector_pages=12,
    judge_windows=60,
    page_batch=2,
    window_batch=10,
    average=0.9,
    precision="float32",
)


def make_batch(index: int) -> Batch:
    random = np.random.default_rng(index)
    return random.normal(0, 1, (10, 48, 48)).astype(np.float16), random.integers(0, 17, 10)


def run(fit: PartFit, steps: range) -> list[float]:
    return [fit.run_step(*make_batch(step)) for step in steps]


def list_weights(fit: PartFit) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(weight) for weight in fit.network.get_weights()]


def test_steps_and_rates() -> None:
    fit = PartFit("judge", replace(RECIPE, judge_windows=100_005, window_batch=10), None)
    rates = []
    for step in range(fit.n_steps):
        fit.step = step
        rates.append(fit.rate)

    assert fit.n_steps == 10_001  # the last batch has fewer windows
    assert rates[0] == pytest.approx(RECIPE.learning_rate / 500)
    assert rates[:500] == sorted(rates[:500])
    assert set(rates[499:7_000]) == {RECIPE.learning_rate}
    assert rates[7_001:] == sorted(rates[7_001:], reverse=True)
    assert 0 < rates[-1] < RECIPE.learning_rate / 1_000


def test_batches_are_used_again_in_other_light() -> None:
    fit = PartFit("judge", replace(RECIPE, judge_windows=60, repeats=3), None)
    new = [make_batch(index) for index in range(fit.n_steps // 3)]

    used = list(_repeat(iter(new), fit))

    assert fit.n_steps == len(used) == 18
    assert all(used[3 * index][0] is batch[0] for index, batch in enumerate(new))
    of_targets = [next(i for i, batch in enumerate(new) if batch[1] is used_[1]) for used_ in used]
    assert len(set(of_targets)) == 6
    again = [index for index in range(18) if index % 3]
    assert all(of_targets[index] <= index // 3 for index in again)  # only what was drawn before
    assert not any((used[index][0] == new[of_targets[index]][0]).all() for index in again)


@pytest.mark.parametrize("part", ["judge", "second-judge"])
def test_windows_are_used_again_in_another_form(
    part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_fit, "vary_light", lambda inputs, random: inputs)
    fit = PartFit(part, replace(RECIPE, repeats=2), None)
    windows, classes = make_batch(1)

    (_, _), (again, same) = list(_repeat(iter([(windows, classes)]), fit))

    assert again.shape == windows.shape
    moved = (again != windows).any(axis=(1, 2))
    assert 0.3 < moved.mean() <= 1
    np.testing.assert_array_equal(same, classes)


def test_rows_of_the_context_network_are_used_again_as_other_rows() -> None:
    recipe = replace(RECIPE, context_pages=6, context_batch=2, context_repeats=3, repeats=1)
    fit = PartFit.start("context", recipe, 0)
    random = np.random.default_rng(0)
    rows = random.uniform(1, 9, (2, 5, 21)).astype(np.float32)
    rows[..., 4:] = np.log(random.dirichlet(np.ones(17), (2, 5)) + 1e-3)
    rows[:, 4:, 2] = 0
    labels = np.array([[3, 16, 3, 16, -1]] * 2)

    used = list(_repeat(iter([(rows, labels)] * 3), fit))
    losses = [fit.run_step(*batch) for batch in used]

    assert fit.n_steps == len(used) == 9
    assert [index for index, batch in enumerate(used) if batch[0] is rows] == [0, 3, 6]
    assert np.isfinite(losses).all()
    # Rows without a label do not count: at first, the network returns what it is given.
    shares = np.exp(rows[:, :4, 4:]) / np.exp(rows[:, :4, 4:]).sum(axis=-1, keepdims=True)
    true = np.take_along_axis(shares, labels[:, :4, np.newaxis], axis=-1)
    assert losses[0] == pytest.approx(-np.log(true).mean(), rel=1e-3)


def test_resumed_fit_with_repeats_makes_no_step_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may stop between two uses of a batch."""
    recipe = replace(RECIPE, judge_windows=30, repeats=3)
    half = PartFit.start("judge", recipe, 4)
    half.step = 4
    half.save(tmp_path / "judge.npz")
    numbers: list[int] = []

    def draw(part: Part, source: Source, indices: range, n_processes: int) -> Generator[Batch]:
        numbers.extend(indices)
        yield from map(make_batch, indices)

    monkeypatch.setattr(reader_fit, "draw_batches", draw)
    fit = fit_part("judge", Source(recipe, 4), tmp_path, n_processes=1, report=lambda row: None)

    assert numbers == [1, 2]
    assert fit.step == fit.n_steps == 9


def test_start_may_be_for_the_judge_alone(tmp_path: Path) -> None:
    parts: tuple[Part, ...] = ("detector", "judge")
    small = {part: PartFit.start(part, RECIPE, 1).network for part in parts}
    save_weights(small, tmp_path / "weights.npz")
    recipe = replace(
        RECIPE,
        start=str(tmp_path / "weights.npz"),
        start_parts="judge",
        detector_size="large",
    )

    assert PartFit.start("detector", recipe, 2).network.count_params() == 1_739_173
    judge = PartFit.start("judge", recipe, 2).network
    for weight, expected in zip(judge.get_weights(), small["judge"].get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-3)
    with pytest.raises(RunError, match="does not contain weights of this detector"):
        PartFit.start("detector", replace(recipe, start_parts="both"), 2)


def test_the_picture_judge_starts_from_the_judge() -> None:
    judge = PartFit.start("judge", RECIPE, 1)

    fit = PartFit.start("picture-judge", replace(RECIPE, picture_windows=25), 2, judge.network)

    assert fit.n_steps == 2 * -(-25 // RECIPE.window_batch)  # each is used twice
    fit.step = judge.step = 1  # in both, the rate rises
    assert fit.rate == pytest.approx(judge.rate / 3)
    for weight, expected in zip(
        fit.network.get_weights(), judge.network.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(weight, expected)


def test_resumed_fit_ends_in_the_same_weights(tmp_path: Path) -> None:
    """Weights, averages, moments, dropout and learning rate all continue."""
    unbroken = PartFit.start("judge", RECIPE, 4)
    stop = 4
    run(unbroken, range(stop))
    unbroken.seconds = 7.5
    unbroken.save(tmp_path / "judge.npz")
    losses = run(unbroken, range(stop, unbroken.n_steps))
    unbroken.take_average()
    second = PartFit.start("judge", RECIPE, 99)
    second.restore(tmp_path / "judge.npz")
    assert (second.step, second.seconds) == (stop, 7.5)

    ended = run(second, range(second.step, second.n_steps))
    second.take_average()

    np.testing.assert_allclose(ended, losses, rtol=1e-4)
    for weight, expected in zip(list_weights(second), list_weights(unbroken), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-5)


def test_checkpoints_without_seconds_are_read(tmp_path: Path) -> None:
    """Checkpoints of early versions have no seconds."""
    fit = PartFit.start("judge", RECIPE, 4)
    fit.save(tmp_path / "judge.npz")
    with np.load(tmp_path / "judge.npz") as arrays:
        older = {name: arrays[name] for name in arrays.files if name != "seconds"}
    older["step"] = np.array(3)
    np.savez(tmp_path / "older.npz", **older)

    fit.restore(tmp_path / "older.npz")

    assert (fit.step, fit.seconds) == (3, 0.0)


def test_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    judge = PartFit.start("judge", RECIPE, 4)
    path = tmp_path / "judge.npz"
    judge.save(path)
    whole = path.read_bytes()
    with pytest.raises(RunError, match="is not a checkpoint of this network"):
        PartFit.start("detector", RECIPE, 4).restore(path)
    for damaged in (b"", whole[:1_000], whole[:-100], b"no archive at all"):
        path.write_bytes(damaged)
        with pytest.raises(RunError, match=r"judge\.npz is not a checkpoint"):
            judge.restore(path)


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """Limits the size of files, so that larger writes fail as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_full_disk_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    fit = PartFit.start("judge", RECIPE, 4)
    path = tmp_path / "judge.npz"
    fit.save(path)
    before = path.read_bytes()

    with largest_file(100_000), pytest.raises(OutputError, match="free some space"):
        fit.save(path)

    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["judge.npz"]


def stop_within(number: signal.Signals, done: list[int]) -> None:
    with interrupts_held_back():
        signal.raise_signal(number)
        done.append(1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_wait_for_the_end_of_a_block(number: signal.Signals) -> None:
    done: list[int] = []
    previous = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            stop_within(number, done)
        assert done == [1]
        assert signal.getsignal(number) is signal.default_int_handler
        with interrupts_held_back():
            done.append(2)
    finally:
        signal.signal(number, previous)


def test_history_of_a_resumed_run_has_each_step_once(tmp_path: Path) -> None:
    def make_row(part: str, step: int) -> dict[str, Any]:
        return {
            "part": part, "step": step, "samples": 2 * step, "loss": 0.5, "samples_per_s": 10.0
        }  # fmt: skip

    first = ReaderReport(tmp_path, RECIPE, enabled=False)
    for step in (50, 100, 150):
        first.add(make_row("detector", step))
    first.close()
    second = ReaderReport(tmp_path, RECIPE, enabled=False)  # resumed from a checkpoint of step 70
    second.add(make_row("detector", 100))
    second.add(make_row("judge", 50))
    second.close()

    assert (tmp_path / "history.csv").read_text().splitlines() == [
        "part,step,samples,loss,samples_per_s",
        "detector,50,100,0.5,10.0",
        "detector,100,200,0.5,10.0",
        "judge,50,100,0.5,10.0",
    ]
    (tmp_path / "history.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RunError, match="cannot be read"):
        ReaderReport(tmp_path, RECIPE, enabled=False)


def test_a_fit_starts_from_the_weights_of_another(tmp_path: Path) -> None:
    first = PartFit.start("judge", RECIPE, 1)
    random = np.random.default_rng(0)
    first.network.set_weights([random.uniform(0.01, 1, w.shape) for w in list_weights(first)])
    path = tmp_path / "weights.npz"
    save_weights({"judge": first.network}, path)

    second = PartFit.start("judge", replace(RECIPE, start=str(path)), 2)

    for expected, value in zip(
        first.network.get_weights(), second.network.get_weights(), strict=True
    ):
        np.testing.assert_allclose(value, expected, rtol=2**-10, atol=2**-14)  # float16


@pytest.mark.parametrize("content", [b"", b"PK", b"weights"])
def test_weights_to_start_from_are_checked(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    path.write_bytes(content)
    fit = PartFit.start("judge", RECIPE, 0)
    with pytest.raises(RunError, match=r"expected the weights\.npz of a finished reader"):
        load_weights("judge", fit.network, path)
