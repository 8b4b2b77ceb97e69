"""Writes `first-ten-minutes.md`: what three new users type, and what they see.

python docs/write_first_minutes.py
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from model_stamp import format_stamp

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "first-ten-minutes.md"
MAX_LINES = 30
_TIMES = re.compile(r"\d+(\.\d+)? (ms|s|min)\b")

TRUNCATE = "head -c 300 photos/7.jpg > photos/broken.jpg"
"""A command of the second user, who has a file that was not copied to the end."""


@dataclass(frozen=True)
class User:
    """A user, and what she types.

    Attributes:
        who: The title of the section.
        wants: One sentence.
        steps: Pairs of a sentence and a shell command.
    """

    who: str
    wants: str
    steps: tuple[tuple[str, str], ...]


USERS = (
    User(
        "A student",
        "She has heard of MNIST, and wants to train a network and see what it can do.",
        (
            ("She mistypes the first command.", "inkdigits trian smoke"),
            ("Which networks are there?", "inkdigits recipes"),
            ("The smallest one takes less than a minute.", "inkdigits train smoke --quiet"),
            ("How good is it?", "inkdigits evaluate runs/smoke"),
            (
                "The same again: the report gets another name.",
                "inkdigits evaluate runs/smoke | tail -1",
            ),
            (
                "A digit of her own.",
                "inkdigits predict samples/4-thick-marker.png --model runs/smoke",
            ),
            (
                "Could it get better with more epochs?",
                "inkdigits train --resume runs/smoke --set epochs=4",
            ),
        ),
    ),
    User(
        "A programmer who reads photographs",
        "She has a folder of photographs, and wants numbers in her program.",
        (
            (
                "Her folder; one file was not copied to the end.",
                "mkdir photos; cp samples/1984-on-ruled-paper.jpg photos/; "
                "cp samples/5-photo-in-shadow.jpg photos/7.jpg; " + TRUNCATE,
            ),
            ("All of it, as a table.", "inkdigits predict photos --csv -"),
            (
                "From Python.",
                'python -c "import inkdigits; '
                "reading = inkdigits.predict('photos/1984-on-ruled-paper.jpg'); "
                'print(repr(reading)); print(reading.text, reading.confidence)"',
            ),
            (
                "One digit is expected, but there are four.",
                'python -c "import inkdigits; '
                "inkdigits.predict_digit('photos/1984-on-ruled-paper.jpg')\" 2>&1 | tail -1",
            ),
            (
                "Pictures with boxes, the digits, a table and JSON, in one folder.",
                "inkdigits predict photos --save; find predictions -type f | sort",
            ),
        ),
    ),
    User(
        "A researcher who compares models",
        "She trains the same recipe twice, and wants to know whether a difference means anything.",
        (
            ("Two seeds.", "for seed in 0 1; do inkdigits train smoke --seed $seed --quiet; done"),
            ("Mean and SD over the seeds.", "inkdigits evaluate runs/smoke runs/smoke-2 | tail -3"),
            ("A misspelt name is noticed first.", "inkdigits compare runs/smok default"),
            (
                "Beside the default model, on other people's digits.",
                "inkdigits compare runs/smoke default --suite digits8x8 --limit 200 "
                "--output comparison",
            ),
            ("What lies in the report.", "ls comparison"),
        ),
    ),
)


def main() -> None:
    """Types all commands in a new folder for each user, and writes the page."""
    parts = [
        f"<!-- {format_stamp()} -->",
        "# The first ten minutes of three users",
        "This page is a transcript, written by `docs/write_first_minutes.py`. Times differ between "
        "machines, so they are left out.",
    ]
    for user in USERS:
        parts += [f"## {user.who}", user.wants]
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "samples", Path(folder) / "samples")
            for sentence, command in user.steps:
                print(command, flush=True)
                output = run(command, Path(folder))
                parts += [sentence, "\n".join(["```", f"$ {command}", *output, "```"])]
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(PAGE)


def run(command: str, folder: Path) -> list[str]:
    """Runs a command as a shell does, and returns its output, without paths and times."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    text = ended.stdout.replace(f"{folder}/", "").replace(str(Path.home()), "~")
    lines = _TIMES.sub("…", text).rstrip().splitlines()
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], f"… {len(lines) - MAX_LINES + 1} more lines"]
    return [*lines, *([f"[exit status {ended.returncode}]"] if ended.returncode else [])]


if __name__ == "__main__":
    main()
