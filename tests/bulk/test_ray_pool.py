"""Batches on Ray, which is started once for this file."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from inkdigits.bulk import batch
from inkdigits.bulk.rows import Row
from inkdigits.errors import DataFormatError, UsageError
from inkdigits.ray_clusters import connect_ray
from tests.bulk.conftest import N_FILES, without_time

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="Ray on other systems is not tried here"),
    pytest.mark.filterwarnings("ignore"),  # those of Ray itself
]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Ray on this machine."""
    with connect_ray("local", environment={"OMP_NUM_THREADS": "1"}) as connected:
        yield connected


def read_rows(folder: Path) -> list[Row]:
    return [
        row
        for part in sorted(folder.glob("part-*.parquet"))
        for row in parquet.read_table(part).to_pylist()
    ]


def test_the_rows_are_those_of_threads(ray: Any, scans: Path, tmp_path: Path) -> None:
    batch(scans, tmp_path / "threads")
    result = batch(scans, tmp_path / "ray", ray="local", workers=1)

    assert (result.n_files, result.n_read) == (N_FILES, N_FILES)
    assert without_time(read_rows(tmp_path / "ray")) == without_time(
        read_rows(tmp_path / "threads")
    )


def test_an_archive_that_ends_early_ends_the_batch_and_is_resumed_by_threads(
    ray: Any, scans: Path, tmp_path: Path
) -> None:
    path = tmp_path / "scans.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(scans, "scans")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3 // 512 * 512])
    with pytest.raises(DataFormatError, match="damaged tar file"):
        batch(path, tmp_path / "ray", ray="local", workers=1)
    n_before = len(read_rows(tmp_path / "ray"))
    path.write_bytes(whole)

    result = batch(path, tmp_path / "ray", resume=True)

    rows = read_rows(tmp_path / "ray")
    assert result.n_before >= 1
    assert n_before == result.n_before or n_before > result.n_before
    assert len({row["address"] for row in rows}) == N_FILES
    assert len(rows) == len({(row["address"], row["page"]) for row in rows})


def test_a_cluster_that_is_not_there_is_one_line(scans: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="invalid Ray address"):
        batch(scans, tmp_path / "readings", ray="not an address")
