from __future__ import annotations

import inspect
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from inkdigits.data import Font, LabelledImages, Mnist, fetch_fonts, fetch_mnist
from inkdigits.errors import DataUnavailableError
from inkdigits.training import FORMATS, Run, export, train

if TYPE_CHECKING:
    from playwright.sync_api import Browser

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several processes share the cores. A training with one thread in each takes 8 % less CPU time
    # than with one per core, also in the processes that tests start.
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell ignores Ctrl-C for commands in the background. Tests send it to their processes.
    signal.signal(signal.SIGINT, signal.default_int_handler)

CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]
LaunchChromium = Callable[..., "Browser"]
ROOT = Path(__file__).parents[1]


_POSIX = re.compile(
    r"os\.(kill|mkfifo)|signal\.SIG(KILL|STOP)|symlink_to|send_signal|preexec_fn|/dev/|/proc/"
)
"""What Windows lacks, or does in another way, in the code of a test."""


LONGEST = (
    "tests/test_readme.py",
    "tests/training/fit/test_tile_training.py",
    "tests/test_notebook.py",
    "tests/training/fit/test_reader_training.py",
    "tests/training/model_files/test_adoption.py",
    "tests/web/test_server.py",
    "tests/test_measurements.py",
    "tests/training/fit/test_resuming.py",
    "tests/training/samples/test_distillation.py",
    "tests/benchmark/test_training_time.py",
    "tests/recognition/test_recognizer.py",
    "tests/training/fit/test_own_recipes.py",
    "tests/sweeps/test_ray.py",
    "tests/bulk/test_ray_pool.py",
    "tests/web/test_gallery.py",
    "tests/training/fit/test_reader_fit.py",
    "tests/benchmark/test_inference_speed.py",
    "tests/web/page/test_inside_view.py",
    "tests/sweeps/test_sweeping.py",
    "tests/training/fit/test_digit_classifier.py",
    "tests/evaluation/test_comparison.py",
    "tests/web/page/test_accessibility.py",
    "tests/training/fit/test_other_numbers_of_classes.py",
)
"""The files that take longest. Several processes begin with them, so that none is left with one of
them at the end, when the others have nothing to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the files for several processes, and skips on Windows what it cannot run."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        n_tests = Counter(item.path for item in items)
        ranks = {ROOT / name: rank for rank, name in enumerate(LONGEST)}
        # As pytest-xdist would, files with many tests come first among the others.
        items.sort(key=lambda item: (ranks.get(item.path, len(ranks)), -n_tests[item.path]))
    if sys.platform != "win32":
        return
    for item in items:
        if isinstance(item, pytest.Function) and _POSIX.search(inspect.getsource(item.function)):
            item.add_marker(pytest.mark.skip(reason="uses what Windows lacks"))


@pytest.fixture(scope="module")
def launch_chromium() -> Iterator[LaunchChromium]:
    """Launches Chromium with further arguments; all are closed after the module's tests."""
    # The shell needs less than half of the processor time of the whole browser.
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("Chromium is missing: 'apt-get install chromium-headless-shell' brings it")
    from playwright.sync_api import sync_playwright

    usual = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
    with sync_playwright() as playwright:
        launched = []

        def launch(*arguments: str) -> Browser:
            browser = playwright.chromium.launch(executable_path=path, args=[*usual, *arguments])
            launched.append(browser)
            return browser

        yield launch
        for browser in launched:
            browser.close()


@pytest.fixture(scope="session")
def mnist() -> Mnist:
    try:
        return fetch_mnist()
    except DataUnavailableError as error:
        pytest.skip(f"MNIST is neither cached nor reachable: {str(error).splitlines()[0]}")


@pytest.fixture(scope="session")
def obtain_fonts(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Font, ...]]:
    """Returns the fonts of a part. One of several test processes fetches them for all."""
    base = tmp_path_factory.getbasetemp()
    lock = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "fonts.lock"

    def obtain(part: str) -> tuple[Font, ...]:
        try:
            with FileLock(lock):
                return fetch_fonts(part)  # type: ignore[arg-type]
        except DataUnavailableError as error:
            pytest.skip(f"the fonts are neither cached nor reachable: {error}")

    return obtain


@pytest.fixture(scope="session")
def training_fonts(obtain_fonts: Callable[[str], tuple[Font, ...]]) -> tuple[Font, ...]:
    return obtain_fonts("training")


@pytest.fixture(scope="session")
def validation_fonts(obtain_fonts: Callable[[str], tuple[Font, ...]]) -> tuple[Font, ...]:
    return obtain_fonts("validation")


@pytest.fixture(scope="session")
def held_out_fonts(obtain_fonts: Callable[[str], tuple[Font, ...]]) -> tuple[Font, ...]:
    """The fonts kept from training."""
    return obtain_fonts("held-out")


@pytest.fixture(scope="session")
def test_slice(mnist: Mnist) -> LabelledImages:
    """The first 1,000 test images."""
    return mnist.test.take(range(1_000))


def build_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """Builds a folder in one of several test processes; returns a copy for this process."""
    own = factory.mktemp(name, numbered=False) / name
    if "PYTEST_XDIST_WORKER" not in os.environ:
        build(own)
        return own
    shared = factory.getbasetemp().parent / name
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            build(own)
            copied = shutil.copytree(own, shared.with_name(f".{name}"))
            copied.rename(shared)
            return own
    return Path(shutil.copytree(shared, own))


@pytest.fixture(scope="session")
def smoke_run(mnist: Mnist, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run that all tests share; read only. Skips where Keras has no wheels."""
    pytest.importorskip("keras")
    return Run(
        build_once(
            tmp_path_factory, "smoke", lambda folder: train("smoke", output=folder, progress=False)
        )
    )


@pytest.fixture(scope="session")
def exported(smoke_run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The smoke network in every form, by the form's name, with one card; read only."""

    def export_all(folder: Path) -> None:
        folder.mkdir()
        for form, suffix in FORMATS.items():
            export(smoke_run, form, output=folder / f"net{suffix}")

    folder = build_once(tmp_path_factory, "exported", export_all)
    return {form: folder / f"net{suffix}" for form, suffix in FORMATS.items()}


def draw_enlarged(tile: NDArray[np.uint8], path: Path, *, dark_on_light: bool) -> Path:
    """Writes a tile as a picture of 110 × 150 pixels, as nobody's data set has it."""
    picture = Image.new("L", (150, 110), 0)
    picture.paste(Image.fromarray(tile).resize((84, 84), Image.Resampling.BICUBIC), (45, 10))
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
    Image.new("L", (150, 110), 235).save(folder / "blank.png")
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


class WarmTraining:
    """`python -m inkdigits train` in a process that has imported Keras already, to save seconds.

    It is forked from a server of `multiprocessing`, and has the methods of `subprocess.Popen` that
    the tests need.
    """

    _CODE = (
        "import os, runpy, sys\n"
        "os.chdir(folder)\n"
        "for number, path in enumerate(outputs, 1):\n"
        "    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)\n"
        "if max_file_bytes is not None:\n"
        "    import resource\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))\n"
        "sys.argv = ['inkdigits', 'train', *arguments]\n"
        "runpy.run_module('inkdigits', run_name='__main__', alter_sys=True)\n"
    )

    def __init__(self, arguments: Sequence[str], folder: Path, max_file_bytes: int | None) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["inkdigits.training", "keras"])
        place = Path(tempfile.mkdtemp(dir=folder))
        self._outputs = [place / "stdout", place / "stderr"]
        values = {
            "arguments": list(arguments),
            "folder": str(folder),
            "outputs": [str(path) for path in self._outputs],
            "max_file_bytes": max_file_bytes,
        }
        self._process = context.Process(target=exec, args=(self._CODE, values))
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, sig: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, sig)

    def kill(self) -> None:
        self._process.kill()

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Waits for the end, and returns what was written to stdout and stderr."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError(f"the training did not end within {timeout} s")
        stdout, stderr = (
            path.read_text(encoding="utf-8") if path.exists() else "" for path in self._outputs
        )
        return stdout, stderr


@pytest.fixture(scope="session")
def start_training(outside: Path) -> Iterator[Callable[..., WarmTraining]]:
    """Starts `inkdigits train` with some arguments, and leaves none running."""
    started: list[WarmTraining] = []

    def start(*arguments: str, max_file_bytes: int | None = None) -> WarmTraining:
        started.append(WarmTraining(arguments, outside, max_file_bytes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
