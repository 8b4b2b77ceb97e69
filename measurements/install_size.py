"""Measures the default install: what each distribution weighs, and reading without OpenCV.

The package is installed into an environment of its own, in a temporary folder. OpenCV is then added
there, and reading is measured again.

    python measurements/install_size.py
    python measurements/install_size.py --json > results/install-size.json

The exit status is 1 if the default install exceeds its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any, Final

from inkdigits.text_tables import format_columns

PROJECT: Final = Path(__file__).parents[1]
LIMIT_MB: Final = 250
STARTS: Final = 7

WEIGH = """
import json, sys
from inkdigits.benchmark.installation import find_closure, measure_distribution
sizes = {found.name: measure_distribution(found) / 1e6 for found in find_closure(sys.argv[1])}
print(json.dumps(sizes))
"""

# Digits on uneven paper, cut out as in every reading.
CUT = """
import json, statistics, time
import numpy as np
from inkdigits.recognition.crops import cut_tile
random = np.random.default_rng(0)
picture = np.clip(
    200 + 20 * np.linspace(-1, 1, 120) + random.normal(0, 2, (120, 120)), 0, 255
).astype(np.uint8)
picture[20:28, 30:90] = 60
picture[28:100, 70:79] = 60
times = []
for _ in range(300):
    started = time.process_time()
    cut_tile(picture, (30, 20, 60, 80))
    times.append(time.process_time() - started)
print(json.dumps(1e3 * statistics.median(times)))
"""

DESCRIBE = """
import json
from inkdigits.benchmark.machine import describe_machine
print(json.dumps(describe_machine()))
"""


def main() -> int:
    """Runs the measurement, prints its result, and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--extras", default="", help="extras to weigh as well, such as serve,plot")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="inkdigits-install-") as folder:
        python = build_environment(Path(folder))
        install(python, f"{PROJECT}[{options.extras}]" if options.extras else str(PROJECT))
        sizes = json.loads(run(python, "-c", WEIGH, "inkdigits"))
        result: dict[str, Any] = {
            "machine": json.loads(run(python, "-c", DESCRIBE)),
            "limit_mb": LIMIT_MB,
            "total_mb": round(sum(sizes.values()), 1),
            "distributions_mb": {
                name: round(sizes[name], 2) for name in sorted(sizes, key=sizes.get, reverse=True)
            },
            "without_opencv": measure_reading(python),
        }
        install(python, "opencv-python-headless")
        added = json.loads(run(python, "-c", WEIGH, "opencv-python-headless"))
        result["opencv_mb"] = round(sum(added.values()) - added["numpy"], 1)
        result["with_opencv"] = measure_reading(python)
    print(json.dumps(result, indent=2) if options.json else format_result(result))
    return int(result["total_mb"] > LIMIT_MB)


def build_environment(folder: Path) -> Path:
    """Creates an empty virtual environment, and returns its interpreter."""
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(python: Path, requirement: str) -> None:
    """Installs a requirement with the versions of `constraints.txt`."""
    constraints = PROJECT / "constraints.txt"
    run(python, "-m", "pip", "install", "--quiet", "--constraint", str(constraints), requirement)


def run(python: Path, *arguments: str) -> str:
    """Runs an interpreter outside the checkout, and returns what it prints."""
    ended = subprocess.run(
        [python, *arguments],
        cwd=python.parent,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
    )
    if ended.returncode:
        sys.exit(f"{' '.join(arguments[:4])} ended with {ended.returncode}: {ended.stderr[-2000:]}")
    return ended.stdout


def measure_reading(python: Path) -> dict[str, float]:
    """Measures the time of `inkdigits predict` in seconds, and that of cutting out a tile in ms."""
    picture = str(PROJECT / "samples" / "7-canvas.png")
    starts = []
    for _ in range(STARTS + 1):
        started = time.perf_counter()
        run(python, "-m", "inkdigits", "predict", picture)
        starts.append(time.perf_counter() - started)
    return {
        "predict_s": round(statistics.median(starts[1:]), 3),  # the first one compiles modules
        "cut_tile_ms": round(json.loads(run(python, "-c", CUT)), 2),
    }


def format_result(result: dict[str, Any]) -> str:
    """Returns the result as a table."""
    rows = [[name, f"{size:.1f} MB"] for name, size in result["distributions_mb"].items()]
    rows.append([f"total (limit {LIMIT_MB})", f"{result['total_mb']:.1f} MB"])
    rows.append(["OpenCV would add", f"{result['opencv_mb']:.1f} MB"])
    for name in ("without_opencv", "with_opencv"):
        for unit, value in result[name].items():
            rows.append([f"{name.replace('_', ' ')}: {unit}", f"{value:g}"])
    return "\n".join(format_columns(rows, "<>"))


if __name__ == "__main__":
    sys.exit(main())
