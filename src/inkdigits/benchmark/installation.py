"""How much room an installation takes: inkdigits against TensorFlow, each with all it needs."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from inkdigits.benchmark.result import Figure, Result
from inkdigits.benchmark.workplace import Workplace
from inkdigits.errors import MissingExtraError

TENSORFLOW = ("tensorflow", "tensorflow-cpu")


def measure_size(place: Workplace) -> Result:
    """Adds up the files of everything that is installed for each; nothing is downloaded.

    Raises:
        MissingExtraError: TensorFlow is not installed.
    """
    del place  # what is installed is the same everywhere
    ours = sum(measure_distribution(found) for found in find_closure("inkdigits"))
    theirs = sum(measure_distribution(found) for found in find_closure(_find_tensorflow()))
    return Result(
        "size",
        "files of the default install with all it needs, compiled modules left out",
        (),
        (
            Figure("inkdigits", ours / 1e6, "MB"),
            Figure("TensorFlow", theirs / 1e6, "MB"),
            Figure("inkdigits as a share of TensorFlow", ours / theirs, most=0.25),
        ),
    )


def find_closure(name: str) -> list[Distribution]:
    """A distribution and all that it needs without extras, directly or not, each once.

    Raises:
        PackageNotFoundError: The first of them is not installed.
    """
    found = {canonicalize_name(name): distribution(name)}
    waiting = list(found.values())
    while waiting:
        for needed in _list_needed(waiting.pop()):
            key = canonicalize_name(needed)
            if key not in found:
                found[key] = distribution(needed)
                waiting.append(found[key])
    return list(found.values())


def measure_distribution(found: Distribution) -> int:
    """Bytes of the files that came with a distribution, without compiled modules."""
    files = [Path(str(file.locate())) for file in found.files or ()]
    if canonicalize_name(found.name) == "inkdigits":
        # Of an editable install, the list of files names only where the checkout is.
        package = Path(__file__).parents[1]
        files = [file for file in files if package not in file.parents]
        files += [file for file in package.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files if file.suffix != ".pyc" and file.is_file())


def _list_needed(found: Distribution) -> Iterator[str]:
    for line in found.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name


def _find_tensorflow() -> str:
    for name in TENSORFLOW:
        try:
            distribution(name)
        except PackageNotFoundError:
            continue
        return name
    raise MissingExtraError(
        "TensorFlow is not installed, and is what the size is compared with: "
        'pip install "inkdigits[train]"'
    )
