"""Installs the wheel and the source distribution on each Python that is found, and tries them.

    make try-wheels
    python tests/try_wheels.py --python python3.13

Each is installed into an environment of its own in a temporary folder, with the newest versions of
its dependencies. A picture is read there with the command line and with Python, away from the
checkout. The exit status is 1 if something fails.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[1]
PICTURE: Final = PROJECT / "samples" / "7-canvas.png"
SUPPORTED: Final = ("3.11", "3.12", "3.13", "3.14")

TRY_PYTHON: Final = """
import sys
import inkdigits
assert "site-packages" in inkdigits.__file__, inkdigits.__file__
assert inkdigits.predict_digit(sys.argv[1]) == 7
reading = inkdigits.predict(sys.argv[1])
assert reading.text == "7", reading
assert not {"cv2", "keras", "tensorflow"} & set(sys.modules)
print(inkdigits.__version__)
"""


def main() -> int:
    """Tries everything, prints a line for each, and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dist", type=Path, default=PROJECT / "dist", help="folder of the files")
    parser.add_argument("--python", nargs="+", metavar="PYTHON", help="default: all that are found")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result as JSON")
    options = parser.parse_args()
    files = [*options.dist.glob("*.whl"), *options.dist.glob("*.tar.gz")]
    if len(files) != 2:
        parser.error(f"{options.dist} has {len(files)} files: expected a wheel and a sdist")
    interpreters = {describe(path): path for path in options.python or find_interpreters()}
    rows = []
    for version, path in sorted(interpreters.items()):
        for file in files:
            started = time.perf_counter()
            fault = try_file(path, file)
            seconds = time.perf_counter() - started
            rows.append({"python": version, "file": file.name, "fault": fault})
            print(f"{version}  {file.name}  {fault or 'works'}  ({seconds:.0f} s)", flush=True)
    found = {".".join(version.split(".")[:2]) for version in interpreters}
    missing = [] if options.python else [minor for minor in SUPPORTED if minor not in found]
    if missing:
        print(f"not tried, as they are not installed here: Python {', '.join(missing)}")
    if options.json:
        result = {"tried": rows, "not_installed": missing}
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return int(any(row["fault"] for row in rows) or not rows)


def find_interpreters() -> Iterator[str]:
    """Yields the supported interpreters on the path, and those of pyenv."""
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    for minor in SUPPORTED:
        candidates = [shutil.which(f"python{minor}"), *map(str, root.glob(f"{minor}.*/bin/python"))]
        for candidate in candidates:
            if candidate and describe(candidate).startswith(minor):
                yield candidate
                break


def describe(python: str) -> str:
    """Returns the version of an interpreter; empty if it does not start, as a shim of pyenv."""
    ended = subprocess.run(
        [python, "-c", "import platform; print(platform.python_version())"],
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stdout.strip()


def try_file(python: str, file: Path) -> str:
    """Installs a file, reads a picture with it, and returns what fails; empty if all works."""
    version = re.split("[-.]", file.name.removeprefix("inkdigits-"))[:3]
    with tempfile.TemporaryDirectory(prefix="inkdigits-try-") as folder:
        place = Path(folder)
        own = place / "environment"
        scripts = own / ("Scripts" if os.name == "nt" else "bin")
        picture = Path(shutil.copy(PICTURE, place))
        steps: list[tuple[Sequence[str | Path], str]] = [
            ([python, "-m", "venv", own], ""),
            ([scripts / "python", "-m", "pip", "install", "--quiet", file.resolve()], ""),
            ([scripts / "inkdigits", "--version"], ".".join(version)),
            ([scripts / "inkdigits", "predict", picture], "7  ("),
            ([scripts / "python", "-W", "error", "-c", TRY_PYTHON, picture], ".".join(version)),
            ([scripts / "python", "-m", "pip", "check"], "No broken requirements"),
        ]
        for command, expected in steps:
            ended = subprocess.run(
                [str(word) for word in command],
                cwd=place,
                env={name: text for name, text in os.environ.items() if name != "PYTHONPATH"},
                capture_output=True,
                text=True,
                check=False,
            )
            if ended.returncode or expected not in ended.stdout:
                words = " ".join(str(word) for word in command[:4])
                return (
                    f"{words}: status {ended.returncode}: {(ended.stderr or ended.stdout)[-800:]}"
                )
    return ""


if __name__ == "__main__":
    sys.exit(main())
