from __future__ import annotations

import json
import runpy
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

import inkdigits
from inkdigits.benchmark.installation import find_closure, measure_distribution, measure_size
from inkdigits.benchmark.workplace import SLICE, Workplace

NEEDED = {
    "Alpha-Digits": ["beta_digits>=1", "gamma; extra == 'all'", "delta; python_version < '3'"],
    "beta.digits": ["alpha-digits", "epsilon; python_version >= '3'"],
    "epsilon": [],
    "gamma": [],
    "delta": [],
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Distributions as pip installs them: a package of 1,000 bytes, metadata, list of files."""
    for name, needed in NEEDED.items():
        stem = name.replace("-", "_").replace(".", "_").lower()
        information = tmp_path / f"{stem}-1.0.dist-info"
        information.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
        lines += [f"Requires-Dist: {line}" for line in needed]
        (information / "METADATA").write_text("\n".join(lines) + "\n")
        (tmp_path / f"{stem}.py").write_bytes(bytes(1_000))
        (tmp_path / f"{stem}.pyc").write_bytes(bytes(50_000))
        names = [f"{stem}.py", f"{stem}.pyc", f"{stem}_gone.py", f"{information.name}/METADATA"]
        (information / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alpha_digits", {"Alpha-Digits", "beta.digits", "epsilon"}),
        ("beta-digits", {"Alpha-Digits", "beta.digits", "epsilon"}),
        ("epsilon", {"epsilon"}),
    ],
)
def test_closure(installed: Path, name: str, expected: set[str]) -> None:
    found = [item.name for item in find_closure(name)]

    assert set(found) == expected
    assert len(found) == len(expected)


def test_closure_of_what_is_not_there(installed: Path) -> None:
    with pytest.raises(PackageNotFoundError):
        find_closure("zeta-digits")


def test_bytes_of_a_distribution(installed: Path) -> None:
    metadata = (installed / "epsilon-1.0.dist-info" / "METADATA").stat().st_size

    assert measure_distribution(distribution("epsilon")) == 1_000 + metadata


def test_own_package_counts_where_it_lies() -> None:
    package = Path(inkdigits.__file__).parent
    own = sum(f.stat().st_size for f in package.rglob("*") if f.is_file() and f.suffix != ".pyc")

    assert own <= measure_distribution(distribution("inkdigits")) < own + 200_000


def test_the_published_sizes_add_up() -> None:
    root = Path(__file__).parents[2]
    script = runpy.run_path(str(root / "measurements" / "install_size.py"))
    result = json.loads((root / "results" / "install-size.json").read_text(encoding="utf-8"))

    assert result["limit_mb"] == script["LIMIT_MB"]
    assert result["total_mb"] <= result["limit_mb"]
    assert sum(result["distributions_mb"].values()) == pytest.approx(result["total_mb"], abs=0.2)
    assert not [name for name in result["distributions_mb"] if "opencv" in name]
    table = script["format_result"](result)
    assert f"{result['total_mb']:.1f} MB" in table


def test_size_against_tensorflow(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    result = measure_size(Workplace(tmp_path, SLICE))

    ours, theirs, share = (figure.value for figure in result.figures)
    numpy_mb = (
        sum(
            Path(str(file.locate())).stat().st_size
            for file in distribution("numpy").files or ()
            if file.suffix != ".pyc"
        )
        / 1e6
    )
    assert numpy_mb < ours < theirs
    assert share == pytest.approx(ours / theirs)
