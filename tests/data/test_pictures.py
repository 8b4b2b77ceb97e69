from __future__ import annotations

from pathlib import Path

import pytest

from inkdigits.data import LabelledPicture, load_labelled_pictures
from inkdigits.errors import DataFormatError, DataUnavailableError


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not opened here")
    return folder


def test_a_manifest_gives_labels_kinds_and_sources(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "sub/b.jpg", "c.png")
    rows = (
        "label,file,kind,group,more\n7,a.png,single-photo,ann,x\n42,sub/b.jpg,,,\nnone,c.png,,bob,"
    )
    (tmp_path / "manifest.csv").write_text(rows, encoding="utf-8-sig")

    assert load_labelled_pictures(tmp_path) == [
        LabelledPicture(tmp_path / "a.png", "7", "single-photo", "ann"),
        LabelledPicture(tmp_path / "sub/b.jpg", "42", "several", tmp_path.name),
        LabelledPicture(tmp_path / "c.png", "", "none", "bob"),
    ]


def test_the_names_of_subfolders_are_labels(tmp_path: Path) -> None:
    fill(tmp_path, "7/b.png", "7/a.png", "0/x.png", "none/cat.png", "7/.hidden", "other/y.png")

    pictures = load_labelled_pictures(str(tmp_path))

    assert [(p.path.name, p.label, p.kind) for p in pictures] == [
        ("x.png", "0", "single"),
        ("a.png", "7", "single"),
        ("b.png", "7", "single"),
        ("cat.png", "", "none"),
    ]


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ("", "lacks the column file and label"),
        ("file,kind\na.png,x\n", "lacks the column label"),
        ("file,label\n", "lists no picture"),
        ("file,label\na.png\n", "line 2: too few values"),
        ("file,label\na.png,seven\n", "line 2: invalid label 'seven'"),
        ("file,label\na.png,\n", "line 2: invalid label ''"),
        ("file,label\na.png,7\ngone.png,7\n", "line 3: gone.png is not a file"),
        ("file,label\n../secret,7\n", "line 2: ../secret is not a file"),
        ("file,label\n/etc/hostname,7\n", "line 2: /etc/hostname is not a file"),
    ],
)
def test_an_error_in_a_manifest_is_reported_with_its_line(
    tmp_path: Path, manifest: str, expected: str
) -> None:
    folder = fill(tmp_path / "pictures", "a.png")
    (tmp_path / "secret").touch()
    (folder / "manifest.csv").write_text(manifest)

    with pytest.raises(DataFormatError, match=r"manifest\.csv") as caught:
        load_labelled_pictures(folder)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_not_text_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(DataFormatError, match="cannot be read as a CSV file"):
        load_labelled_pictures(tmp_path)


@pytest.mark.parametrize("name", ["missing", "empty", "file"])
def test_a_folder_without_labelled_pictures_is_rejected(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(DataUnavailableError, match=name):
        load_labelled_pictures(tmp_path / name)
