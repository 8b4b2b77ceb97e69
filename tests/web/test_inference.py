"""Parsing of requests of the Open Inference Protocol."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from inkdigits.errors import RequestError
from inkdigits.web.inference import parse_infer_request

TILES = np.random.default_rng(0).integers(0, 256, (2, 28, 28), np.uint8)


def describe(**changes: Any) -> dict[str, Any]:
    """Returns a request for `TILES`; `changes` are fields of its tensor."""
    tensor = {"name": "tiles", "datatype": "UINT8", "shape": [2, 28, 28]} | changes
    return {"inputs": [tensor]}


@pytest.mark.parametrize(
    ("content", "length"),
    [
        (b"{", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        (b"{}", "3"),
        (b"{}", "-1"),
        (b"{}", "two"),
        (b"{}", "9" * 5000),
        (b"{}", "٢"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_invalid_json_or_length_is_status_400(content: bytes, length: str | None) -> None:
    with pytest.raises(RequestError) as rejected:
        parse_infer_request(content, length, 10)

    assert rejected.value.status == 400


@pytest.mark.parametrize("margin", [-1, 1])
def test_missing_or_excess_bytes_are_rejected(margin: int) -> None:
    request = describe(parameters={"binary_data_size": TILES.nbytes})
    header = json.dumps(request).encode()
    body = (header + TILES.tobytes() + b"x")[: len(header) + TILES.nbytes + margin]

    with pytest.raises(RequestError, match="1568 values"):
        parse_infer_request(body, str(len(header)), 10)


def test_tiles_of_a_request_are_limited() -> None:
    assert (
        len(
            parse_infer_request(
                json.dumps(describe(data=TILES.ravel().tolist())).encode(), None, 2
            ).tiles
        )
        == 2
    )
    with pytest.raises(RequestError) as rejected:
        parse_infer_request(json.dumps(describe(data=TILES.ravel().tolist())).encode(), None, 1)

    assert rejected.value.status == 413
