"""Whatever a file or a request holds, it gives a value or one of our errors, and nothing else.

Pictures have a file of their own, `recognition/test_decoding_fuzz.py`. `make fuzz` tries more.
"""

from __future__ import annotations

import json
import os
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inkdigits.data.idx import parse_idx_images, parse_idx_labels
from inkdigits.data.pictures import load_labelled_pictures
from inkdigits.errors import InkdigitsError, RequestError
from inkdigits.recognition import DEFAULT_MODEL
from inkdigits.recognition.card import Card, ReaderCard, locate_card
from inkdigits.recognition.recognizer import DEFAULT_TILE_MODEL
from inkdigits.web.bodies import list_uploads
from inkdigits.web.inference import parse_infer_request

FUZZ = settings(
    max_examples=int(os.environ.get("INKDIGITS_FUZZ_EXAMPLES", "150")),
    deadline=None,
    derandomize="INKDIGITS_FUZZ_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(string.printable, max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=20,
)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes of which some are changed, repeated, or cut off."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(0, 6))):
        changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(changed))] * 2)))
        changed[start:start] = changed[start:end] * draw(st.sampled_from((1, 2, 30)))
    if draw(st.booleans()):
        del changed[draw(st.integers(0, len(changed))) :]
    return bytes(changed)


@st.composite
def exchanged(draw: st.DrawFn, values: dict[str, Any]) -> Any:
    """JSON in which some values are others, are missing, or are more than there should be."""
    changed = json.loads(json.dumps(values))
    if draw(st.integers(0, 9)) == 0:
        return draw(VALUES)
    for _ in range(draw(st.integers(1, 4))):
        place = changed
        while isinstance(place, dict) and place:
            name = draw(st.sampled_from(sorted(place)))
            if isinstance(place[name], dict) and draw(st.booleans()):
                place = place[name]
                continue
            change = draw(st.sampled_from(("value", "drop", "add")))
            if change == "value":
                place[name] = draw(VALUES)
            elif change == "drop":
                del place[name]
            else:
                place[draw(st.text(max_size=8))] = draw(VALUES)
            break
    return changed


def check(call: Callable[[], object], *errors: type[Exception]) -> None:
    """Runs what may raise one of some errors, whose message is one line that says something."""
    message = "no error at all"
    try:
        call()
    except errors as error:
        message = str(error)
    assert 10 < len(message) < 1000
    assert "\n" not in message


IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes(1568)
LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 9])


@FUZZ
@given(damaged(IMAGES), damaged(LABELS))
def test_idx(images: bytes, labels: bytes) -> None:
    check(lambda: parse_idx_images(images, "images"), InkdigitsError)
    check(lambda: parse_idx_labels(labels, "labels"), InkdigitsError)


@pytest.mark.parametrize(
    ("kind", "model"), [(Card, DEFAULT_TILE_MODEL), (ReaderCard, DEFAULT_MODEL)]
)
def test_cards(kind: type[Card | ReaderCard], model: Path, tmp_path: Path) -> None:
    content = locate_card(model).read_bytes()
    path = tmp_path / "model.json"

    @FUZZ
    @given(exchanged(json.loads(content)) | damaged(content))
    def load(card: Any) -> None:
        path.write_bytes(card if isinstance(card, bytes) else json.dumps(card).encode())
        check(lambda: kind.load(path), InkdigitsError)

    load()


MANIFEST = b"file,label,kind,group\na.png,7,single,me\nb.png,none,none,you\nc.png,12,several,me\n"


def test_manifests(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"")

    @FUZZ
    @given(damaged(MANIFEST))
    def load(content: bytes) -> None:
        (tmp_path / "manifest.csv").write_bytes(content)
        check(lambda: load_labelled_pictures(tmp_path), InkdigitsError)

    load()


REQUEST = {
    "id": "a",
    "inputs": [{"name": "tiles", "datatype": "UINT8", "shape": [1, 28, 28], "data": [0] * 784}],
    "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}],
    "parameters": {"binary_data_output": True},
}


@FUZZ
@given(
    exchanged(REQUEST) | exchanged(REQUEST["inputs"][0]) | damaged(json.dumps(REQUEST).encode()),  # type: ignore[index]
    st.none() | st.text(max_size=20) | st.integers(0, 5000).map(str),
)
def test_infer_requests(request: Any, header_length: str | None) -> None:
    if isinstance(request, dict) and "shape" in request:
        request = {**REQUEST, "inputs": [request]}
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    check(lambda: parse_infer_request(body, header_length, 16), RequestError)


FORM = (
    b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="a.png"\r\n'
    b"Content-Type: image/png\r\n\r\n\x89PNG\r\n--x--\r\n"
)


@FUZZ
@given(damaged(FORM), st.sampled_from(("multipart/form-data; boundary=x", "multipart/form-data")))
def test_forms(body: bytes, content_type: str) -> None:
    check(lambda: list_uploads(body, content_type, 4), RequestError)
