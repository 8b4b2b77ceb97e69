"""Every form in which pictures may come, and what is wrong with some of them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow
import pytest
from pyarrow import parquet

from inkdigits.bulk import BatchResult, archives, batch
from inkdigits.bulk.batch_items import BatchItem, show_address
from inkdigits.bulk.batch_sources import find_source
from inkdigits.errors import DataFormatError, DataUnavailableError, MissingExtraError, UsageError
from tests.bulk.conftest import N_FILES, N_ROWS, draw_stroke, encode

MAX_BYTES = 100_000


def list_items(source: Path | str, **settings: Any) -> list[BatchItem]:
    found = find_source(str(source), max_bytes=MAX_BYTES, **settings)
    items = [item for shard in found.shards for item in shard.iterate(())]
    assert found.n_files in (None, len(items))
    return items


def list_names(items: list[BatchItem]) -> list[str]:
    return [Path(item.address.partition("::")[0]).name for item in items]


@pytest.fixture
def bucket(scans: Path) -> Iterator[str]:
    """The pictures in a storage behind an address."""
    system = fsspec.filesystem("memory")
    for path in scans.rglob("*.*"):
        system.pipe_file(f"/bucket/scans/{path.relative_to(scans).as_posix()}", path.read_bytes())
    yield "memory://bucket/scans"
    system.store.clear()
    system.pseudo_dirs.clear()


@pytest.fixture
def zip_file(scans: Path, tmp_path: Path) -> Path:
    path = tmp_path / "scans.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3):
            archive.write(scans / f"{number}.png", f"inner/{number}.png")
        archive.write(scans / "notes.txt", "notes.txt")
        archive.writestr("__MACOSX/0.png", b"no picture")
    return path


def test_a_folder_is_listed_with_its_subfolders(scans: Path) -> None:
    names = list_names(list_items(scans))

    assert len(names) == N_FILES
    assert {"0.png", "7.png", "pages.pdf", "broken.png"} <= set(names)
    assert "notes.txt" not in names


def test_a_glob_matches_in_subfolders(scans: Path) -> None:
    assert list_names(list_items(f"{scans}/**/[5-7].png")) == ["5.png", "6.png", "7.png"]


def test_a_list_names_each_picture_once(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scans)
    listed = tmp_path / "paths.txt"
    lines = [
        "1.png",
        str(scans / "0.png"),
        "",
        "more/6.png",
        "1.png",
        "missing.png",
        "http://a/b.png",
    ]
    listed.write_text("\r\n".join(lines), encoding="utf-8")

    items = list_items(listed)

    assert [item.address for item in items] == [
        *(str(scans / name) for name in ("1.png", "0.png", "more/6.png", "missing.png")),
        "http://a/b.png",
    ]
    result = batch(listed, tmp_path / "readings")
    rows = parquet.read_table(tmp_path / "readings" / "part-000000.parquet").to_pylist()
    assert (result.n_rows, result.n_errors) == (5, 2)
    assert "missing.png: no such file" in rows[3]["error"]
    assert "only with --allow-url" in rows[4]["error"]


def test_a_zip_file_is_read_without_unpacking_it(zip_file: Path, tmp_path: Path) -> None:
    items = list_items(zip_file)

    assert [item.address for item in items] == [
        f"zip://inner/{number}.png::{zip_file}" for number in range(3)
    ]
    with fsspec.open(items[1].address) as file:
        assert file.read() == items[1].content
    assert batch(zip_file, tmp_path / "readings").n_errors == 0


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz", ".tar.xz"])
def test_a_tar_file_is_read_from_start_to_end(suffix: str, scans: Path, tmp_path: Path) -> None:
    path = tmp_path / f"scans{suffix}"
    mode: Any = "w:" + {".tgz": "gz", ".tar": ""}.get(suffix, suffix[-2:])
    with tarfile.open(path, mode) as archive:
        archive.add(scans, "scans")
        archive.add(scans / "0.png", "scans/0.png")  # again

    items = list_items(path)

    assert len(items) == N_FILES
    contents = {item.address: item.content for item in items}
    assert contents[f"tar://scans/0.png::{path}"] == (scans / "0.png").read_bytes()
    assert list(find_source(str(path), max_bytes=9).shards[0].iterate(list(contents))) == []


@pytest.mark.parametrize("n_bytes", [2_300, 2_500, 4_096])
def test_a_cut_tar_file_gives_what_is_whole(n_bytes: int, scans: Path, tmp_path: Path) -> None:
    path = tmp_path / "scans.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(6):
            archive.add(scans / f"{number}.png", f"{number}.png")
    path.write_bytes(path.read_bytes()[:n_bytes])

    with pytest.raises(DataFormatError, match="damaged tar file"):
        batch(path, tmp_path / "readings")

    rows = parquet.read_table(tmp_path / "readings" / "part-000000.parquet").to_pylist()
    assert [row["error"] for row in rows] == [None] * len(rows)
    assert 1 <= len(rows) < 6


def test_what_an_archive_hides_is_a_row_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encode(draw_stroke(0))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(MAX_BYTES + 1))
        archive.writestr("damaged.png", content)
        archive.writestr("good.png", content)
    packed = bytearray(buffer.getvalue())
    start = packed.index(b"damaged.png") + len(b"damaged.png")
    packed[start + 8 : start + 12] = b"\0\0\0\0"
    path = tmp_path / "scans.zip"
    path.write_bytes(packed)

    bomb, damaged, good = list_items(path)

    assert "bomb.png" in str(bomb.error)
    assert "the limit is" in str(bomb.error)
    assert "damaged in the archive" in str(damaged.error)
    assert good.content == content


def write_table(path: Path, columns: dict[str, list[Any]]) -> Path:
    parquet.write_table(pyarrow.table(columns), path, row_group_size=2)
    return path


def test_a_parquet_file_has_pictures_in_a_column(tmp_path: Path) -> None:
    contents = [encode(draw_stroke(number)) for number in range(3)]
    values = [*contents, None, bytes(MAX_BYTES + 1)]
    plain = write_table(tmp_path / "plain.parquet", {"label": [1] * 5, "scan": values})
    nested = [{"bytes": value, "path": "7.png"} for value in values]
    hugging = write_table(tmp_path / "hugging.parquet", {"image": nested, "text": ["1"] * 5})

    for path in (plain, hugging):
        items = list_items(path)
        assert [item.address for item in items] == [f"{path}#{row}" for row in range(5)]
        assert [item.content for item in items] == [*contents, None, None]
        assert "no picture in this row" in str(items[3].error)
        assert "the limit is" in str(items[4].error)


def test_a_parquet_file_has_paths_in_a_column(scans: Path, tmp_path: Path) -> None:
    paths = [str(scans / "0.png"), str(scans / "1.png"), str(scans / "0.png"), None]
    path = write_table(tmp_path / "paths.parquet", {"path": paths, "owner": ["me"] * 4})

    assert list_names(list_items(path)) == ["0.png", "1.png"]
    batch(path, tmp_path / "readings")
    again = tmp_path / "readings" / "part-000000.parquet"
    assert list_names(list_items(again)) == ["0.png", "1.png"]  # a batch is a source, too


def test_the_column_is_named_where_several_fit(tmp_path: Path) -> None:
    columns = {"front": [b"a"], "back": [b"b"]}
    path = write_table(tmp_path / "two.parquet", columns)

    with pytest.raises(UsageError, match=r"front \(binary\), back \(binary\).*--column"):
        list_items(path)
    with pytest.raises(UsageError, match="the column 'side'"):
        list_items(path, column="side")
    (item,) = list_items(path, column="back")
    assert item.content == b"b"


def test_a_source_may_be_behind_an_address(bucket: str, tmp_path: Path) -> None:
    items = list_items(bucket)

    shown = fsspec.filesystem("memory").unstrip_protocol("/bucket/scans")
    assert len(items) == N_FILES
    assert {item.address for item in items} >= {f"{shown}/0.png", f"{shown}/more/7.png"}
    assert len(list_items(f"{bucket}/**/*.png")) == 9
    result = batch(bucket, "memory://bucket/readings")
    assert (result.n_rows, result.n_errors) == (N_ROWS, 1)
    again = batch(bucket, "memory://bucket/readings", resume=True)
    assert (again.n_before, again.n_read) == (N_FILES, 0)


def test_a_bucket_that_vanishes_ends_the_batch(bucket: str, tmp_path: Path) -> None:
    def remove(state: BatchResult) -> None:
        if state.n_read:
            fsspec.filesystem("memory").store.clear()
            fsspec.filesystem("memory").pseudo_dirs.clear()

    with pytest.raises(DataUnavailableError, match=r"bucket is gone"):
        # One thread takes eight files ahead.
        batch(bucket, tmp_path / "readings", report_progress=remove, workers=1)

    rows = parquet.read_table(tmp_path / "readings" / "part-000000.parquet").to_pylist()
    assert 1 <= len(rows) < N_ROWS


def test_an_object_that_is_missing_is_a_row_with_an_error(bucket: str, tmp_path: Path) -> None:
    listed = tmp_path / "addresses.txt"
    listed.write_text(f"{bucket}/0.png\n{bucket}/nothing.png\n", encoding="utf-8")

    batch(listed, tmp_path / "readings")

    rows = parquet.read_table(tmp_path / "readings" / "part-000000.parquet").to_pylist()
    assert [row["error"] for row in rows] == [None, f"{bucket}/nothing.png: no such file"]


def test_shards_are_small_enough_for_many_workers(
    scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "SHARD_ITEMS", 4)

    assert [s.n_items for s in find_source(str(scans), max_bytes=1).shards] == [4, 4, 3]


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("", UsageError, "empty source"),
        ("nothing", DataUnavailableError, "nothing: no such file or folder"),
        ("scan", DataUnavailableError, "did you mean '.*scans'?"),
        ("empty", UsageError, "no pictures in folder"),
        ("*.jpg", UsageError, "matches 0 files, but no picture"),
        ("notes.doc", UsageError, "unknown suffix"),
        ("empty.txt", UsageError, "contains no pictures"),
        ("binary.txt", DataFormatError, "not a text file"),
        ("broken.zip", DataFormatError, "damaged zip file"),
        ("broken.parquet", DataFormatError, "damaged Parquet file"),
        ("https://example.org/7.png", UsageError, "expected a folder, archive or bucket"),
        ("nope://bucket/scans", UsageError, "invalid address nope://bucket/scans"),
    ],
)
def test_what_is_no_source_ends_in_one_line(
    source: str,
    error: type[Exception],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("scans", "empty"):
        (tmp_path / name).mkdir()
    for name in ("notes.doc", "empty.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "binary.txt").write_bytes(b"\x89PNG\0\0")
    for name in ("broken.zip", "broken.parquet"):
        (tmp_path / name).write_bytes(b"nothing of the kind")

    with pytest.raises(error, match=message) as raised:
        list_items(source)
    assert "\n" not in str(raised.value)


def test_a_protocol_whose_package_is_missing_names_it() -> None:
    with pytest.raises(MissingExtraError, match=r"abfs://bucket/scans cannot be read: .*adlfs"):
        list_items("abfs://bucket/scans")


def test_names_in_other_encodings_are_shown_with_escapes(scans: Path, tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / name).write_bytes((scans / "0.png").read_bytes())

    assert show_address(name) == "caf\\xe9.png"
    batch(tmp_path / "scans", tmp_path / "readings")
    result = batch(tmp_path / "scans", tmp_path / "readings", resume=True)
    (row,) = parquet.read_table(tmp_path / "readings" / "part-000000.parquet").to_pylist()
    assert row["address"] == f"{tmp_path}/scans/caf\\xe9.png"
    assert row["error"] is None
    assert result.n_read == 0
