"""Handwriting fonts and printed fonts for drawing training pages.

The fonts come from the npm packages `@fontsource/*`, each pinned to one version, and are stored in
the folder `fonts` of the download cache. `fonts.json` beside this file lists every package with its
version, its licence and the SHA-256 of the files that are used: WOFF files with the Latin alphabet,
upright and of normal weight, and also the bold one where it adds a clearly thicker pen.

According to its `package.json` and `LICENSE`, every font is free: under the SIL Open Font License
1.1 ("OFL-1.1") or the Apache License 2.0 ("Apache-2.0"). Neither licence applies to pictures drawn
with a font, or to a network trained on them. The fonts are not part of this package.

Fonts are split by their designer: no designer of a font in "validation" or "held-out" has a font
in another part. "validation" is for choosing settings, and "held-out" only for measuring. The
fonts of "training" are not all different hands: the fonts of the family Playwrite, which show the
school handwriting of many countries, share their digits, upright or slanted, and differ in their
letters; and some people designed several fonts.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Final, Literal, get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from inkdigits.data.folder import cache_directory, compute_sha256
from inkdigits.data.sources import SourceFailedError, run_npm_pack
from inkdigits.data.verified import check_complete, list_files_to_download
from inkdigits.errors import DataUnavailableError, InkdigitsError, UsageError
from inkdigits.files import write_whole

Kind = Literal["handwriting", "printed"]
Part = Literal["training", "validation", "held-out"]

_BATCH: Final = 6
"""Packages per call of npm. Starting npm takes longer than downloading a small package; after a
lost connection, at most one batch is downloaded again. All of "training" took 19 s with batches of
6 and 12 s with batches of 14."""

_N_PROCESSES: Final = 4
"""Calls of npm that run in parallel. On two cores, four took 19 s and two took 25 s."""

_MAX_BYTES: Final = 2**21
"""Maximum size of a font file; the largest in the table has 0.1 MB."""


@dataclass(frozen=True)
class Font:
    """A font in a local file.

    Attributes:
        name: Name such as "caveat" or "caveat bold".
        path: A WOFF file, which `PIL.ImageFont.truetype` can open. It contains the digits, Latin
            letters and common punctuation.
        kind: Whether its digits look handwritten or printed.
        part: "training", "validation" for choosing settings, or "held-out" for measuring only.
        licence: "OFL-1.1" or "Apache-2.0".
    """

    name: str
    path: Path
    kind: Kind
    part: Part
    licence: str


@dataclass(frozen=True)
class FontPackage:
    """An npm package of the table, and the files that are used from it.

    Attributes:
        name: Name of the package, such as "@fontsource/caveat".
        version: The pinned version.
        licence: "OFL-1.1" or "Apache-2.0", as the package states.
        kind: As in `Font`.
        part: As in `Font`.
        sha256: File name to its SHA-256 as 64 hexadecimal digits, for each file that is used.
    """

    name: str
    version: str
    licence: str
    kind: Kind
    part: Part
    sha256: Mapping[str, str]

    @property
    def archive(self) -> str:
        """File name of the archive that `npm pack` creates."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


@lru_cache
def list_font_packages() -> tuple[FontPackage, ...]:
    """Returns all packages of the table, sorted by name."""
    table = json.loads(resources.files("inkdigits.data").joinpath("fonts.json").read_text("utf-8"))
    return tuple(FontPackage(name=name, **entry) for name, entry in table.items())


def load_fonts(part: Part = "training", *, directory: Path | str | None = None) -> tuple[Font, ...]:
    """Loads the fonts of one part from local files.

    Args:
        part: "training", "validation" or "held-out".
        directory: The folder of the files. None: `fonts` in the download cache.

    Returns:
        All fonts of that part, of both kinds, sorted by name.

    Raises:
        UsageError: The part is unknown.
        DataUnavailableError: A file is missing or cannot be read.
        DataFormatError: A file does not match its SHA-256 in the table.
    """
    packages, folder = _choose(part), _font_folder(directory)
    sha256 = {file: digest for package in packages for file, digest in package.sha256.items()}
    check_complete(folder, sha256, f"inkdigits.data.fetch_fonts({part!r})")
    return tuple(
        Font(_name_font(file), folder / file, package.kind, package.part, package.licence)
        for package in packages
        for file in package.sha256
    )


def fetch_fonts(
    part: Part = "training", *, directory: Path | str | None = None, progress: bool = False
) -> tuple[Font, ...]:
    """Loads the fonts of one part; downloads missing ones first, with npm.

    A file is accepted only if it matches its SHA-256. Files that were downloaded before an error
    are kept.

    Args:
        part: "training" (downloads about 120 MB and keeps 4 MB of them), "validation" or
            "held-out".
        directory: The folder to store the files in. None: `fonts` in the download cache, where
            damaged files are replaced.
        progress: Whether to show on stderr how many packages have been downloaded.

    Returns:
        All fonts of that part, of both kinds, sorted by name.

    Raises:
        UsageError: The part is unknown.
        DataUnavailableError: A package cannot be downloaded or does not match the table, or the
            folder cannot be read.
        DataFormatError: `directory` contains another file under the name of a font, which is not
            overwritten.
        OutputError: The folder cannot be written.
    """
    packages, folder = _choose(part), _font_folder(directory)
    wanted = [
        package
        for package in packages
        if list_files_to_download(folder, package.sha256, replace=directory is None)
    ]
    if wanted:
        _fetch_packages(wanted, folder, shown=progress)
    return load_fonts(part, directory=directory)


def _choose(part: str) -> list[FontPackage]:
    if part not in get_args(Part):
        raise UsageError(
            f"unknown part of the fonts {part!r}: choose {' or '.join(get_args(Part))}"
        )
    return [package for package in list_font_packages() if package.part == part]


def _font_folder(directory: Path | str | None) -> Path:
    return cache_directory() / "fonts" if directory is None else Path(directory).expanduser()


def _name_font(file: str) -> str:
    family, _, style = file.partition("-latin-")
    return family if style.startswith("400") else f"{family} bold"


def _fetch_packages(packages: Sequence[FontPackage], folder: Path, *, shown: bool) -> None:
    """Downloads batches of packages in parallel; after a failure, no further batch is started."""
    batches = [packages[start : start + _BATCH] for start in range(0, len(packages), _BATCH)]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        Progress(*columns, console=Console(stderr=True), disable=not shown) as progress,
        ThreadPoolExecutor(_N_PROCESSES) as executor,
    ):
        task = progress.add_task("fonts", total=len(packages))
        futures = {executor.submit(_fetch_batch, batch, folder): batch for batch in batches}
        try:
            for future in as_completed(futures):
                future.result()
                progress.advance(task, len(futures[future]))
        except SourceFailedError as error:
            raise DataUnavailableError(
                f"the fonts cannot be downloaded with npm ({error}): check the network and try "
                "again; files that were downloaded are kept"
            ) from error
        finally:
            executor.shutdown(cancel_futures=True)


def _fetch_batch(packages: Sequence[FontPackage], folder: Path) -> None:
    """Downloads packages with one call of npm and writes the files that are used."""
    try:
        with tempfile.TemporaryDirectory(prefix="inkdigits-") as temporary:
            run_npm_pack(
                [f"{package.name}@{package.version}" for package in packages], Path(temporary)
            )
            for package in packages:
                archive = Path(temporary, package.archive)
                for file, content in _read_archive(archive, package).items():
                    with write_whole(folder / file) as path:
                        path.write_bytes(content)
    except InkdigitsError:
        raise  # from write_whole: its message is more helpful than that of an OSError
    except OSError as error:
        raise SourceFailedError(str(error)) from error


def _read_archive(path: Path, package: FontPackage) -> dict[str, bytes]:
    """Reads the files that are used from the archive of a package."""
    contents = {}
    try:
        with tarfile.open(path) as archive:
            for file, digest in package.sha256.items():
                member = archive.getmember(f"package/files/{file}")
                content = archive.extractfile(member) if member.isfile() else None
                if content is None or member.size > _MAX_BYTES:
                    raise SourceFailedError(
                        f"{file} of {package.name} is not a file of at most {_MAX_BYTES:,} bytes"
                    )
                contents[file] = content.read()
                if compute_sha256(contents[file]) != digest:
                    raise SourceFailedError(
                        f"{file} of {package.name} does not match its SHA-256 in the font table"
                    )
    except (tarfile.TarError, OSError, EOFError, zlib.error, KeyError) as error:
        raise SourceFailedError(
            f"the archive of {package.name} is missing or damaged: {error}"
        ) from error
    return contents
