"""Runs ONNX models with ONNX Runtime, with time limits for models from other sources."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import ModelError
from inkdigits.recognition.devices import open_session
from inkdigits.recognition.onnx_graph import declare_outputs

MAX_MODEL_BYTES: Final = 2**30
"""Maximum size of a model file: a hundred times the reader that comes with inkdigits."""

LOAD_TIMEOUT_S: Final = 30.0
"""Timeout for loading, and for the first run on a blank input. Both take about a second on slow
machines."""

RUN_TIMEOUT_S: Final = 120.0
"""Timeout for each later run. A large picture takes some seconds on slow machines."""

TERMINATION_TIMEOUT_S: Final = 1.0
"""How long to wait for a run to stop after it was asked to terminate."""

_POLL_INTERVAL_S: Final = 0.25

Returned = TypeVar("Returned")


class Session:
    """An ONNX model that runs on the CPU or another device. Thread-safe.

    A model is a program: a model with a `Loop` may never end. So loading, the first run and each
    later run have a timeout, unless the model comes with inkdigits.
    """

    def __init__(
        self,
        path: Path,
        *,
        n_threads: int,
        frees_memory: bool = False,
        added_outputs: Sequence[str] = (),
        device: str = "cpu",
    ) -> None:
        """Loads the file.

        Args:
            path: The `.onnx` file.
            n_threads: Number of cores that share the work within a layer.
            frees_memory: Return unused memory to the system after each run, for inputs whose size
                varies. After a picture of 12 megapixels and 60 smaller ones, a process with the
                reader holds 159 MB instead of 321 MB, and takes as long.
            added_outputs: Names of values within the graph that become outputs, after its own.
            device: Where the model runs, a name in `inkdigits.recognition.devices.DEVICES`. If it
                cannot be used, the CPU takes its place, which one line of the log says.

        Raises:
            ModelError: The file is missing, not ONNX, larger than `MAX_MODEL_BYTES`, or loading
                takes too long.
        """
        if not path.is_file():
            raise ModelError(f"no model at {path}: expected a model file such as model.onnx")
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise ModelError(
                f"{path} has {path.stat().st_size:,} bytes: expected a model of at most "
                f"{MAX_MODEL_BYTES:,} bytes"
            )
        self.path = path
        self._frees_memory = frees_memory
        self._is_built_in = path.parent == Path(__file__).parent
        self._session: Any = self._run_with_timeout(
            lambda: _load(path, n_threads, added_outputs, device), "load"
        )
        # DirectML does not take two runs of a session at the same time.
        runs_alone = "DmlExecutionProvider" in self._session.get_providers()
        self._turn: AbstractContextManager[object] = (
            threading.Lock() if runs_alone else nullcontext()
        )

    @property
    def inputs(self) -> Sequence[Any]:
        """The inputs: objects of ONNX Runtime with `name`, `type` and `shape`."""
        found: Sequence[Any] = self._session.get_inputs()
        return found

    @property
    def outputs(self) -> Sequence[Any]:
        """The outputs: objects of ONNX Runtime with `name`, `type` and `shape`."""
        found: Sequence[Any] = self._session.get_outputs()
        return found

    def check_first_run(self, check: Callable[[], object]) -> None:
        """Checks the first run, on a blank input. Skipped for models that come with inkdigits.

        Args:
            check: Runs this session on a blank input and checks the outputs.

        Raises:
            ModelError: The check fails or takes longer than `LOAD_TIMEOUT_S`.
        """
        if not self._is_built_in:
            self._run_with_timeout(check, "finish a run on a blank picture")

    def run(
        self, feeds: Mapping[str, NDArray[Any]], names: Sequence[str] | None = None
    ) -> list[NDArray[Any]]:
        """Runs the model.

        Args:
            feeds: Input name to array.
            names: Names of the outputs to return; None: all of them.

        Returns:
            The outputs. Their shapes can differ from those that the model declares.

        Raises:
            ModelError: The run fails or takes longer than `RUN_TIMEOUT_S`.
        """
        import onnxruntime

        outputs: list[NDArray[Any]]
        options = onnxruntime.RunOptions()
        if self._frees_memory:
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        try:
            with self._turn:
                if self._is_built_in:
                    outputs = self._session.run(names, feeds, options)
                else:
                    outputs = _watchdog.run(self._session, names, feeds, options)
        except Exception as error:  # ONNX Runtime's exceptions have no common base class
            raise ModelError(f"{self.path} cannot be run: {_shorten(error)}") from error
        return outputs

    def _run_with_timeout(self, work: Callable[[], Returned], action: str) -> Returned:
        """Calls `work` in a separate thread, and waits for it at most `LOAD_TIMEOUT_S`.

        After that, the run is asked to terminate. ONNX Runtime can stop a model only between two
        layers. If a single layer does not end, its thread continues in the background, as a daemon
        that does not block the exit of the process.
        """
        if self._is_built_in:
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
        worker.join(LOAD_TIMEOUT_S)
        if worker.is_alive():
            _watchdog.terminate(worker)
            worker.join(TERMINATION_TIMEOUT_S)
            if worker.is_alive():
                _end_without_destructors()
            raise ModelError(
                f"{self.path} does not {action} within {LOAD_TIMEOUT_S:g} s: expected a model "
                "written by 'inkdigits train' or 'inkdigits export'"
            )
        if errors:
            raise errors[0]
        return results[0]


@cache
def _end_without_destructors() -> None:
    """Lets this process end without C++ destructors.

    They would free what a layer still uses that has not ended, and the process would crash. Python
    has flushed its files by then. C libraries other than glibc cannot do this.
    """
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "on_exit"):  # the last function that is registered is called first
            library.on_exit(library._exit, None)


class _Watchdog:
    """Terminates runs that take longer than `RUN_TIMEOUT_S`, in one thread for all sessions.

    A timer for each run would take as long as classifying a tile.
    """

    def __init__(self) -> None:
        # Options of each run to its thread and its deadline.
        self._running: dict[Any, tuple[int | None, float]] = {}
        self._is_needed = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(
        self,
        session: Any,
        names: Sequence[str] | None,
        feeds: Mapping[str, NDArray[Any]],
        options: Any,
    ) -> list[NDArray[Any]]:
        """As `InferenceSession.run`, but raises an exception after the timeout."""
        if self._thread is None:
            self._start()
        self._running[options] = threading.get_ident(), time.monotonic() + RUN_TIMEOUT_S
        if not self._is_needed.is_set():
            self._is_needed.set()
        try:
            outputs: list[NDArray[Any]] = session.run(names, feeds, run_options=options)
        finally:
            del self._running[options]
        if options.terminate:  # a run in its last layer cannot be stopped, and returns normally
            raise TimeoutError(f"it took longer than {RUN_TIMEOUT_S:g} s")
        return outputs

    def terminate(self, thread: threading.Thread) -> None:
        """Asks the run in a thread to stop."""
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
            time.sleep(_POLL_INTERVAL_S)
            self._is_needed.clear()  # before the check, so that a run that starts now is not missed
            running = list(self._running.items())
            for options, (_, deadline) in running:
                if time.monotonic() > deadline:
                    options.terminate = True
            if running:
                self._is_needed.set()


_watchdog = _Watchdog()


def check_probabilities(
    path: Path, probabilities: NDArray[Any], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Checks the output of a network for tiles.

    Args:
        path: Path of the model, for error messages.
        probabilities: Output of the network.
        shape: Expected shape: number of tiles, number of labels.

    Returns:
        The same array.

    Raises:
        ModelError: The shape or type differs, or values are not finite.
    """
    if probabilities.shape != shape or probabilities.dtype != np.float32:
        raise ModelError(
            f"{path} returns {probabilities.dtype} of shape {probabilities.shape} for {shape[0]} "
            f"tiles; expected float32 of shape {shape}"
        )
    if not np.isfinite(probabilities).all():
        raise ModelError(f"{path} returns values that are not finite: train the model again")
    return probabilities


def _load(path: Path, n_threads: int, added_outputs: Sequence[str], device: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # no log output; errors are raised as exceptions
    options.intra_op_num_threads = n_threads
    # Between two layers, threads sleep instead of spinning, to leave the cores to others.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        model: str | bytes = str(path)
        if added_outputs:
            model = declare_outputs(path.read_bytes(), added_outputs)
        return open_session(model, options, device)
    except Exception as error:  # ONNX Runtime's exceptions have no common base class
        raise ModelError(f"{path} is not a readable ONNX model: {_shorten(error)}") from error


def _shorten(error: Exception) -> str:
    """Returns the first line of an error message, at most 200 characters."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
