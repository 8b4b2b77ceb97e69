"""Files in a folder that are known by their SHA-256: which are whole, missing or damaged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from inkdigits.data.folder import compute_sha256
from inkdigits.errors import DataFormatError, DataUnavailableError


def check_file(path: Path, sha256: str) -> Literal["whole", "missing", "damaged"]:
    """How a file lies there.

    Args:
        path: The file.
        sha256: Of its content, as 64 hexadecimal digits.

    Raises:
        DataUnavailableError: It is there but cannot be read.
    """
    try:
        return "whole" if compute_sha256(path.read_bytes()) == sha256 else "damaged"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        raise DataUnavailableError(
            f"{path} cannot be read: {error.strerror}; check the file and its permissions"
        ) from error


def require_whole(folder: Path, sha256: Mapping[str, str], remedy: str) -> None:
    """Make sure that every file is there, byte for byte.

    Args:
        folder: Where the files lie.
        sha256: Of each file, by its name.
        remedy: The call that fetches them, for the message of an error.

    Raises:
        DataUnavailableError: A file is missing or cannot be read.
        DataFormatError: A file has another content.
    """
    states = {file: check_file(folder / file, digest) for file, digest in sha256.items()}
    if missing := [file for file, state in states.items() if state == "missing"]:
        raise DataUnavailableError(
            f"{folder} lacks {len(missing)} of {len(states)} files, such as {missing[0]}: "
            f"fetch them with {remedy}"
        )
    if damaged := [file for file, state in states.items() if state == "damaged"]:
        raise DataFormatError(
            f"{folder / damaged[0]} has another SHA-256 than it was published with: remove it and "
            f"fetch it again with {remedy}"
        )


def list_unfetched(folder: Path, sha256: Mapping[str, str], *, replace: bool) -> list[str]:
    """The names of the files that are to be fetched.

    Args:
        folder: Where the files lie.
        sha256: Of each file, by its name.
        replace: Whether a file with another content is fetched anew.

    Raises:
        DataUnavailableError: A file is there but cannot be read.
        DataFormatError: A file has another content, and `replace` is False.
    """
    states = {file: check_file(folder / file, digest) for file, digest in sha256.items()}
    for file, state in states.items():
        if state == "damaged" and not replace:
            raise DataFormatError(
                f"{folder / file} has another SHA-256 than it was published with and is not "
                "overwritten: move it away to fetch it"
            )
    return [file for file, state in states.items() if state != "whole"]
