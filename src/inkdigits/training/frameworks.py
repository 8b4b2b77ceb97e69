"""Keras and TensorFlow, loaded late, quietly, and with a helpful word where they are missing."""

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
    """The module `keras`, on the backend that KERAS_BACKEND or its own settings name.

    Raises:
        MissingExtraError: Keras or its backend is not installed.
    """
    return _load("keras")


def load_tensorflow() -> Any:
    """The module `tensorflow`; errors as in `load_keras`."""
    return _load("tensorflow")


def make_deterministic(seed: int) -> None:
    """Seeds every generator, and has TensorFlow use only operations that repeat exactly."""
    keras = load_keras()
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        load_tensorflow().config.experimental.enable_op_determinism()


def has_16_bit_arithmetic(cpu_facts: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bfloat16 by itself; elsewhere that is slower than float32.

    Args:
        cpu_facts: What Linux tells of the processor; where there is no such file, the answer is no.
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
        with _native_stderr_kept_back():
            return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"{error.name or name} is not installed, and training and Keras files need it: "
            'pip install "inkdigits[train]"'
        ) from error


@contextmanager
def _native_stderr_kept_back() -> Iterator[None]:
    """Keeps back what native code prints on loading; shows it after all if loading fails.

    TensorFlow writes two lines about oneDNN on each start, before its own log level applies.
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
