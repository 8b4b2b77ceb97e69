"""Arrays of every shape and scale: which are one picture, which are several, and what is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inkdigits.errors import PictureFormatError
from inkdigits.pictures.arrays import arrange_picture, arrange_tiles, is_array, scale_values
from inkdigits.pictures.decoding import decode_picture
from inkdigits.recognition import Readings, Recognizer, predict

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "reference" / "what-you-can-bring.md"
SAMPLES = (
    "7-canvas.png",
    "3-blackboard.jpg",
    "9-thin-pencil.jpg",
    "1-cmyk.jpg",
    "4-thick-marker.png",
)
Array = NDArray[Any]


@pytest.fixture(scope="module")
def tiles() -> NDArray[np.uint8]:
    """Five digits of the sample pictures, 7, 3, 9, 1 and 4: uint8, shape (5, 28, 28)."""
    found = [predict(ROOT / "samples" / name, digits="one").digits[0].tile for name in SAMPLES]
    return np.stack(found)


# The docs


def list_rows() -> list[tuple[str, str]]:
    """Each example of the table in the docs, and what it says about it."""
    (table,) = re.findall(r"<!-- arrays -->\n(.*?)<!-- end -->", DOCS.read_text("utf-8"), re.DOTALL)
    rows = [line.strip("|").split(" | ") for line in table.splitlines()[2:]]
    return [(example.strip().strip("`"), told.strip()) for _, example, told in rows]


def name_values(tiles: NDArray[np.uint8]) -> dict[str, Any]:
    """The names that the docs use."""
    from PIL import Image

    colour = np.asarray(Image.open(ROOT / "samples" / SAMPLES[0]).convert("RGB"))
    return {"np": np, "tiles": tiles, "tile": tiles[0], "colour": colour, "grey": colour[..., 1]}


def test_the_docs_have_a_row_for_every_form() -> None:
    assert len(list_rows()) == 31


@pytest.mark.parametrize(("example", "told"), list_rows())
def test_docs_say_what_happens(tiles: NDArray[np.uint8], example: str, told: str) -> None:
    values = eval(example, name_values(tiles))
    if told.startswith("error: "):
        with pytest.raises(
            PictureFormatError, match=re.escape(told.removeprefix("error: "))
        ) as got:
            predict(values)
        assert "\n" not in str(got.value)
        return
    found = predict(values, digits="one")
    texts = list(found.texts) if isinstance(found, Readings) else [found.text]
    assert texts == told.removeprefix("reads ").replace("nothing", "").split(", ")


def test_the_code_of_the_docs_prints_what_it_says(
    tiles: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import inkdigits

    section = DOCS.read_text("utf-8").partition("## Arrays")[2]
    code = re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0]
    monkeypatch.chdir(ROOT)

    exec(code, {"inkdigits": inkdigits, "tile": tiles[0]})

    texts, errors, seven, missing, tile = capsys.readouterr().out.splitlines()
    assert texts == re.findall(r"texts\)  # (.*)", code)[0]
    assert errors.startswith("{1: PictureFormatError('samples/missing.png: no such file")
    assert seven == "samples/7-canvas.png None 7"
    assert missing.startswith("samples/missing.png None samples/missing.png: no such file")
    assert tile == "None None 7"


# Shapes: an array has the pixels that its arrangement by hand has

H, W = 40, 30
GREY = np.random.default_rng(0).integers(0, 256, (H, W), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (H, W, 3), dtype=np.uint8)
RGBA = np.random.default_rng(2).integers(0, 256, (H, W, 4), dtype=np.uint8)
FIRST = np.moveaxis(COLOUR, 2, 0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        *[(GREY.reshape(shape), GREY) for shape in [(H, W), (H, W, 1), (1, H, W), (1, H, W, 1)]],
        *[(GREY.reshape(shape), GREY) for shape in [(1, 1, H, W), (1, 1, 1, H, W)]],
        (COLOUR, COLOUR),
        (COLOUR[None], COLOUR),
        (RGBA, RGBA),
        (RGBA[None], RGBA),
        (FIRST, COLOUR),
        (FIRST[None], COLOUR),
        *[(GREY[:28, :28].reshape(s), GREY[:28, :28]) for s in [(28, 28, 1), (1, 28, 28, 1)]],
        (COLOUR[:28, :28], COLOUR[:28, :28]),
        (FIRST[None, :, :28, :28], COLOUR[:28, :28]),
    ],
    ids=lambda values: "x".join(map(str, values.shape)),
)
def test_one_picture_is_found(values: Array, expected: Array) -> None:
    np.testing.assert_array_equal(arrange_picture(values), expected)


TILE = GREY[:28, :28]


@pytest.mark.parametrize("shape", [(784,), (1, 784), (784, 1), (1, 1, 784), (1, 784, 1)])
def test_784_values_in_a_row_are_one_tile(shape: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(arrange_picture(TILE.reshape(shape)), TILE)


def test_three_equal_channels_of_28_are_one_picture_in_colour() -> None:
    values = np.stack([TILE] * 3)
    np.testing.assert_array_equal(arrange_picture(values), np.dstack([TILE] * 3))
    values[1, 5, 5] ^= 1
    with pytest.raises(PictureFormatError, match="contains 3 tiles"):
        arrange_picture(values)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 28, 28), "contains 5 tiles"),
        ((2, 28, 28, 1), "contains 2 tiles"),
        ((4, 1, 28, 28), "contains 4 tiles"),
        ((28, 28, 28), "contains 28 tiles"),
        ((1, 5, 28, 28), "contains 5 tiles"),
        ((5, 40, 30), "contains 5 pictures"),
        ((2, 28, 28, 3), "contains 2 pictures"),
        ((2, 40, 30, 1), "contains 2 pictures"),
        ((2, 3, 40, 30), "contains 2 pictures"),
        ((28, 28, 2), "expected (height, width)"),
        ((2, 2, 28, 28), "expected (height, width)"),
        ((2, 2, 2, 2, 2), "expected (height, width)"),
        ((783,), "an array of shape 783; expected (height, width)"),
        ((), "an array of shape (); expected (height, width)"),
    ],
)
def test_other_shapes_are_rejected(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(PictureFormatError, match=re.escape(message)):
        arrange_picture(np.zeros(shape))


# Tables of tiles beside pictures of the same width


def is_table(values: Array) -> bool:
    try:
        arrange_picture(values)
    except PictureFormatError as error:
        return "tiles of 28 × 28" in str(error)
    return False


def test_tables_of_mnist_are_tables(mnist: Any) -> None:
    images = mnist.test.images
    assert is_table(images.reshape(-1, 784))
    rng = np.random.default_rng(0)
    for scale in (1, 1 / 255, np.float32(1 / 127.5)):
        for n in (2, 3, 10, 100):
            parts = [images[rng.integers(0, 10_000, n)].reshape(n, 784) for _ in range(200)]
            assert np.mean([is_table(part * scale) for part in parts]) >= 0.98


@pytest.mark.parametrize("background", [0, 255])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_picture_784_pixels_wide_is_a_picture(background: int, data: st.DataObject) -> None:
    """Also where all ink keeps to cells of 28 pixels, so that its rows have an empty border."""
    n = data.draw(st.integers(2, 120))
    picture = np.full((n, 784), background, np.uint8)
    keeps_to_cells = data.draw(st.booleans())
    for _ in range(data.draw(st.integers(0, 6))):
        size = data.draw(st.integers(6, 26 if keeps_to_cells else 100))
        cell = data.draw(st.integers(1, 26))
        left = 28 * cell + 1 + data.draw(st.integers(0, max(0, 26 - size)))
        top = data.draw(st.integers(-size // 2, n - 1))
        mask = np.zeros((n, 784), np.uint8)
        right = min(left + size, 783)
        kind = data.draw(st.sampled_from(["ellipse", "line", "bar"]))
        middle = ((left + right) // 2, top + size // 2)
        if kind == "ellipse":
            axes = (max((right - left) // 2 - 2, 1), size // 2)
            cv2.ellipse(mask, middle, axes, 0, 0, 360, 255, 2)
        elif kind == "line":
            cv2.line(mask, (left + 1, top), (right - 2, top + size), 255, 2)
        else:
            cv2.line(mask, (middle[0], top), (middle[0], top + size), 255, 3)
        picture[mask > 0] = 255 - background
    assert not is_table(picture)
    assert decode_picture(picture).pixels.shape == (n, 784)


def test_bars_in_neighbouring_cells_are_a_picture() -> None:
    """All rows are the same, as if one tile was repeated; its ink ends within two tile rows."""
    picture = np.zeros((2, 784), np.uint8)
    picture[:, [31, 32, 33, 59, 60, 61]] = 255
    assert not is_table(picture)


@given(st.integers(2, 90), st.integers(0, 255), st.integers(0, 255))
def test_a_blank_or_framed_crop_784_pixels_wide_is_a_picture(n: int, paper: int, rim: int) -> None:
    picture = np.full((n, 784), paper, np.uint8)
    picture[0] = picture[-1] = picture[:, 0] = picture[:, -1] = rim
    assert not is_table(picture)


def test_a_sheet_of_digits_784_pixels_wide_is_a_picture(mnist: Any) -> None:
    rng = np.random.default_rng(3)
    for _ in range(100):
        sheet = np.zeros((28 * rng.integers(1, 4), 784), np.uint8)
        for top in range(0, len(sheet), 28):
            for cell in range(1, 27):
                digit = mnist.test.images[rng.integers(10_000)]
                sheet[top : top + 28, 28 * cell : 28 * cell + 28] = digit
        assert not is_table(sheet[rng.integers(0, 5) :])


def test_a_table_with_an_explicit_channel_is_a_picture(tiles: NDArray[np.uint8]) -> None:
    rows = tiles.reshape(5, 784)
    assert is_table(rows)
    np.testing.assert_array_equal(decode_picture(rows[..., None]).pixels, rows)


def test_a_decoded_picture_is_never_taken_for_tiles(tiles: NDArray[np.uint8]) -> None:
    picture = decode_picture(tiles.reshape(5, 784)[..., None])
    assert decode_picture(picture) is picture


# Scales


def normalise(values: Array, mean: float, sd: float) -> Array:
    """As PyTorch's `Normalize` does, in its precision."""
    return (values.astype(np.float32) / np.float32(255) - np.float32(mean)) / np.float32(sd)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "change",
    [
        lambda grey: grey,
        lambda grey: grey / 255,
        lambda grey: normalise(grey, 0.5, 0.5),
        lambda grey: normalise(grey, 0.1307, 0.3081),
    ],
    ids=["0 to 255", "0 to 1", "-1 to 1", "MNIST"],
)
def test_floats_are_told_apart(change: Callable[[Array], Array], kind: type) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    scaled = scale_values(change(grey).astype(kind))
    assert np.abs(scaled.astype(int) - grey).max() <= (1 if kind is np.float16 else 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.5, 2.8], "values from 0.5 to 2.8, on an unknown scale"),
        ([-2.1, 2.6], "values from -2.1 to 2.6, on an unknown scale"),
        ([-0.1, 1.5], "on an unknown scale"),
        ([0.0, 300.0], "values from 0 to 300"),
        ([0.0, np.nan, np.inf], "2 of 3 values of the array are NaN or infinite"),
        ([0, 70_000], "values from 0 to 70000; expected integers from 0 to 255"),
        ([-1, 5], "values from -1 to 5; expected integers from 0 to 255"),
        ([1j], "an array of complex128"),
        (["7"], "an array of <U1"),
        ([None], "an array of object"),
    ],
)
def test_values_on_no_scale_are_rejected(values: list[Any], message: str) -> None:
    with pytest.raises(PictureFormatError, match=re.escape(message)) as raised:
        scale_values(np.array([values]))
    assert "\n" not in str(raised.value)


def test_very_dark_whole_numbers_are_those_of_0_to_255() -> None:
    assert scale_values(np.array([[0.0, 1.0, 2.0]])).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.uint16, np.int64])
def test_integers_of_0_and_1_are_a_mask(kind: type) -> None:
    assert scale_values(np.array([[0, 1]], kind)).tolist() == [[0, 255]]


def test_bytes_of_0_and_1_get_a_note() -> None:
    picture = decode_picture(np.eye(9, dtype=np.uint8))
    assert picture.pixels.max() == 1
    assert picture.notes == (
        "its values are 0 and 1 of 255, so all of it is black: pass a mask as bool",
    )
    assert decode_picture(np.eye(9, dtype=np.uint8) * 2).notes == ()


# Tensors, lists, and other objects that are arrays


class Tensor:
    """An object that NumPy converts by its `__array__`."""

    def __init__(self, values: Array) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        if self.values is GREY:
            raise TypeError("can't convert cuda:0 device type tensor to numpy.\nUse Tensor.cpu()")
        return self.values


def test_whatever_numpy_converts_is_an_array(tiles: NDArray[np.uint8]) -> None:
    assert predict(Tensor(tiles[0])).text == "7"
    with pytest.raises(PictureFormatError, match=r"Tensor cannot be converted .*cuda:0") as raised:
        predict(Tensor(GREY))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ([[0, 255]], True),
        ([0.5], True),
        ([[]], True),
        ((np.float32(1),), True),
        (np.float64(3), True),
        ([], False),
        (["a.png"], False),
        ([GREY], False),
        ([None], False),
        ("a.png", False),
        (b"a", False),
        (7, False),
    ],
    ids=repr,
)
def test_lists_of_numbers_are_arrays_and_other_lists_are_not(source: Any, expected: bool) -> None:
    assert is_array(source) is expected


def test_tensorflow_tensors_are_read(tiles: NDArray[np.uint8]) -> None:
    tf = pytest.importorskip("tensorflow")
    digit = tf.constant(tiles[:1, ..., None], tf.float32) / 255
    for tensor in (digit, tf.cast(digit, tf.bfloat16), tf.Variable(digit)):
        assert predict(tensor).text == "7"


def test_torch_tensors_are_read(tiles: NDArray[np.uint8]) -> None:
    torch = pytest.importorskip("torch")
    digit = torch.from_numpy(tiles[:1]).float().div(255).sub(0.1307).div(0.3081).requires_grad_()
    for tensor in (digit, digit[None], digit.bfloat16()):
        assert predict(tensor).text == "7"


# Tiles for the network


def test_classify_takes_tiles_of_every_shape_and_scale(tiles: NDArray[np.uint8]) -> None:
    recognizer = Recognizer.load()
    expected = recognizer.classify(tiles)
    assert expected.argmax(axis=1).tolist() == [7, 3, 9, 1, 4]
    for shape in ((5, 784), (5, 28, 28, 1), (5, 1, 28, 28), (5, 1, 784)):
        for values in (tiles, tiles / 255, tiles / 127.5 - 1, normalise(tiles, 0.1307, 0.3081)):
            np.testing.assert_array_equal(recognizer.classify(values.reshape(shape)), expected)
    np.testing.assert_array_equal(recognizer.classify(tiles[0].ravel().tolist())[0], expected[0])
    assert arrange_tiles(np.zeros((0, 28, 28))).shape == (0, 28, 28)
    with pytest.raises(PictureFormatError, match=r"tiles: an array of shape 5 × 30 × 30; expected"):
        recognizer.classify(np.zeros((5, 30, 30)))
