"""Writes a model as a repository of the Hugging Face hub: model, card, and example code."""

from __future__ import annotations

import re
import shutil
import tempfile
from importlib import resources
from pathlib import Path
from typing import Final

from inkdigits.data.folder import compute_sha256
from inkdigits.errors import DataUnavailableError, ModelError, OutputError, OutputExistsError
from inkdigits.recognition import DEFAULT_MODEL, DEFAULT_TILE_MODEL
from inkdigits.recognition.card import Card, ReaderCard, is_reader_card, locate_card
from inkdigits.recognition.session import Session
from inkdigits.reporting.model_card import load_figures, write_model_card

SHIPPED: Final = {"reader": DEFAULT_MODEL, "tiles": DEFAULT_TILE_MODEL}
"""The models that come with inkdigits, by the names under which they are exported."""

_ATTRIBUTES: Final = "*.onnx filter=lfs diff=lfs merge=lfs -text\n"
"""Models are kept by Git LFS, as the hub asks for."""


def write_hub_folder(
    model: Path | str,
    output: Path | str,
    *,
    results: Path | str | None = None,
    limits: Path | str | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes a model with its card and examples into a folder that can be pushed to the hub.

    The folder is also a model: `inkdigits predict --model FOLDER` reads with it.

    Args:
        model: "reader" or "tiles" for the models that come with inkdigits; or an `.onnx` file with
            its card, or the folder of a run.
        output: The folder to write.
        results: A folder with the files `suite-NAME.json` that `inkdigits evaluate --suite NAME
            --json` printed, for the figures of the card. None: the card has no table of figures.
        limits: A Markdown file whose text before its first second-level heading says what the
            model cannot do.
        overwrite: Whether an earlier folder of this kind is replaced.

    Returns:
        The folder.

    Raises:
        ModelError: The model or its card is missing or damaged.
        DataUnavailableError, DataFormatError: `results` or `limits` is missing or damaged.
        OutputExistsError, OutputError: The folder exists already, or cannot be written.
    """
    path, output = _locate(model), Path(output)
    is_reader = is_reader_card(locate_card(path))
    card = (ReaderCard if is_reader else Card).load(locate_card(path))
    session = Session(path, n_threads=1)
    if results is not None and not Path(results).is_dir():
        raise DataUnavailableError(f"no such folder: {results}; expected files suite-NAME.json")
    _check_replaceable(output, overwrite=overwrite)
    text = write_model_card(
        card,
        session,
        sha256=compute_sha256(path.read_bytes()),
        figures=() if results is None else load_figures(Path(results), is_reader=is_reader),
        limits="" if limits is None else _read_limits(Path(limits)),
    )
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".hub-") as folder:
            complete = Path(folder) / "hub"
            _fill(complete, path, text, is_reader=is_reader)
            if output.exists():
                shutil.rmtree(output)
            complete.replace(output)
    except OSError as error:
        raise OutputError(
            f"{output} cannot be written ({error.strerror or error}): free some space or choose "
            "another folder"
        ) from error
    return output


def _locate(model: Path | str) -> Path:
    """Returns the ONNX file of a model."""
    if not Path(model).exists() and str(model) in SHIPPED:
        return SHIPPED[str(model)]
    path = Path(model) / "model.onnx" if Path(model).is_dir() else Path(model)
    if path.suffix != ".onnx" or not path.is_file():
        names = " or ".join(SHIPPED)
        raise ModelError(
            f"no ONNX model at {model}: expected {names}, a run folder, or an .onnx file with its "
            "card"
        )
    return path


def _check_replaceable(output: Path, *, overwrite: bool) -> None:
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    is_ours = (output / "model.onnx").is_file() and (output / ".gitattributes").is_file()
    if not (is_ours and overwrite) or (output / ".git").exists():
        hint = ", or replace it with --force" if is_ours else ""
        raise OutputExistsError(f"{output} exists already: choose another folder{hint}")


def _fill(folder: Path, model: Path, text: str, *, is_reader: bool) -> None:
    folder.mkdir()
    shutil.copyfile(model, folder / "model.onnx")
    shutil.copyfile(locate_card(model), folder / "model.json")
    (folder / "README.md").write_text(text, encoding="utf-8", newline="\n")
    (folder / ".gitattributes").write_text(_ATTRIBUTES, encoding="utf-8", newline="\n")
    source = resources.files("inkdigits.reporting") / "hub_examples"
    (folder / "examples").mkdir()
    own = source / ("reader" if is_reader else "tiles")
    for item in (*source.iterdir(), *own.iterdir()):
        if item.is_file():
            (folder / "examples" / item.name).write_bytes(item.read_bytes())


def _read_limits(path: Path) -> str:
    """Returns the text of a Markdown file up to its first second-level heading.

    Its title goes, and links to other files become plain text, as these are not in the folder.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataUnavailableError(f"{path} cannot be read as text: {error}") from error
    text = re.split(r"^## ", re.sub(r"\A# .*\n", "", text), maxsplit=1, flags=re.MULTILINE)[0]
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)
