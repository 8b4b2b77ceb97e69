"""Follows the first page of the docs as a newcomer does: installs, reads, trains, measures.

The blocks of `docs/start/five-minutes.md` are typed into one shell, in a copy of the checkout, with
a home of its own, no caches, and no packages but those that the page installs. What they print must
be what the page shows, but for the numbers that differ between machines. The script stops at the
first block that fails or prints something else.

    python measurements/newcomer.py
    python measurements/newcomer.py --python python3.12 --json

Takes minutes, and needs a package index and a way to MNIST.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from inkdigits.benchmark import describe_machine

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "start" / "five-minutes.md"
PASSED_ON = re.compile(r"PIP_|NPM_|.*_PROXY$|.*CA_(BUNDLE|CERTS)$|SSL_CERT", re.IGNORECASE)
"""Variables that say how to reach package indexes; all others are left out."""
_BLOCK = re.compile(r"^```(sh|python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DIFFERS = re.compile(r"\d+(\.\d+)? (ms|s|min)\b|(> )?\d+\.\d+|\b\d{2,3}\b|\d+(?= cores)|…")
"""Shares, counts, cores and times. Digits that were read, and years, are compared."""


@dataclass(frozen=True)
class Step:
    """One block of the page.

    Attributes:
        script: What is typed into the shell.
        shown: The output that the page shows; empty if it shows none.
    """

    script: str
    shown: str


@dataclass(frozen=True)
class Outcome:
    """What a block did.

    Attributes:
        script: What was typed.
        seconds: Time that it took.
        output: What it printed, stderr included, if the page shows an output or it went wrong.
        problem: Why it is not what the page says; None if it is.
    """

    script: str
    seconds: float
    output: str
    problem: str | None


def main() -> int:
    """Follows the page, prints what each block did, and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="the Python that 'python3' is")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to follow")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    python = shutil.which(options.python)
    if python is None:
        raise SystemExit(f"no Python at {options.python}: expected the path of an interpreter")
    # What is found by its name may be a script that chooses an interpreter by the home folder.
    ask = [python, "-c", "import sys; print(sys.executable)"]
    python = subprocess.check_output(ask, text=True).strip()
    steps = list_steps(options.page.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        place = copy_checkout(Path(folder))
        outcomes = follow(steps, place, Path(python))
        size = sum(path.lstat().st_size for path in place.glob(".venv/**/*") if path.is_file())
    if options.json:
        machine = describe_machine()
        result = {
            "machine": {name: machine[name] for name in ("processor", "cores")},
            "python": subprocess.check_output([python, "--version"], text=True).strip(),
            "environment_mb": round(size / 1e6),
            "steps": [asdict(outcome) for outcome in outcomes],
        }
        print(json.dumps(result, indent=2, ensure_ascii=False))
    failed = [outcome for outcome in outcomes if outcome.problem is not None]
    for outcome in failed:
        print(f"{outcome.script}\n{outcome.output}\n{outcome.problem}", file=sys.stderr)
    return 1 if failed or len(outcomes) < len(steps) else 0


def list_steps(text: str) -> list[Step]:
    """Returns the blocks of a page that are typed, each with the output shown below it.

    Raises:
        SystemExit: The page has none.
    """
    steps = []
    for language, block in _BLOCK.findall(text):
        if language == "console":
            lines = block.splitlines()
            typed = [line[2:] for line in lines if line.startswith("$ ")]
            shown = [line for line in lines if not line.startswith("$ ")]
            steps.append(Step("\n".join(typed) + "\n", "\n".join(shown)))
        elif language == "python":
            steps.append(Step(f"python - <<'END_OF_BLOCK'\n{block}END_OF_BLOCK\n", ""))
        else:
            steps.append(Step(block, ""))
    if not steps:
        raise SystemExit("the page has no commands: expected blocks of sh or python")
    return steps


def copy_checkout(folder: Path) -> Path:
    """Copies the files of the checkout that git would keep, and returns the folder of the copy."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.check_output(command, cwd=ROOT, text=True).split("\0")
    place = folder / "inkdigits"
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)
    return place


def follow(steps: list[Step], place: Path, python: Path) -> list[Outcome]:
    """Types the steps into one shell, and stops at the first that is not as the page says.

    Args:
        steps: The blocks of the page.
        place: The working directory. Its parent gets the home and the folder of `python3`.
        python: The interpreter that is found as `python3`.
    """
    home, programs = place.parent / "home", place.parent / "bin"
    home.mkdir()
    programs.mkdir()
    # A link would not do: the interpreter finds its library beside the file that it is.
    (programs / "python3").write_text(f'#!/bin/sh\nexec "{python}" "$@"\n', encoding="utf-8")
    (programs / "python3").chmod(0o755)
    passed_on = {name: value for name, value in os.environ.items() if PASSED_ON.match(name)}
    environment = {
        **passed_on,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
    }
    outcomes: list[Outcome] = []
    shell = subprocess.Popen(
        ["bash", "--norc"],
        cwd=place,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with shell:
        for step in steps:
            outcomes.append(type_in(step, shell))
            if outcomes[-1].problem is not None:
                break
        shell.kill()
    return outcomes


def type_in(step: Step, shell: subprocess.Popen[str]) -> Outcome:
    """Types one block, and waits until it has ended.

    Each of its commands must succeed. The shell stays what the block made of it: an environment
    that it activated is active in the next block.
    """
    if shell.stdin is None or shell.stdout is None:
        raise ValueError("the shell has no pipes: expected stdin and stdout")
    started = time.monotonic()
    lines: list[str] = []
    end = "end-of-block"
    with contextlib.suppress(BrokenPipeError):  # the shell has ended, which the loop notices
        shell.stdin.write(f"set -e\n{step.script}\nset +e\necho {end}\n")
        shell.stdin.flush()
    has_ended = False
    for line in shell.stdout:
        has_ended = line.strip() == end
        if has_ended:
            break
        lines.append(line)
    output = "".join(lines)
    problem = None
    if not has_ended:
        problem = "a command of this block failed"
    elif not matches(step.shown, output):
        problem = f"the page shows:\n{step.shown}"
    # What installers print names the indexes of this machine.
    kept = output if step.shown or problem else ""
    return Outcome(step.script, round(time.monotonic() - started, 1), kept, problem)


def matches(shown: str, output: str) -> bool:
    """Returns whether an output has all the shown lines, in their order, but for some numbers."""
    lines = iter(_flatten(output))
    return all(line in lines for line in _flatten(shown))


def _flatten(text: str) -> list[str]:
    found = [" ".join(_DIFFERS.sub("…", line).split()) for line in text.splitlines()]
    return [line for line in found if line]


if __name__ == "__main__":
    raise SystemExit(main())
