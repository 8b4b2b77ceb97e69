"""Types the commands of the first page and the tutorials, and writes what they print below them.

python docs/drawing/write_transcripts.py
python docs/drawing/write_transcripts.py docs/tutorials/building.md

A block ```console holds commands after "$ ". The output below each of them is replaced. A block
```python title="NAME" is the file NAME. A picture below a comment `<!-- from PATH -->` is replaced
by the file that the commands have written at PATH. Each page has a new folder with the samples.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from model_stamp import format_stamp, save_picture
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "docs" / "start" / "five-minutes.md",
    *sorted((ROOT / "docs" / "tutorials").glob("*.md")),
)
MAX_LINES = 40
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r'^```python title="([^"\n]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_PICTURE = re.compile(r"^<!-- from (\S+) -->\n!\[.*\]\((\S+)\)$", re.MULTILINE)
_STAMP = re.compile(r"\A<!-- .* -->\n")
_TIMES = re.compile(r"\d+(\.\d+)? (ms|s|min)\b")
_END = "END-OF-COMMAND"
"""What the shell prints after each command, with its exit status."""


def main() -> None:
    """Writes the pages that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pages", nargs="*", type=Path, default=PAGES)
    for page in parser.parse_args().pages:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "samples", Path(folder) / "samples")
            write_page(page.resolve(), Path(folder))
        print(page)


def write_page(page: Path, folder: Path) -> None:
    """Types the commands of a page in a folder, and writes their output into the page."""
    text = page.read_text(encoding="utf-8")
    for name, content in _FILE.findall(text):
        (folder / name).write_text(content, encoding="utf-8")
    blocks = [list_commands(block) for block in _BLOCK.findall(text)]
    outputs = iter(run([command for block in blocks for command in block], folder))
    written = iter(
        "\n".join(line for command in block for line in (f"$ {command}", *next(outputs)))
        for block in blocks
    )
    text = _BLOCK.sub(lambda _: f"```console\n{next(written)}\n```", text)
    for source, target in _PICTURE.findall(text):
        place = page.parent / target
        place.parent.mkdir(parents=True, exist_ok=True)
        if not (folder / source).is_file():
            raise SystemExit(f"{page}: the commands have not written {source}")
        with Image.open(folder / source) as picture:
            save_picture(picture.convert("RGB").quantize(128), place)
    page.write_text(_STAMP.sub(f"<!-- {format_stamp()} -->\n", text), encoding="utf-8")


def list_commands(block: str) -> list[str]:
    """Returns the commands of a block, without the output below each."""
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def run(commands: list[str], folder: Path) -> list[list[str]]:
    """Types commands in one shell.

    Returns:
        The lines that each of them printed, without times and the path of the folder.
    """
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    script = "exec 2>&1; set -m\n" + "\n".join(f"{command}\necho {_END} $?" for command in commands)
    ended = subprocess.run(
        ["bash"],
        cwd=folder,
        env=environment,
        input=script,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    text = ended.stdout.replace(f"{folder}/", "").replace(str(Path.home()), "~")
    *outputs, _ = re.split(rf"{_END} (\d+)\n", text)
    return [
        shorten(_TIMES.sub("…", output), int(status))
        for output, status in zip(outputs[::2], outputs[1::2], strict=True)
    ]


def shorten(text: str, status: int) -> list[str]:
    """Returns the lines of an output, and the exit status if it is not 0."""
    lines = text.rstrip().splitlines()
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], f"… {len(lines) - MAX_LINES + 1} more lines"]
    return [*lines, *([f"[exit status {status}]"] if status else [])]


if __name__ == "__main__":
    main()
