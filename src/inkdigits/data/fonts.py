"""Fonts of handwriting and of print, whose characters training pages are written with.

They come from the packages `@fontsource/*` of npm, each at one version, and lie in the folder
`fonts` of our cache. `fonts.json` beside this file lists every package with its version, its
licence and the SHA-256 of the few files that are used of it: WOFF files with the Latin alphabet,
upright, of normal weight, and the bold one where a thicker pen says something new.

Every package says in its `package.json` and `LICENSE` that its font is free: under the SIL Open
Font License 1.1 ("OFL-1.1") or the Apache License 2.0 ("Apache-2.0"). Neither licence claims the
pictures that are drawn with a font, nor a network that has seen them. The fonts are not part of
this package.

Who draws a font decides its part: no hand of "validation" or "held-out" is in another. Settings
are chosen on "validation", and only what measures uses "held-out". Not every font of "training" is
another hand: the school hands of many countries that the family Playwrite shows share their digits,
upright or slanted, and differ in their letters, and some people drew several fonts.
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
from inkdigits.data.verified import list_unfetched, require_whole
from inkdigits.errors import DataUnavailableError, InkdigitsError, UsageError
from inkdigits.files import write_whole

Kind = Literal["handwriting", "printed"]
Part = Literal["training", "validation", "held-out"]

_BATCH: Final = 6
"""Packages that one npm fetches: starting it takes longer than one small package, and a line that
breaks off loses at most these. All of "training" took 19 s so, 12 s by fourteens."""

_N_PROCESSES: Final = 4
"""Instances of npm at once: two took 25 s for what four fetched in 19 s, on two cores."""

_MAX_BYTES: Final = 2**21
"""Of one font file; the largest in the table has 0.1 MB."""


@dataclass(frozen=True)
class Font:
    """A font that lies on this machine.

    Attributes:
        name: Such as "caveat", or "caveat bold".
        path: A WOFF file, which `PIL.ImageFont.truetype` opens as it is. It has the digits, Latin
            letters and common signs.
        kind: Whether its digits look written by hand or printed.
        part: "training", "validation" for choosing settings, or "held-out" for measuring alone.
        licence: "OFL-1.1" or "Apache-2.0".
    """

    name: str
    path: Path
    kind: Kind
    part: Part
    licence: str


@dataclass(frozen=True)
class FontPackage:
    """One line of the table: a package of npm and what is used of it.

    Attributes:
        name: Of the package, such as "@fontsource/caveat".
        version: The one version that is fetched.
        licence: What the package says: "OFL-1.1" or "Apache-2.0".
        kind: As in `Font`.
        part: As in `Font`.
        sha256: For each file used, by its name, its SHA-256 as 64 hexadecimal digits.
    """

    name: str
    version: str
    licence: str
    kind: Kind
    part: Part
    sha256: Mapping[str, str]

    @property
    def archive(self) -> str:
        """The name that `npm pack` gives to the package's archive."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


@lru_cache
def list_font_packages() -> tuple[FontPackage, ...]:
    """The whole table, by name."""
    table = json.loads(resources.files("inkdigits.data").joinpath("fonts.json").read_text("utf-8"))
    return tuple(FontPackage(name=name, **entry) for name, entry in table.items())


def load_fonts(part: Part = "training", *, directory: Path | str | None = None) -> tuple[Font, ...]:
    """The fonts of one part, from files on this machine.

    Args:
        part: "training", "validation" or "held-out".
        directory: The folder that holds the files; None is `fonts` in our cache.

    Returns:
        All fonts of that part, of both kinds, by name.

    Raises:
        UsageError: An unknown part.
        DataUnavailableError: A file is missing or cannot be read.
        DataFormatError: A file is another than the one in the table.
    """
    packages, folder = _choose(part), _font_folder(directory)
    sha256 = {file: digest for package in packages for file, digest in package.sha256.items()}
    require_whole(folder, sha256, f"inkdigits.data.fetch_fonts({part!r})")
    return tuple(
        Font(_name_font(file), folder / file, package.kind, package.part, package.licence)
        for package in packages
        for file in package.sha256
    )


def fetch_fonts(
    part: Part = "training", *, directory: Path | str | None = None, progress: bool = False
) -> tuple[Font, ...]:
    """The fonts of one part, of which those that are missing are fetched first, with npm.

    Each file is taken only with its SHA-256. What was fetched before an error stays.

    Args:
        part: "training" (some 120 MB to download, of which 4 MB are kept), "validation" or
            "held-out".
        directory: The folder to keep the files in. None is `fonts` in our cache, where a damaged
            file is fetched again.
        progress: Whether to show on stderr how many packages have come.

    Returns:
        All fonts of that part, of both kinds, by name.

    Raises:
        UsageError: An unknown part.
        DataUnavailableError: A package cannot be fetched, or is another than the one in the
            table; or the folder cannot be read.
        DataFormatError: `directory` holds another file under the name of a font, which is left
            alone.
        OutputError: The folder cannot be written.
    """
    packages, folder = _choose(part), _font_folder(directory)
    wanted = [
        package
        for package in packages
        if list_unfetched(folder, package.sha256, replace=directory is None)
    ]
    if wanted:
        _fetch_packages(wanted, folder, shown=progress)
    return load_fonts(part, directory=directory)


def _choose(part: str) -> list[FontPackage]:
    if part not in get_args(Part):
        raise UsageError(
            f"unknown part {part!r} of the fonts: choose {' or '.join(get_args(Part))}"
        )
    return [package for package in list_font_packages() if package.part == part]


def _font_folder(directory: Path | str | None) -> Path:
    return cache_directory() / "fonts" if directory is None else Path(directory).expanduser()


def _name_font(file: str) -> str:
    family, _, style = file.partition("-latin-")
    return family if style.startswith("400") else f"{family} bold"


def _fetch_packages(packages: Sequence[FontPackage], folder: Path, *, shown: bool) -> None:
    """Fetch in several batches at once; the first that fails ends all that have not begun."""
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
                f"the fonts cannot be fetched with npm: {error}; check the network and try again, "
                "what has come is kept"
            ) from error
        finally:
            executor.shutdown(cancel_futures=True)


def _fetch_batch(packages: Sequence[FontPackage], folder: Path) -> None:
    """Fetch packages with one npm and write the files that are used of them."""
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
        raise  # from write_whole, which says more than an OSError
    except OSError as error:
        raise SourceFailedError(str(error)) from error


def _read_archive(path: Path, package: FontPackage) -> dict[str, bytes]:
    """The files that are used of a package; nothing else is unpacked."""
    contents = {}
    try:
        with tarfile.open(path) as archive:
            for file, digest in package.sha256.items():
                member = archive.getmember(f"package/files/{file}")
                content = archive.extractfile(member) if member.isfile() else None
                if content is None or member.size > _MAX_BYTES:
                    raise SourceFailedError(
                        f"{file} of {package.name} is no file of a sensible size"
                    )
                contents[file] = content.read()
                if compute_sha256(contents[file]) != digest:
                    raise SourceFailedError(
                        f"{file} of {package.name} has another SHA-256 than our table says"
                    )
    except (tarfile.TarError, OSError, EOFError, zlib.error, KeyError) as error:
        raise SourceFailedError(
            f"the archive of {package.name} is missing or damaged: {error}"
        ) from error
    return contents
