from __future__ import annotations

import json
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkdigits.errors import ModelError, OutputExistsError
from inkdigits.recognition.card import (
    MAX_CARD_BYTES,
    Card,
    ReaderCard,
    is_reader_card,
    locate_card,
)
from inkdigits.recognition.framing import FRAMING_VERSION

CARD = Card(
    recipe={"name": "smoke", "network": [["Input", [28, 28], {"dtype": "uint8"}]]},
    seed=3,
    data_sha256={"train-images-idx3-ubyte": "ba89"},
    versions={"keras": "3.12"},
    figures={"validation_accuracy": 0.5},
    temperature=1.25,
)
WITHOUT = object()


@given(
    temperature=st.floats(0.05, 20),
    seed=st.integers(0, 2**32 - 1),
    figures=st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
)
def test_a_saved_card_can_be_loaded(
    tmp_path_factory: pytest.TempPathFactory,
    temperature: float,
    seed: int,
    figures: dict[str, float],
) -> None:
    card = replace(CARD, temperature=temperature, seed=seed, figures=figures)
    path = tmp_path_factory.mktemp("card") / "model.json"

    card.save(path)

    assert Card.load(path) == card


def test_an_existing_card_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    CARD.save(path)

    with pytest.raises(OutputExistsError):
        replace(CARD, seed=4).save(path)

    assert Card.load(path) == CARD


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("framing_version", FRAMING_VERSION + 1, "framing_version"),
        ("framing_version", None, "framing_version"),
        ("input_shape", [32, 32], "input_shape"),
        ("input_shape", 28, "input_shape"),
        ("labels", list("abcdefghij"), "labels"),
        ("labels", None, "labels"),
        ("temperature", 0, "temperature"),
        ("temperature", -1.0, "temperature"),
        ("temperature", float("nan"), "temperature"),
        ("temperature", float("inf"), "temperature"),
        ("temperature", "1", "temperature"),
        ("format", "inkdigits-card-2", "inkdigits-card-2"),
        ("format", WITHOUT, "format None"),
        ("seed", WITHOUT, "seed"),
        ("colour", "red", "colour"),
    ],
)
def test_a_card_with_unsupported_values_is_rejected(
    tmp_path: Path, field: str, value: Any, expected: str
) -> None:
    path = tmp_path / "model.json"
    CARD.save(path)
    values = json.loads(path.read_text())
    values[field] = value
    if value is WITHOUT:
        del values[field]
    path.write_text(json.dumps(values))

    with pytest.raises(ModelError, match=expected) as caught:
        Card.load(path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[]",
        b"7",
        b"null",
        b"[" * 100_000,
        b'{"format": ["inkdigits-card-1"]}',
        None,
    ],
)
def test_a_damaged_or_missing_card_is_rejected(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ModelError) as caught:
        Card.load(path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_rejected_as_a_card(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a readable card"):
        Card.load(tmp_path)


READER = ReaderCard(
    recipe={"kind": "reader", "name": "reader"},
    seed=3,
    data_sha256={"fonts": "ba89"},
    versions={"keras": "3.12"},
    figures={"validation_exact": 0.5},
    threshold=0.7,
)


def test_cards_of_readers_and_of_networks_for_tiles_are_distinguished(tmp_path: Path) -> None:
    reader, tiles = tmp_path / "reader.json", tmp_path / "tiles.json"
    READER.save(reader)
    CARD.save(tiles)

    assert ReaderCard.load(reader) == READER
    assert is_reader_card(reader)
    for path in (tiles, tmp_path, tmp_path / "missing.json"):
        assert not is_reader_card(path)
        with pytest.raises(ModelError, match=path.name):
            ReaderCard.load(path)
    with pytest.raises(ModelError, match="'inkdigits-reader-1': expected 'inkdigits-card-1'"):
        Card.load(reader)
    with pytest.raises(OutputExistsError):
        READER.save(reader)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("classes", list("0123456789"), "classes"),
        ("classes", None, "classes"),
        ("threshold", -0.1, "threshold"),
        ("threshold", "0.5", "threshold"),
        ("threshold", float("nan"), "threshold"),
        ("format", "inkdigits-reader-2", "inkdigits-reader-2"),
        ("seed", WITHOUT, "seed"),
        ("colour", "red", "colour"),
    ],
)
def test_a_readers_card_with_unsupported_values_is_rejected(
    tmp_path: Path, field: str, value: Any, expected: str
) -> None:
    path = tmp_path / "reader.json"
    READER.save(path)
    values = {**json.loads(path.read_text()), field: value}
    path.write_text(
        json.dumps({name: kept for name, kept in values.items() if kept is not WITHOUT})
    )

    with pytest.raises(ModelError, match=expected) as caught:
        ReaderCard.load(path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("runs/quick/model.onnx", "runs/quick/model.json"),
        ("model.savedmodel", "model.json"),
        ("v1.2.h5", "v1.2.json"),
    ],
)
def test_the_card_is_beside_the_model(model: str, expected: str) -> None:
    assert locate_card(Path(model)) == Path(expected)


def write_card(path: Path, card: Card | ReaderCard, **changes: Any) -> Path:
    """Writes a card with some fields replaced by any JSON values."""
    card.save(path, overwrite=True)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return path


def nest(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("card", [CARD, READER], ids=["tiles", "reader"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recipe", None),
        ("recipe", [["name", "smoke"]]),
        ("recipe", {"name": 7}),
        ("recipe", {"name": None}),
        ("recipe", {"name": "\ud800"}),
        ("recipe", {"\udfff": 1}),
        ("recipe", {"rate": float("nan")}),
        ("recipe", {"rate": 2**64}),
        ("recipe", {"network": nest(100)}),
        ("seed", None),
        ("seed", True),
        ("seed", 1.0),
        ("seed", -1),
        ("seed", 2**32),
        ("data_sha256", None),
        ("data_sha256", {"file": 7}),
        ("data_sha256", {"file": "\ud800"}),
        ("versions", []),
        ("versions", {"keras": None}),
        ("figures", None),
        ("figures", {"accuracy": "high"}),
        ("figures", {"accuracy": True}),
        ("figures", {"accuracy": None}),
        ("figures", {"accuracy": float("nan")}),
        ("figures", {"accuracy": float("inf")}),
        ("figures", {"accuracy": 10**400}),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_fields_with_invalid_values_are_rejected(
    tmp_path: Path, card: Card | ReaderCard, field: str, value: Any
) -> None:
    path = write_card(tmp_path / "model.json", card, **{field: value})

    with pytest.raises(ModelError, match=r"model\.json (has|contains)") as caught:
        type(card).load(path)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 200


@pytest.mark.parametrize(
    ("card", "field", "value"),
    [
        (CARD, "temperature", True),
        (CARD, "refusal_threshold", False),
        (CARD, "framing_version", bool(FRAMING_VERSION)),
        (CARD, "framing_version", float(FRAMING_VERSION)),
        (CARD, "input_shape", [28.0, 28]),
        (CARD, "labels", [False, True, *range(2, 10)]),
        (CARD, "labels", nest(200)),
        (READER, "threshold", True),
        (READER, "classes", {"0": "0"}),
    ],
)
def test_values_of_another_json_type_are_rejected(
    tmp_path: Path, card: Card | ReaderCard, field: str, value: Any
) -> None:
    path = write_card(tmp_path / "model.json", card, **{field: value})

    with pytest.raises(ModelError, match=field) as caught:
        type(card).load(path)

    assert "\n" not in str(caught.value)


def test_names_of_unknown_fields_are_shortened_to_one_line(tmp_path: Path) -> None:
    path = write_card(tmp_path / "model.json", CARD, **{"two\nlines": 1, "x" * 100_000: 1})

    with pytest.raises(ModelError, match="missing or unknown fields") as caught:
        Card.load(path)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 300


@pytest.mark.parametrize("kind", ["device", "pipe", "large", "sparse"])
def test_too_large_cards_are_not_loaded_into_memory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.json"
    match kind:
        case "device":
            path.symlink_to("/dev/zero")
        case "pipe":
            os.mkfifo(path)
        case "large":
            path.write_bytes(b" " * (MAX_CARD_BYTES + 1))
        case "sparse":
            with path.open("wb") as file:
                file.truncate(2**40)

    tracemalloc.start()
    try:
        assert not is_reader_card(path)
        for load in (Card.load, ReaderCard.load):
            with pytest.raises(ModelError, match="not a readable card") as caught:
                load(path)
            assert "\n" not in str(caught.value)
        assert tracemalloc.get_traced_memory()[1] < 10 * MAX_CARD_BYTES
    finally:
        tracemalloc.stop()
