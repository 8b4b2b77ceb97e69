"""Checks of downloaded files against their known SHA-256."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from inkdigits.data.folder import compute_sha256
from inkdigits.errors import DataFormatError, DataUnavailableError


def check_file(path: Path, sha256: str) -> Literal["whole", "missing", "damaged"]:
    """Compares a file with its expected SHA-256.

    Args:
        path: The file.
        sha256: Expected SHA-256 of its content, as 64 hexadecimal digits.

    Returns:
        "whole" if the SHA-256 matches, else "missing" or "damaged".

    Raises:
        DataUnavailableError: The file exists but cannot be read.
    """
    try:
        return "whole" if compute_sha256(path.read_bytes()) == sha256 else "damaged"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        raise DataUnavailableError(
            f"{path} cannot be read ({error.strerror}): check the file and its permissions"
        ) from error


def check_complete(folder: Path, sha256: Mapping[str, str], remedy: str) -> None:
    """Checks that every file exists and has the expected SHA-256.

    Args:
        folder: Folder of the files.
        sha256: File name to expected SHA-256.
        remedy: The call that downloads the files, for error messages.

    Raises:
        DataUnavailableError: A file is missing or cannot be read.
        DataFormatError: A file has another SHA-256.
    """
    states = {file: check_file(folder / file, digest) for file, digest in sha256.items()}
    if missing := [file for file, state in states.items() if state == "missing"]:
        raise DataUnavailableError(
            f"{len(missing)} of {len(states)} files are missing in {folder}, such as "
            f"{missing[0]}: download them with {remedy}"
        )
    if damaged := [file for file, state in states.items() if state == "damaged"]:
        raise DataFormatError(
            f"{folder / damaged[0]} does not match its published SHA-256: remove it and download "
            f"it again with {remedy}"
        )


def list_files_to_download(folder: Path, sha256: Mapping[str, str], *, replace: bool) -> list[str]:
    """Returns the names of the files that must be downloaded.

    Args:
        folder: Folder of the files.
        sha256: File name to expected SHA-256.
        replace: Whether to download a damaged file again.

    Raises:
        DataUnavailableError: A file exists but cannot be read.
        DataFormatError: A file has another SHA-256, and `replace` is False.
    """
    states = {file: check_file(folder / file, digest) for file, digest in sha256.items()}
    for file, state in states.items():
        if state == "damaged" and not replace:
            raise DataFormatError(
                f"{folder / file} does not match its published SHA-256 and is not overwritten: "
                "move it away to download it again"
            )
    return [file for file, state in states.items() if state != "whole"]
