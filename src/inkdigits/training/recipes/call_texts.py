"""Reads calls written as in Python, such as `Conv2D(32, 3, activation="relu")`; runs nothing.

Recipes write layers, optimizers and losses in this way, as the Keras documentation does.
"""

from __future__ import annotations

import ast
from typing import Any

from inkdigits.errors import RecipeError


def parse_call(field: str, text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Splits the text of a call into name, arguments and keyword arguments.

    Args:
        field: Name of the field of the recipe, for error messages.
        text: A name, such as "adam", or a call whose arguments are literals: numbers, texts, True,
            False, None, and lists, tuples and dictionaries of these. Nothing is executed.

    Raises:
        RecipeError: Any other text.
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if isinstance(call, ast.Name):
            return call.id, [], {}
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            arguments = [_evaluate(part) for part in call.args]
            settings = {str(part.arg): _evaluate(part.value) for part in call.keywords if part.arg}
            if len(settings) == len(call.keywords):  # without **settings
                return call.func.id, arguments, settings
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    raise RecipeError(
        f"{field} is {text[:60]!r}; expected a name, or a call with plain values such as "
        'Conv2D(32, 3, activation="relu")'
    )


def _evaluate(node: ast.expr) -> Any:
    """Returns the value of a literal, or of a quotient of two numbers such as 1/255."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        sides = ast.literal_eval(node.left), ast.literal_eval(node.right)
        if all(isinstance(side, int | float) for side in sides) and sides[1]:
            return sides[0] / sides[1]
    value = ast.literal_eval(node)
    return list(value) if isinstance(value, tuple) else value  # as JSON has it
