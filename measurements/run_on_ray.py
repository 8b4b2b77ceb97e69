"""Runs a command on a node of a Ray cluster, and ends with its exit status.

`make -j 16 figures RAY=auto` runs each fit in this way: make starts as many commands as -j says,
each student after its teachers, and Ray finds a node with free cores for each of them. The nodes
share the folder of the repository and its `.venv`. If a node dies, the command is started again on
another one; the fits of `make figures` then go on from their last checkpoint.

    python measurements/run_on_ray.py auto --cores 2 -- inkdigits train quick --output runs/quick
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inkdigits.errors import InkdigitsError
from inkdigits.ray_clusters import THREADS, connect_ray

MAX_RETRIES = 3


def run_command(ray: Any, command: Sequence[str], *, folder: Path, cores: int) -> int:
    """Runs a command on a node with free cores.

    Args:
        ray: The module `ray`, connected to a cluster.
        command: The program and its arguments.
        folder: The working folder.
        cores: Number of cores to wait for, which the command has for itself.

    Returns:
        The exit status of the command.
    """

    # Inside, so that a node needs nothing of this file.
    def run_here(command: list[str], folder: str) -> int:
        process = subprocess.Popen(command, cwd=folder)
        try:
            return process.wait()
        except BaseException:  # the task is cancelled
            process.terminate()
            process.wait()
            raise

    task = ray.remote(num_cpus=cores, max_retries=MAX_RETRIES)(run_here)
    result = task.remote(list(command), str(folder))
    try:
        return int(ray.get(result))
    except KeyboardInterrupt:
        ray.cancel(result)
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("address", help="local, auto, HOST:PORT or ray://HOST:PORT")
    parser.add_argument("--cores", type=int, default=2, help="cores of the command; default: 2")
    parser.add_argument("command", nargs="+", help="the command, after --")
    options = parser.parse_args(arguments)
    environment = dict.fromkeys(THREADS, str(options.cores))
    try:
        with connect_ray(options.address, environment=environment, show_output=True) as ray:
            return run_command(ray, options.command, folder=Path.cwd(), cores=options.cores)
    except InkdigitsError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
