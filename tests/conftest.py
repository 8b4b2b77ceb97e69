from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inkdigits.data import LabelledImages, Mnist, fetch_mnist
from inkdigits.errors import DataUnavailableError
from inkdigits.training import FORMATS, Run, export, train

CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]


_POSIX = re.compile(
    r"os\.(kill|mkfifo)|signal\.SIG(KILL|STOP)|symlink_to|send_signal|preexec_fn|/dev/|/proc/"
)
"""What Windows lacks, or does in another way, in the code of a test."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips on Windows what it cannot run."""
    if sys.platform != "win32":
        return
    for item in items:
        if isinstance(item, pytest.Function) and _POSIX.search(inspect.getsource(item.function)):
            item.add_marker(pytest.mark.skip(reason="uses what Windows lacks"))


@pytest.fixture(scope="session")
def mnist() -> Mnist:
    try:
        return fetch_mnist()
    except DataUnavailableError as error:
        pytest.skip(f"MNIST is neither cached nor reachable: {str(error).splitlines()[0]}")


@pytest.fixture(scope="session")
def test_slice(mnist: Mnist) -> LabelledImages:
    """The first 1,000 test images."""
    return mnist.test.take(range(1_000))


@pytest.fixture(scope="session")
def smoke_run(mnist: Mnist, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run that all tests share; read only. Skips where Keras has no wheels."""
    pytest.importorskip("keras")
    return train("smoke", output=tmp_path_factory.mktemp("runs") / "smoke", progress=False)


@pytest.fixture(scope="session")
def exported(smoke_run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The smoke network in every form, by the form's name, with one card; read only."""
    folder = tmp_path_factory.mktemp("exported")
    return {
        form: export(smoke_run, form, output=folder / f"net{suffix}")
        for form, suffix in FORMATS.items()
    }


def draw_enlarged(tile: NDArray[np.uint8], path: Path, *, dark_on_light: bool) -> Path:
    """Writes a tile as a picture of 220 × 300 pixels, as nobody's data set has it."""
    picture = Image.new("L", (300, 220), 0)
    picture.paste(Image.fromarray(tile).resize((168, 168), Image.Resampling.BICUBIC), (90, 20))
    if dark_on_light:
        picture = picture.point([255 - value for value in range(256)])
    picture.save(path)
    return path


@pytest.fixture(scope="session")
def pictures(
    test_slice: LabelledImages, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A digit dark on light, its negative, a blank page, a text file, and a name without file."""
    folder = tmp_path_factory.mktemp("pictures")
    seven = test_slice.images[0]
    Image.new("L", (300, 220), 235).save(folder / "blank.png")
    (folder / "notes.txt").write_text("seven\n")
    return {
        "seven": draw_enlarged(seven, folder / "seven.png", dark_on_light=True),
        "chalk": draw_enlarged(seven, folder / "chalk.png", dark_on_light=False),
        "blank": folder / "blank.png",
        "text": folder / "notes.txt",
        "missing": folder / "missing.png",
    }


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder away from the checkout, for processes to start in."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="session")
def python(outside: Path) -> CommandLine:
    """Runs the interpreter with some arguments in a process of its own."""

    def run_python(
        *arguments: str, cwd: Path = outside, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run_python


@pytest.fixture(scope="session")
def start_training(outside: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `inkdigits train` with some arguments, and leaves none running."""
    started: list[subprocess.Popen[str]] = []

    def start(
        *arguments: str, preexec_fn: Callable[[], None] | None = None
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "inkdigits", "train", *arguments],
            cwd=outside,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=preexec_fn,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
