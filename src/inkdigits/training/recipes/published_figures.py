"""The published figures of the recipes, which their docstrings in the catalogue state."""

from __future__ import annotations

import ast
import inspect
import itertools

from inkdigits.training.recipes import catalogue


def find_published(name: str) -> str | None:
    """Returns what the docstring below a recipe states, or None if it has none.

    Python keeps no docstrings of assignments, so they are read from the source of the catalogue.

    Args:
        name: Name of a recipe.
    """
    try:
        body = ast.parse(inspect.getsource(catalogue)).body
    except (OSError, TypeError):  # installed without sources
        return None
    for statement, following in itertools.pairwise(body):
        if not (isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call)):
            continue
        names = [word.value for word in statement.value.keywords if word.arg == "name"]
        if [ast.literal_eval(one) for one in names] != [name]:
            continue
        stated = following.value if isinstance(following, ast.Expr) else None
        if isinstance(stated, ast.Constant) and isinstance(stated.value, str):
            return inspect.cleandoc(stated.value)
    return None
