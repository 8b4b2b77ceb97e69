"""How long one prediction takes from a cold start: ours against a script that uses Keras.

Both are whole processes that read the same picture with the same network, in turn, so that a noisy
machine slows both. Prints the medians and their ratio.

    python benchmarks/cold_start.py runs/quick
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

PICTURE = Path(__file__).parents[1] / "samples" / "7-canvas.png"

# What a classic predict.py does.
KERAS_SCRIPT = """
import sys, keras, numpy as np
from PIL import Image
image = 255 - np.asarray(Image.open(sys.argv[2]).convert("L").resize((28, 28)))
probabilities = keras.models.load_model(sys.argv[1]).predict(image[np.newaxis], verbose=0)
print(probabilities.argmax(), probabilities.max())
"""


def time_process(command: list[str]) -> float:
    """Seconds that a process takes from start to end, which must be a success."""
    started = time.perf_counter()
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(command, check=True, capture_output=True, env=quiet)
    return time.perf_counter() - started


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a finished run, whose two models are compared")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    inkdigits = Path(sys.executable).with_name("inkdigits")
    commands = {
        "inkdigits predict": [str(inkdigits), "predict", str(PICTURE), "--model", str(options.run)],
        "Keras script": [
            sys.executable, "-c", KERAS_SCRIPT, str(options.run / "model.keras"), str(PICTURE),
        ],
    }  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in commands}
    for repeat in range(options.repeats + 1):
        for name, command in commands.items():
            seconds = time_process(command)
            if repeat:  # the first turn warms the disk's cache
                times[name].append(seconds)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, ", end="")
    print(", ".join(f"{name} {version(name)}" for name in ("keras", "onnxruntime")))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:18} {median:6.2f} s  (median of {options.repeats})")
    print(f"ratio              {medians['Keras script'] / medians['inkdigits predict']:6.1f}")


if __name__ == "__main__":
    main()
