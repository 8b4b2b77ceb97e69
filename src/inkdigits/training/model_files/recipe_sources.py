"""Opens a recipe by its name or from a user's own file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inkdigits.errors import RecipeError
from inkdigits.training.recipes.lookup import find_recipe, override_fields
from inkdigits.training.recipes.reader_recipe import ReaderRecipe
from inkdigits.training.recipes.tile_recipe import Recipe
from inkdigits.training.recipes.toml_recipes import read_toml_recipe

SUFFIXES: Final = (".toml", ".py")


@dataclass(frozen=True)
class RecipeFile:
    """A user's own recipe file, as it was read.

    Attributes:
        suffix: ".toml" or ".py".
        content: The bytes of the file.
        added: What was added to its network, in words.
    """

    suffix: str
    content: bytes
    added: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()


def is_recipe_file(name: str) -> bool:
    """Returns whether the name of a recipe is that of a file."""
    return Path(name).suffix in SUFFIXES


def open_recipe(
    name: str, overrides: Mapping[str, Any] | Sequence[str] = ()
) -> tuple[Recipe | ReaderRecipe, RecipeFile | None]:
    """Returns a recipe by its name or from a file, with some fields replaced.

    Args:
        name: A name as in `find_recipe`, or the path of a `.toml` or `.py` file. A Python file is
            executed.
        overrides: As in `find_recipe`.

    Returns:
        The recipe, and the file that it comes from, or None.

    Raises:
        RecipeError: As in `find_recipe`, or a file that is missing or no recipe.
    """
    if not is_recipe_file(name):
        return find_recipe(name, overrides), None
    path = Path(name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecipeError(
            f"{path} cannot be read ({error.strerror}): expected the name of a recipe, or a .toml "
            "or .py file with one"
        ) from error
    if path.suffix == ".toml":
        recipe, added = read_toml_recipe(path)
    else:
        # Keras, which only Python files need
        from inkdigits.training.networks.python_recipes import read_python_recipe

        recipe, added = read_python_recipe(path)
    return override_fields(recipe, overrides), RecipeFile(path.suffix, content, added)
