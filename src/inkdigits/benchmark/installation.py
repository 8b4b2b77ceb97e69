"""Measures the installed size: inkdigits against TensorFlow, each with its dependencies."""

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
    """Adds up the installed files of both, without downloading anything.

    Raises:
        MissingExtraError: TensorFlow is not installed.
    """
    del place  # the installation does not depend on it
    ours = sum(measure_distribution(found) for found in find_closure("inkdigits"))
    theirs = sum(measure_distribution(found) for found in find_closure(_find_tensorflow()))
    return Result(
        "size",
        "installed files with all dependencies, without compiled modules",
        (),
        (
            Figure("inkdigits", ours / 1e6, "MB"),
            Figure("TensorFlow", theirs / 1e6, "MB"),
            Figure("inkdigits as a share of TensorFlow", ours / theirs, most=0.25),
        ),
    )


def find_closure(name: str) -> list[Distribution]:
    """Returns a distribution and all its direct and indirect dependencies without extras.

    Raises:
        PackageNotFoundError: The distribution or a dependency is not installed.
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
    """Returns the size in bytes of the files of a distribution, without compiled modules."""
    files = [Path(str(file.locate())) for file in found.files or ()]
    if canonicalize_name(found.name) == "inkdigits":
        # For an editable install, the list of files contains only a link to the checkout.
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
        "TensorFlow is not installed, but the size is compared with it: "
        'pip install "inkdigits[train]"'
    )
