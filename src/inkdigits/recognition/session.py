"""ONNX models as ONNX Runtime runs them, with limits on those that do not come with inkdigits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ModelError

MAX_MODEL_BYTES: Final = 2**30
"""Of a model file: a hundred times the reader that comes with inkdigits."""

LOADING_S: Final = 30.0
"""Limit of loading, and of the first run on a blank input: both take a second on slow machines."""

RUN_S: Final = 120.0
"""Limit of each later run: a large picture takes some seconds on slow machines."""

GRACE_S: Final = 1.0
"""How long a run may take to end after it was asked to."""

_POLL_S: Final = 0.25

Returned = TypeVar("Returned")


class Session:
    """An ONNX model, run on the CPU. Calls from several threads are welcome.

    A model is a program: one with a `Loop` may never end. So loading, the first run and each later
    run of a model have a time limit, unless the model comes with inkdigits.
    """

    def __init__(self, path: Path, *, n_threads: int) -> None:
        """Loads the file.

        Args:
            path: The `.onnx` file.
            n_threads: Cores that share the work within a layer.

        Raises:
            ModelError: No such file, no ONNX, more than `MAX_MODEL_BYTES`, or it takes too long.
        """
        if not path.is_file():
            raise ModelError(f"{path} is not there: expected a model file such as model.onnx")
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise ModelError(
                f"{path} has {path.stat().st_size:,} bytes: expected a model of at most "
                f"{MAX_MODEL_BYTES:,} bytes"
            )
        self.path = path
        self._is_ours = path.parent == Path(__file__).parent
        self._session: Any = self._limit(lambda: _load(path, n_threads), "load")

    @property
    def inputs(self) -> Sequence[Any]:
        """Name, type and shape of each input, as ONNX Runtime describes them."""
        found: Sequence[Any] = self._session.get_inputs()
        return found

    @property
    def outputs(self) -> Sequence[Any]:
        """Name, type and shape of each output."""
        found: Sequence[Any] = self._session.get_outputs()
        return found

    def try_out(self, call: Callable[[], object]) -> None:
        """Makes the first call, on a blank input; skipped for a model that comes with inkdigits.

        Args:
            call: Runs this session and checks the outputs.

        Raises:
            ModelError: It takes longer than `LOADING_S`, or what the call raises.
        """
        if not self._is_ours:
            self._limit(call, "answer on a blank picture")

    def run(
        self, feeds: Mapping[str, NDArray[Any]], names: Sequence[str] | None = None
    ) -> list[NDArray[Any]]:
        """Runs the model.

        Args:
            feeds: Name of each input to its array.
            names: Of the outputs that are asked for; None: all of them.

        Returns:
            The outputs, of any shape: a model need not keep to the shapes that it declares.

        Raises:
            ModelError: The run fails or takes longer than `RUN_S`.
        """
        outputs: list[NDArray[Any]]
        try:
            if self._is_ours:
                outputs = self._session.run(names, feeds)
            else:
                outputs = _watchdog.run(self._session, names, feeds)
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise ModelError(f"{self.path} cannot be run: {_shorten(error)}") from error
        return outputs

    def _limit(self, work: Callable[[], Returned], verb: str) -> Returned:
        """Does some work in a thread of its own, and waits no longer than `LOADING_S` for it.

        What then still runs is asked to end. ONNX Runtime ends a model between two layers; within
        a layer nothing ends it, so its thread is left to itself and does not hold up the exit.
        """
        if self._is_ours:
            return work()
        results: list[Returned] = []
        errors: list[BaseException] = []

        def do() -> None:
            try:
                results.append(work())
            except BaseException as error:  # raised again below
                errors.append(error)

        worker = threading.Thread(target=do, name="inkdigits-first-run", daemon=True)
        worker.start()
        worker.join(LOADING_S)
        if worker.is_alive():
            _watchdog.terminate(worker)
            worker.join(GRACE_S)
            raise ModelError(
                f"{self.path} does not {verb} within {LOADING_S:g} s: expected a model that "
                "'inkdigits train' or 'inkdigits export' wrote"
            )
        if errors:
            raise errors[0]
        return results[0]


class _Watchdog:
    """Ends runs that take longer than `RUN_S`; one thread for all sessions.

    A timer for each run would cost as much as classifying a tile.
    """

    def __init__(self) -> None:
        # Options of each run to its thread and the time by which it has to end.
        self._running: dict[Any, tuple[int | None, float]] = {}
        self._is_needed = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(
        self, session: Any, names: Sequence[str] | None, feeds: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[Any]]:
        """As `InferenceSession.run`, which raises once the time is over."""
        import onnxruntime

        if self._thread is None:
            self._start()
        options = onnxruntime.RunOptions()
        self._running[options] = threading.get_ident(), time.monotonic() + RUN_S
        if not self._is_needed.is_set():
            self._is_needed.set()
        try:
            outputs: list[NDArray[Any]] = session.run(names, feeds, run_options=options)
        finally:
            del self._running[options]
        if options.terminate:  # a run of one layer ends unasked
            raise TimeoutError(f"it took longer than {RUN_S:g} s")
        return outputs

    def terminate(self, thread: threading.Thread) -> None:
        """Asks the run of a thread to end now."""
        for options, (ident, _) in list(self._running.items()):
            if ident == thread.ident:
                options.terminate = True

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="inkdigits-watchdog", daemon=True
                )
                self._thread.start()

    def _watch(self) -> None:
        while True:
            self._is_needed.wait()
            time.sleep(_POLL_S)
            self._is_needed.clear()  # before the look, so that no run that starts now is missed
            running = list(self._running.items())
            for options, (_, end) in running:
                if time.monotonic() > end:
                    options.terminate = True
            if running:
                self._is_needed.set()


_watchdog = _Watchdog()


def check_probabilities(
    path: Path, probabilities: NDArray[Any], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Checks what a network for tiles gave.

    Args:
        path: Of the model.
        probabilities: Its output.
        shape: That it should have: tiles and labels.

    Returns:
        The same array.

    Raises:
        ModelError: Another shape or type, or values that are not finite.
    """
    if probabilities.shape != shape or probabilities.dtype != np.float32:
        raise ModelError(
            f"{path} gives {probabilities.dtype} of shape {probabilities.shape} for {shape[0]} "
            f"tiles; expected float32 of shape {shape}"
        )
    if not np.isfinite(probabilities).all():
        raise ModelError(f"{path} gives probabilities that are not finite: train it again")
    return probabilities


def _load(path: Path, n_threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its own warnings would mix with ours
    options.intra_op_num_threads = n_threads
    # Between two layers a core sleeps instead of spinning: others may be at work here.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise ModelError(f"{path} is not a readable ONNX model: {_shorten(error)}") from error


def _shorten(error: Exception) -> str:
    """The first line of a message, in at most 200 characters."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
