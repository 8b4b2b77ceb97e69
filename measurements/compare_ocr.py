"""Compares inkdigits, rapidocr and Tesseract on folders of labelled pictures.

Each engine reads all pictures one after the other, after a warm-up. For each kind of picture in
each folder the script reports exact readings, the digit error rate (edit distance divided by the
number of digits; Levenshtein, 1966) and the median time from a file to its text. `--json` also
lists every picture with the reading of each engine. The engines may use all cores; start the
command with `taskset -c 0` to limit all of them to one core.

A general OCR package also reads letters and signs. Only the digits 0 to 9 of its text count, in
reading order. Pictures in folders given by `--one` show one digit and pieces of its neighbours;
only the digit nearest to the middle counts. The peers use the settings that suit them best here:

- rapidocr (PP-OCRv6, in its own environment, which `make ocr` creates): "rapidocr" uses the
  settings "tuned" of `read_rapidocr.py`, "rapidocr-enlarged" enlarges small pictures first. Both
  treat a picture of one digit as one line of text: 26 of 40 were exact this way, and 17 with its
  text detector. "rapidocr-line" treats every picture as one line of text, "rapidocr-default" uses
  the default settings.
- Tesseract (the system's program, `apt install tesseract-ocr`): digits only, with page segmentation
  mode 11 (sparse text) or 10 (one character). It starts again for each picture. The other engines
  start only once, so the time for a blank picture is subtracted.

    python measurements/compare_ocr.py my-pictures --one my-digits
    python measurements/compare_ocr.py my-pictures --engines inkdigits rapidocr rapidocr-line --json
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from inkdigits import __version__
from inkdigits.data import LabelledPicture, load_labelled_pictures
from inkdigits.errors import PictureError
from inkdigits.evaluation.mistakes import count_edits
from inkdigits.recognition import DEFAULT_MODEL, Recognizer
from inkdigits.text_tables import format_columns

ENGINES = (
    *("inkdigits", "rapidocr", "rapidocr-enlarged", "rapidocr-line", "rapidocr-default"),
    "tesseract",
)
USUAL = ("inkdigits", "rapidocr", "tesseract")
WORKER = Path(__file__).with_name("read_rapidocr.py")
N_WARM_UP = 3  # readings that are not counted, because the first ones load models and fill caches
N_BLANK = 5  # blank pictures for Tesseract; its start-up time is their median


@dataclass(frozen=True)
class Answer:
    """The result of one engine on one picture.

    Attributes:
        text: The digits read; "" if there were none.
        seconds: Time from the file to the text; None if the picture was not read.
        error: Why the picture was not read; None if it was read.
    """

    text: str
    seconds: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Engine:
    """An engine of the comparison.

    Attributes:
        name: One of `ENGINES`.
        version: Version of its package or program.
        read: Reads a picture; the flag tells whether one digit is expected.
    """

    name: str
    version: str
    read: Callable[[Path, bool], Answer]


class EngineMissingError(Exception):
    """An engine is not installed."""


def main() -> None:
    """Runs the comparison and prints its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR", help="labelled pictures")
    parser.add_argument(
        "--one",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="labelled pictures of one digit each; only the digit nearest to the middle counts",
    )
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=USUAL, metavar="NAME")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="model of inkdigits")
    parser.add_argument(
        "--ocr", type=Path, default=Path("build/ocr"), metavar="DIR", help="rapidocr's environment"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="read only N of each folder")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args()
    sets = {folder.name: (folder, False) for folder in options.folders}
    sets |= {folder.name: (folder, True) for folder in options.one}
    if not sets:
        parser.error("no folder given: expected at least one folder of labelled pictures")
    if len(sets) < len(options.folders) + len(options.one):
        parser.error("two folders have the same name: expected a different name for each")
    rows: list[dict[str, Any]] = []
    versions: dict[str, str] = {}
    pictures = {
        name: (thin_out(load_labelled_pictures(folder), options.limit), one)
        for name, (folder, one) in sets.items()
    }
    for name in options.engines:
        with ExitStack() as stack:
            try:
                engine = open_engine(name, options.model, options.ocr, stack)
            except EngineMissingError as error:
                print(f"{name} is skipped: {error}", file=sys.stderr)
                continue
            versions[name] = engine.version
            for place, (chosen, one) in pictures.items():
                print(f"{name} reads {len(chosen)} pictures of {place}", file=sys.stderr)
                rows += compare(engine, place, chosen, one)
    if not versions:
        sys.exit(f"none of the engines {', '.join(options.engines)} is installed")
    scores = score(rows)
    if options.json:
        n_cores = len(os.sched_getaffinity(0))
        result = {"cores": n_cores, "engines": versions, "scores": scores, "pictures": rows}
        print(json.dumps(result, indent=2))
    else:
        print_table(scores, versions)


def thin_out(pictures: list[LabelledPicture], limit: int | None) -> list[LabelledPicture]:
    """Returns at most `limit` pictures, evenly spaced, because manifests are sorted by source."""
    if limit is None or limit >= len(pictures):
        return pictures
    return [pictures[number * len(pictures) // limit] for number in range(limit)]


def open_engine(name: str, model: Path, environment: Path, stack: ExitStack) -> Engine:
    """Starts an engine; closing the stack stops it.

    Raises:
        EngineMissingError: The engine is not installed.
    """
    if name == "inkdigits":
        recognizer = Recognizer.load(model)
        return Engine(name, __version__, lambda path, one: read_own(recognizer, path, one))
    if name == "tesseract":
        return open_tesseract(shutil.which("tesseract"))
    return stack.enter_context(run_rapidocr(name, environment))


def read_own(recognizer: Recognizer, path: Path, one_digit: bool) -> Answer:
    """Reads a picture with inkdigits; an uncertain digit is a "?" in the text."""
    start = time.perf_counter()
    try:
        reading = recognizer.read(path, digits="one" if one_digit else "all")
    except PictureError as error:
        return Answer("", error=str(error))
    return Answer(reading.text.replace("\n", ""), time.perf_counter() - start)


@contextmanager
def run_rapidocr(name: str, environment: Path) -> Iterator[Engine]:
    """Runs rapidocr in its own environment until the block ends.

    Raises:
        EngineMissingError: rapidocr is not installed in the environment.
    """
    settings = {"rapidocr-default": "default", "rapidocr-enlarged": "enlarged"}.get(name, "tuned")
    python = environment / "bin" / "python"
    if not python.is_file():
        raise EngineMissingError(f"no Python at {python}; create the environment: make ocr")
    program = "from importlib.metadata import version; print(version('rapidocr'))"
    found = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    if found.returncode:
        raise EngineMissingError(f"no rapidocr in {environment}; create it again: make ocr")
    with subprocess.Popen(
        [python, str(WORKER), settings], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:

        def read(path: Path, one_digit: bool) -> Answer:
            if worker.stdin is None or worker.stdout is None:
                raise RuntimeError("the pipes to rapidocr are closed")
            one_line = name == "rapidocr-line" or (one_digit and settings != "default")
            request = {"path": str(path.resolve()), "one_line": one_line}
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
            if not line:
                raise RuntimeError(f"rapidocr ended with status {worker.wait()} at {path}")
            return take_digits(json.loads(line), one_digit)

        yield Engine(name, found.stdout.strip(), read)


def take_digits(answer: dict[str, Any], one_digit: bool) -> Answer:
    """Extracts all digits, or only the middle one, from the result of a general OCR package.

    Args:
        answer: An output line of `read_rapidocr.py`.
        one_digit: Whether one digit is expected.
    """
    if "error" in answer:
        return Answer("", error=answer["error"])
    if not one_digit:
        return Answer(keep_digits(answer["text"]), answer["seconds"])
    digits = [character for character in answer["characters"] if keep_digits(character["text"])]
    if not digits:
        return Answer("", answer["seconds"])
    if digits[0]["box"] is None:  # the whole picture was read as one line
        return Answer(digits[len(digits) // 2]["text"], answer["seconds"])
    width, height = answer["size"]

    def measure_distance(character: dict[str, Any]) -> float:
        x, y, across, down = character["box"]
        return float((x + across / 2 - width / 2) ** 2 + (y + down / 2 - height / 2) ** 2)

    return Answer(min(digits, key=measure_distance)["text"], answer["seconds"])


def keep_digits(text: str) -> str:
    """Returns the digits 0 to 9 of a text in their order."""
    return re.sub("[^0-9]", "", text)


def open_tesseract(program: str | None) -> Engine:
    """Opens Tesseract and measures its start-up time.

    Args:
        program: Path of the program; None if it is not installed.

    Raises:
        EngineMissingError: Tesseract is not installed.
    """
    if program is None:
        raise EngineMissingError(
            "no program 'tesseract'; install it, for example: apt install tesseract-ocr"
        )
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as folder:
        blank = Path(folder) / "blank.png"
        Image.new("L", (64, 64), 255).save(blank)
        runs = [run_tesseract(program, blank, False).seconds for _ in range(N_BLANK)]
    start_up_s = statistics.median(seconds for seconds in runs if seconds is not None)

    def read(path: Path, one_digit: bool) -> Answer:
        answer = run_tesseract(program, path, one_digit)
        if answer.seconds is None:
            return answer
        return Answer(answer.text, max(0.0, answer.seconds - start_up_s))

    return Engine("tesseract", version.stdout.split()[1], read)


def run_tesseract(program: str, path: Path, one_digit: bool) -> Answer:
    """Runs Tesseract once; the time includes its start-up."""
    mode = "10" if one_digit else "11"
    options = ["--psm", mode, "-c", "tessedit_char_whitelist=0123456789"]
    start = time.perf_counter()
    ended = subprocess.run(
        [program, str(path), "stdout", *options], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if ended.returncode:
        return Answer("", error=(ended.stderr.strip().splitlines() or ["it failed"])[-1])
    digits = keep_digits(ended.stdout)
    return Answer(digits[len(digits) // 2 : len(digits) // 2 + 1] if one_digit else digits, seconds)


def compare(
    engine: Engine, place: str, pictures: Sequence[LabelledPicture], one_digit: bool
) -> list[dict[str, Any]]:
    """Reads the pictures of a folder one after the other with an engine.

    Returns:
        One row for each picture: name of the folder, file, kind, label, and the engine's answer.
    """
    for picture in pictures[:N_WARM_UP]:
        engine.read(picture.path, one_digit)
    return [
        {
            "set": place,
            "file": picture.path.name,
            "kind": picture.kind,
            "label": picture.label,
            "engine": engine.name,
            **vars(engine.read(picture.path, one_digit)),
        }
        for picture in pictures
    ]


def score(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Computes the scores of each engine, for each kind in each folder and for whole folders."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        for kind in (row["kind"], "all"):
            groups.setdefault((row["set"], kind, row["engine"]), []).append(row)
    scores = []
    for (place, kind, engine), group in groups.items():
        digits = sum(len(row["label"]) for row in group)
        errors = sum(count_edits(row["text"], row["label"]) for row in group)
        seconds = [row["seconds"] for row in group if row["seconds"] is not None]
        exact = sum(row["error"] is None and row["text"] == row["label"] for row in group)
        scores.append(
            {
                "set": place,
                "kind": kind,
                "engine": engine,
                "pictures": len(group),
                "exact": exact,
                "exact_share": exact / len(group),
                "digit_errors": errors,
                "digit_error_rate": errors / digits if digits else None,
                "failed": sum(row["error"] is not None for row in group),
                "median_seconds": statistics.median(seconds) if seconds else None,
            }
        )
    return scores


def print_table(scores: Sequence[dict[str, Any]], versions: dict[str, str]) -> None:
    """Prints one line for each kind of each folder, with three columns for each engine."""
    header = ["set", "kind", "pictures"]
    for engine, version in versions.items():
        header += [f"{engine} {version}: exact", "digit errors", "s"]
    rows = [header]
    found = {(row["set"], row["kind"], row["engine"]): row for row in scores}
    groups = sorted({key[:2] for key in found}, key=lambda key: (key[0], key[1] == "all", key[1]))
    for place, kind in groups:
        cells = [found[place, kind, engine] for engine in versions]
        row = [place, kind, str(cells[0]["pictures"])]
        for cell in cells:
            rate, seconds = cell["digit_error_rate"], cell["median_seconds"]
            row += [
                f"{cell['exact_share']:.1%}",
                "–" if rate is None else f"{rate:.1%}",
                "–" if seconds is None else f"{seconds:.3f}",
            ]
        rows.append(row)
    print("\n".join(format_columns(rows, "<<>" + ">>>" * len(versions))))
    for cell in scores:
        if cell["kind"] == "all" and cell["failed"]:
            print(f"{cell['engine']} could not open {cell['failed']} pictures of {cell['set']}")


if __name__ == "__main__":
    main()
