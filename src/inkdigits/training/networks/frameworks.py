"""Imports Keras and TensorFlow on first use, without their start-up messages."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inkdigits.errors import MissingExtraError, UsageError

BACKENDS = ("tensorflow", "torch", "jax")
_OTHER_BACKENDS = ("numpy", "openvino")  # of Keras; they classify, but do not train


def load_keras() -> Any:
    """Returns the module `keras`, on the backend chosen by KERAS_BACKEND or Keras' settings.

    Raises:
        MissingExtraError: Keras or its backend is not installed.
        UsageError: KERAS_BACKEND names an unknown backend.
    """
    backend = os.environ.get("KERAS_BACKEND")
    if backend and backend not in (*BACKENDS, *_OTHER_BACKENDS):
        raise UsageError(
            f"unknown backend KERAS_BACKEND={backend}: expected {', '.join(BACKENDS[:-1])} or "
            f"{BACKENDS[-1]}"
        )
    return _load("keras")


def load_tensorflow() -> Any:
    """Returns the module `tensorflow`; raises as `load_keras` does."""
    return _load("tensorflow")


def make_deterministic(seed: int) -> None:
    """Seeds every random generator, and makes TensorFlow use deterministic operations only."""
    keras = load_keras()
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        load_tensorflow().config.experimental.enable_op_determinism()


def has_16_bit_arithmetic(cpu_facts: Path = Path("/proc/cpuinfo")) -> bool:
    """Returns True if the processor has bfloat16 instructions, or if Keras uses a GPU.

    On processors without them, bfloat16 is slower than float32.

    Args:
        cpu_facts: The file in which Linux describes the processor. If it does not exist, the result
            is False.
    """
    if _uses_gpu():
        return True
    try:
        words = set(cpu_facts.read_text(encoding="utf-8").split())
    except (OSError, ValueError):
        return False
    return bool(words & {"amx_bf16", "avx512_bf16"})


def _uses_gpu() -> bool:
    """Returns True if Keras has been imported on a backend that has a GPU."""
    keras = sys.modules.get("keras")
    if keras is None:
        return False
    if keras.backend.backend() == "torch":
        return bool(sys.modules["torch"].cuda.is_available())
    try:
        return bool(keras.distribution.list_devices("gpu"))
    except RuntimeError:  # JAX without a GPU
        return False


def _load(name: str) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with hold_native_stderr():
            return importlib.import_module(name)
    except ImportError as error:
        missing = (error.name or name).partition(".")[0]
        if missing in ("torch", "jax"):
            raise MissingExtraError(
                f"{missing} is not installed, but the backend KERAS_BACKEND={missing} needs it: "
                f'pip install "inkdigits[{missing}]", or leave KERAS_BACKEND out'
            ) from error
        raise MissingExtraError(
            f"{error.name or name} is not installed, but training and Keras files need it: "
            'pip install "inkdigits[train]"'
        ) from error


@contextmanager
def silence_frameworks() -> Iterator[None]:
    """Silences the log output and warnings of Keras, TensorFlow and the model converters.

    What they report in this way is about their own insides; errors are still raised.
    """
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


@contextmanager
def hold_native_stderr() -> Iterator[None]:
    """Hides what native code writes to stderr during the block; shows it if the block fails.

    TensorFlow writes two lines about oneDNN on each start, before its log level takes effect, and
    LiteRT one about its delegate for each interpreter.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        original = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(original, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
