"""Where models run: the execution providers of ONNX Runtime, by the name of the device.

The package onnxruntime has the CPU, and on macOS also Core ML. The packages onnxruntime-gpu and
onnxruntime-directml have the others in addition, and replace it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, Literal, get_args

from inkdigits.errors import UsageError

_logger = logging.getLogger(__name__)

Device = Literal["cpu", "auto", "cuda", "coreml", "directml"]
"""Where a model runs; "auto" is the first of the others that is available, or else the CPU."""

DEVICES: Final[tuple[str, ...]] = get_args(Device)
CPU: Final = "CPUExecutionProvider"
PROVIDERS: Final[Mapping[str, tuple[str, str]]] = {
    "cuda": ("CUDAExecutionProvider", "onnxruntime-gpu instead of onnxruntime"),
    "coreml": ("CoreMLExecutionProvider", "onnxruntime on macOS"),
    "directml": ("DmlExecutionProvider", "onnxruntime-directml instead of onnxruntime, on Windows"),
}
"""The execution provider of each device besides the CPU, and the package that has it."""


def check_device(device: str) -> str:
    """Returns the name of a device.

    Raises:
        UsageError: The name is unknown.
    """
    if device not in DEVICES:
        raise UsageError(f"unknown device {device!r}: expected one of {', '.join(DEVICES)}")
    return device


def count_cores() -> int:
    """Returns the number of cores that may share the work within a model, at least 1.

    That is the number in the environment variable OMP_NUM_THREADS, as for TensorFlow and PyTorch,
    or else the number of cores that this process may run on.
    """
    chosen = os.environ.get("OMP_NUM_THREADS", "").strip()
    if chosen.isdecimal() and int(chosen) > 0:
        return int(chosen)
    if hasattr(os, "sched_getaffinity"):  # fewer than all with taskset, or in a container
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def open_session(model: str | bytes, options: Any, device: str) -> Any:
    """Opens a model with ONNX Runtime, on the CPU if the device cannot be used.

    This is said once, in one line of the log.

    Args:
        model: Path of an ONNX file, or its content.
        options: ONNX Runtime's `SessionOptions`; changed where the device needs it.
        device: A name in `DEVICES`.

    Returns:
        ONNX Runtime's `InferenceSession`.

    Raises:
        Exception: ONNX Runtime cannot open the model; its exceptions have no common base class.
    """
    import onnxruntime

    providers = _choose_providers(device, onnxruntime.get_available_providers())
    if not providers:
        return onnxruntime.InferenceSession(model, options, providers=[CPU])
    if "DmlExecutionProvider" in providers:
        options.enable_mem_pattern = False  # as DirectML asks for
    onnxruntime.set_default_logger_severity(4)  # no lines on stderr about missing libraries
    try:
        session = onnxruntime.InferenceSession(
            model, options, providers=[*providers, CPU], disable_fallback=1
        )
    except Exception as error:  # as above
        session = onnxruntime.InferenceSession(model, options, providers=[CPU])
        _report_fallback(device, (str(error).splitlines() or ["no reason"])[0][:200])
        return session
    # ONNX Runtime leaves out a provider whose libraries are missing, such as those of CUDA.
    if not set(providers) & set(session.get_providers()):
        _report_fallback(device, "ONNX Runtime cannot start it: its libraries may be missing")
    return session


def _choose_providers(device: str, available: Sequence[str]) -> list[str]:
    """Returns the providers to try before the CPU; empty if there are none."""
    names = list(PROVIDERS) if device == "auto" else [device] if device in PROVIDERS else []
    found = [PROVIDERS[name][0] for name in names if PROVIDERS[name][0] in available]
    if device in PROVIDERS and not found:
        _report_fallback(device, f"it needs the package {PROVIDERS[device][1]}")
    return found[:1]


@cache
def _report_fallback(device: str, reason: str) -> None:
    _logger.warning("the device %s cannot be used (%s): reading on the CPU", device, reason)
