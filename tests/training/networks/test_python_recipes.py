from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from inkdigits.errors import RecipeError
from inkdigits.training.networks.python_recipes import read_python_recipe
from inkdigits.training.networks.tile_network import build_network
from inkdigits.training.recipes import Recipe

BRANCHES = """
import keras
from keras import layers

epochs = 2
class_weight = [1] * 9 + [2]

def build_model():
    pixels = keras.Input((28, 28, 1))
    wide = layers.Conv2D(8, 5, strides=2, activation="relu")(pixels)
    more = layers.Conv2D(8, 3, padding="same")(wide)
    joined = layers.Dropout(0.5)(layers.Add()([wide, more]))
    return keras.Model(pixels, layers.Dense(10)(layers.Flatten()(joined)))
"""
SEQUENTIAL = """
import keras
model = keras.Sequential([
    keras.layers.Rescaling(1 / 127.5, -1),
    keras.layers.Conv2D(4, 7, strides=3),
    keras.layers.Flatten(),
    keras.layers.Dense(10, activation="softmax"),
])
model.compile("adam", "categorical_crossentropy")
"""
LAMBDA = """
import keras
model = keras.Sequential([keras.layers.Lambda(lambda x: x), keras.layers.Dense(10)])
"""
CUSTOM = """
import keras
class Mine(keras.layers.Layer):
    pass
model = keras.Sequential([Mine(), keras.layers.Dense(10)])
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "my_net.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_model_with_branches_becomes_plain_data(tmp_path: Path) -> None:
    path = write(tmp_path, BRANCHES)
    recipe, added = read_python_recipe(path)
    path.unlink()
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))

    assert (recipe.name, recipe.epochs, recipe.class_weight) == ("my-net", 2, (*[1] * 9, 2))
    assert again == recipe
    assert added == (
        "Input (28, 28) of uint8 tiles",
        "Rescaling by 1/255",
        "Reshape to (28, 28, 1)",
        "Softmax, for probabilities",
    )
    network = build_network(again)
    outputs = np.asarray(network(np.full((2, 28, 28), 200, np.uint8)))
    assert outputs.shape == (2, 10)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)
    # The layers are not hidden in a model.
    assert [type(layer).__name__ for layer in network.layers] == [
        *("InputLayer", "Rescaling", "Reshape", "Conv2D", "Conv2D", "Add", "Dropout"),
        *("Flatten", "Dense", "Softmax"),
    ]
    other = build_network(again)
    other.set_weights(network.get_weights())
    np.testing.assert_allclose(np.asarray(other(np.full((2, 28, 28), 200, np.uint8))), outputs)


def test_a_sequential_model_keeps_its_own_scale(tmp_path: Path) -> None:
    recipe, added = read_python_recipe(write(tmp_path, SEQUENTIAL))
    network = build_network(recipe)

    assert added == ("Input (28, 28) of uint8 tiles", "Reshape to (28, 28, 1)")
    assert [type(layer).__name__ for layer in network.layers] == [
        "Reshape", "Rescaling", "Conv2D", "Flatten", "Dense",
    ]  # fmt: skip
    scaled = network.layers[1](network.layers[0](np.full((1, 28, 28), 255, np.uint8)))
    np.testing.assert_allclose(np.asarray(scaled), 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epochs = 2", "has no Keras model: expected model = keras.Sequential"),
        ("import keras\n1 / 0", "my_net.py, line 2: ZeroDivisionError: division by zero"),
        ("def build_model(:", "my_net.py, line 1: SyntaxError"),
        ("def build_model():\n    return 5", "build_model() returns int; expected a Keras model"),
        ("def build_model():\n    return x", "my_net.py, line 2: NameError"),
        (LAMBDA, "has the layer keras.layers.Lambda; expected only layers of Keras"),
        (CUSTOM, "Mine; expected only layers of Keras, and no Lambda layer"),
        (BRANCHES.replace("(28, 28, 1)", "(32, 32, 1)"), "takes inputs of shape (32, 32, 1)"),
        (SEQUENTIAL + "precision = 'bfloat16'", "leave precision out"),
        (SEQUENTIAL + "epochs = 0", "epochs is 0; expected a whole number"),
        ("raise SystemExit", "SystemExit"),
    ],
    ids=lambda text: text[:30],
)
def test_a_wrong_file_is_explained_in_one_line(text: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_python_recipe(write(tmp_path, text))

    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_configuration_in_a_run_can_bring_code(tmp_path: Path) -> None:
    recipe, _ = read_python_recipe(write(tmp_path, SEQUENTIAL))
    text = json.dumps(recipe.to_json())
    for module, name in (("os", "Flatten"), ("keras.layers", "Lambda")):
        changed = text.replace(
            '"module": "keras.layers", "class_name": "Flatten"',
            f'"module": "{module}", "class_name": "{name}"',
        )
        assert changed != text

        with pytest.raises(RecipeError, match=f"{module}.{name}, which can run code"):
            build_network(Recipe.from_json(json.loads(changed)))
