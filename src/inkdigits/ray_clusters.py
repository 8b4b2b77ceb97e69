"""Connects to a Ray cluster, or starts Ray on this machine."""

from __future__ import annotations

import importlib
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from inkdigits.errors import MissingExtraError, UsageError

LOCAL: Final = "local"
"""Address that starts Ray on this machine."""
THREADS: Final = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""Environment variables with the number of threads of a training."""
_ADDRESS: Final = re.compile(r"(ray://)?[^\s/:]+:\d{1,5}")
_SETTINGS: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray would report its use to its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # otherwise Ray warns in each process
    "RAY_worker_niceness": "0",  # otherwise workers starve beside any other busy process
    "RAY_AIR_NEW_OUTPUT": "0",  # otherwise Ray Tune prints a table, however quiet it is told to be
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
}


def check_address(address: str) -> str:
    """Returns the address of a cluster.

    Args:
        address: "local" for Ray on this machine; "auto" for the cluster that this machine belongs
            to; HOST:PORT or ray://HOST:PORT.

    Raises:
        UsageError: Any other text.
    """
    if address in (LOCAL, "auto") or _ADDRESS.fullmatch(address):
        return address
    raise UsageError(
        f"invalid Ray address {address!r}: expected auto, HOST:PORT or ray://HOST:PORT; for Ray on "
        "this machine, put --ray last"
    )


def load_ray() -> Any:
    """Returns the module `ray`.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtraError(
            'Ray is not installed, but --ray needs it: pip install "inkdigits[scale]"'
        ) from error


@contextmanager
def connect_ray(
    address: str, *, environment: Mapping[str, str] | None = None, show_output: bool = False
) -> Iterator[Any]:
    """Connects to a cluster during the block.

    Ray on this machine ends with the block. A connection that the process has already is used, and
    stays.

    Args:
        address: As in `check_address`.
        environment: Environment variables of the workers.
        show_output: Whether to print what the workers print.

    Yields:
        The module `ray`.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: The address is invalid, or no cluster answers there.
    """
    address = check_address(address)
    ray = load_ray()
    if ray.is_initialized():
        yield ray
        return
    settings: dict[str, Any] = {"include_dashboard": False} if address == LOCAL else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ray.init(
                address=address,
                log_to_driver=show_output,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": {**_SETTINGS, **(environment or {})}},
                **settings,
            )
        except (ConnectionError, TimeoutError, RuntimeError, ValueError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UsageError(f"cannot connect to Ray at {address}: {reason}") from error
    try:
        yield ray
    finally:
        ray.shutdown()
