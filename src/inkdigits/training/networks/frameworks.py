"""Imports Keras and TensorFlow on first use, without their start-up messages."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inkdigits.errors import MissingExtraError


def load_keras() -> Any:
    """Returns the module `keras`, on the backend chosen by KERAS_BACKEND or Keras' settings.

    Raises:
        MissingExtraError: Keras or its backend is not installed.
    """
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
    """Returns True if the processor has bfloat16 instructions.

    Without them, bfloat16 is slower than float32.

    Args:
        cpu_facts: The file in which Linux describes the processor. If it does not exist, the result
            is False.
    """
    try:
        words = set(cpu_facts.read_text(encoding="utf-8").split())
    except (OSError, ValueError):
        return False
    return bool(words & {"amx_bf16", "avx512_bf16"})


def _load(name: str) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _native_stderr_held_back():
            return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"{error.name or name} is not installed, but training and Keras files need it: "
            'pip install "inkdigits[train]"'
        ) from error


@contextmanager
def _native_stderr_held_back() -> Iterator[None]:
    """Hides what native code writes to stderr during an import; shows it if the import fails.

    TensorFlow writes two lines about oneDNN on each start, before its log level takes effect.
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
