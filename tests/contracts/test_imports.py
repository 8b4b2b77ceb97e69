"""What inkdigits loads, seen from a process of its own, and what it does without the extras."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from inkdigits.cli.program import COMMANDS
from inkdigits.training import Run

Python = Callable[..., "subprocess.CompletedProcess[str]"]

# numpy, Pillow and ONNX Runtime, and what these load in turn. OpenCV cuts out tiles where it is
# installed.
READING = {"numpy", "PIL", "onnxruntime", "flatbuffers", "google", "packaging", "cv2"}
FRAMEWORKS = {"keras", "tensorflow", "torch", "jax", "onnx", "tf2onnx", "h5py", "matplotlib"}

LIST_LOADED = """
import sys
before = set(sys.modules)
{code}
names = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(sorted(names - set(sys.stdlib_module_names) - {{"inkdigits"}}))
"""


@pytest.fixture
def list_loaded(python: Python) -> Callable[[str], set[str]]:
    """Top-level third-party modules that a piece of code loads."""

    def run_code(code: str) -> set[str]:
        ended = python("-c", LIST_LOADED.format(code=code))
        assert ended.returncode == 0, ended.stderr
        loaded: list[str] = eval(ended.stdout.splitlines()[-1])
        # Compiled extensions may bear names of their own, which begin with an underscore.
        return {name for name in loaded if not name.startswith("_")}

    return run_code


def call_main(*arguments: str) -> str:
    """Code that calls the command line and prints nothing."""
    return (
        "import contextlib, io\n"
        "from inkdigits.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({list(arguments)})\n"
    )


def test_import_alone_loads_nothing(list_loaded: Callable[[str], set[str]]) -> None:
    assert (
        list_loaded("import inkdigits, inkdigits.cli, inkdigits.errors, inkdigits.files") == set()
    )


def test_help_loads_nothing(list_loaded: Callable[[str], set[str]]) -> None:
    assert list_loaded(call_main("--help")) == set()
    for command in COMMANDS:
        assert list_loaded(call_main(command, "--help")) == set()


def test_recipes_load_no_framework(list_loaded: Callable[[str], set[str]]) -> None:
    loaded = list_loaded(call_main("recipes"))

    assert loaded & FRAMEWORKS == set()


def test_reading_loads_what_it_needs(
    list_loaded: Callable[[str], set[str]], smoke_run: Run, pictures: dict[str, Path]
) -> None:
    picture, model = str(pictures["seven"]), str(smoke_run.folder)
    code = (
        "import inkdigits, inkdigits.recognition\n"
        f"inkdigits.predict_digit({picture!r}, model={model!r})\n"
    )
    loaded = list_loaded(code)

    assert {"numpy", "PIL", "onnxruntime"} <= loaded
    assert loaded <= READING


def test_reading_leaves_nothing_in_the_home(
    python: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime keeps an identifier and a queue of events there unless it is told not to."""
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)  # which this process has set already
    code = "import inkdigits, numpy; inkdigits.predict(numpy.zeros((28, 28), numpy.uint8))"

    ended = python("-c", code, HOME=str(tmp_path), XDG_CACHE_HOME="")

    assert ended.returncode == 0, ended.stderr
    assert list(tmp_path.rglob("*")) == []


def test_predict_loads_what_it_needs(
    list_loaded: Callable[[str], set[str]], smoke_run: Run, pictures: dict[str, Path]
) -> None:
    picture = str(pictures["seven"])

    assert list_loaded(call_main("predict", picture, "--model", str(smoke_run.folder))) <= READING
    assert list_loaded(call_main("predict", picture)) <= READING


def test_public_names_load_only_their_plane(list_loaded: Callable[[str], set[str]]) -> None:
    assert list_loaded("import inkdigits; inkdigits.Recognizer, inkdigits.predict") <= READING
    assert (
        list_loaded("import inkdigits; inkdigits.train, inkdigits.evaluate") & FRAMEWORKS == set()
    )


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from inkdigits.cli import main
sys.exit(main(sys.argv[1:]))
"""
EXTRA_TRAIN = ["keras", "tensorflow", "h5py", "onnx", "tf2onnx", "filelock", "ai_edge_litert"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["recipes"], 0),
        (["predict", "PICTURE", "--model", "RUN"], 0),
        (["evaluate", "RUN", "--output", "OUTPUT"], 5),
        (["evaluate", "RUN/model.onnx"], 0),
        (["train", "smoke", "--output", "OUTPUT"], 5),
        (["train", "--resume", "UNFINISHED"], 5),
        (["export", "RUN", "--format", "h5", "--output", "OUTPUT/net.h5"], 5),
        (["predict", "PICTURE", "--model", "RUN/model.keras"], 5),
        (["evaluate", "--suite", "corruptions", "--limit", "1"], 5),
    ],
    ids=str,
)
def test_without_the_extras(
    arguments: list[str],
    status: int,
    python: Python,
    smoke_run: Run,
    pictures: dict[str, Path],
    tmp_path: Path,
) -> None:
    """The default install reads and evaluates; the rest names the extra that it lacks."""
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    settings = (smoke_run.folder / "settings.json").read_bytes()
    (unfinished / "settings.json").write_bytes(settings)
    for name, path in (
        ("PICTURE", pictures["seven"]),
        ("RUN", smoke_run.folder),
        ("OUTPUT", tmp_path / "output"),
        ("UNFINISHED", unfinished),
    ):
        arguments = [argument.replace(name, str(path)) for argument in arguments]

    code = WITHOUT.format(missing=[*EXTRA_TRAIN, "matplotlib", "cv2"])
    ended = python("-c", code, *arguments)

    assert ended.returncode == status, ended
    if status == 5:
        assert "inkdigits[" in ended.stderr
        assert ended.stderr.count("\n") == 1, ended.stderr
        assert not (tmp_path / "output" / "settings.json").exists()
    else:
        assert ended.stderr == ""


@pytest.mark.slow
def test_training_without_matplotlib_fails_at_once(python: Python, tmp_path: Path) -> None:
    """A run must not be trained for an hour and then lack its curves."""
    code = WITHOUT.format(missing=["matplotlib"])
    ended = python("-c", code, "train", "smoke", "--output", str(tmp_path / "run"))

    assert ended.returncode == 5
    assert "inkdigits[" in ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert list(tmp_path.iterdir()) == []
