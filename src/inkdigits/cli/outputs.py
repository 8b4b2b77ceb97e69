"""Outputs that the user named: nothing that exists is overwritten without --force."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from inkdigits.errors import OutputExistsError, UsageError

REPORT_MARKS = ("comparison.json", "evaluation.json", "pictures.json")
"""A folder with one of these files is that of an earlier report."""


def check_file(path: Path, option: str, *, force: bool, inputs: Iterable[object] = ()) -> None:
    """Checks that a file may be written, before anything is computed for it.

    Args:
        path: The file.
        option: The option that names it, for the error message.
        force: Whether it may replace an existing file.
        inputs: What the command reads; the files among it are never replaced.

    Raises:
        OutputExistsError: There is a folder at the path; or a file, without `force`.
        UsageError: The file is one of the inputs.
    """
    if not path.exists():
        return
    if path.is_dir():
        raise OutputExistsError(f"{path} is a folder: name a file for {option}")
    if not force:
        raise OutputExistsError(
            f"{path} already exists: choose another file for {option}, or replace it with --force"
        )
    if any(_is_same(path, given) for given in inputs):
        raise UsageError(f"{path} is read by this command: choose another file for {option}")


def describe_write(path: Path) -> str:
    """Returns "replaced PATH" or "wrote PATH", for a file that is about to be written."""
    return f"{'replaced' if path.exists() else 'wrote'} {path}"


def check_report(folder: Path, *, force: bool, marks: Collection[str] = REPORT_MARKS) -> None:
    """Checks that a report may be written into a folder, before anything is measured.

    Args:
        folder: The folder. It may be missing or empty.
        force: Whether an earlier report in it may be replaced.
        marks: Files of which an earlier report has at least one.

    Raises:
        OutputExistsError: There is a file at the path; or the folder contains files, without
            `force` any, else those of no report.
    """
    if folder.is_dir():
        names = {path.name for path in folder.iterdir()}
        if not names or (force and names & set(marks)):
            return
        hint = "choose another folder with --output"
        if names & set(marks):
            hint += ", or replace its report with --force"
        raise OutputExistsError(f"{folder} exists already and is not empty: {hint}")
    if folder.exists():
        raise OutputExistsError(f"{folder} is a file: choose another folder with --output")


def list_states(folder: Path) -> dict[str, tuple[int, int]]:
    """Returns the files of a folder with what changes when they are replaced."""
    if not folder.is_dir():
        return {}
    states = {path.name: path.stat() for path in folder.iterdir() if path.is_file()}
    return {name: (state.st_ino, state.st_mtime_ns) for name, state in states.items()}


def describe_report(folder: Path, before: Mapping[str, tuple[int, int]]) -> str:
    """Returns where a report is, and which files it has replaced.

    Args:
        folder: The folder of the report.
        before: The result of `list_states` before the report was written.
    """
    after = list_states(folder)
    replaced = sorted(name for name in before if after.get(name) != before[name])
    return f"report in {folder}" + (f"; replaced {', '.join(replaced)}" if replaced else "")


def _is_same(path: Path, given: object) -> bool:
    """Returns whether an input is the path of a file."""
    try:
        return isinstance(given, str | Path) and path.samefile(given)
    except (OSError, ValueError):  # it does not exist, or is the text of a picture
        return False
