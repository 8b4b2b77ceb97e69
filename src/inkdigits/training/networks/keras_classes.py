"""Finds classes in Keras configurations that can run code of their author."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

# Keras layers that contain or load code of the file's author.
CODE_LAYERS: Final = {
    "Lambda",
    "__lambda__",
    "TFSMLayer",
    "TorchModuleWrapper",
    "JaxLayer",
    "FlaxLayer",
}


def runs_code(module: str, name: str) -> bool:
    """Returns True for a class from outside Keras, and for layers that can run other code."""
    return name in CODE_LAYERS or not (module == "keras" or module.startswith("keras."))


def list_classes(config: Any) -> Iterator[tuple[str, str]]:
    """Yields the module and name of every class in a Keras configuration."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield str(config.get("module") or "keras"), config["class_name"]
        config = list(config.values())
    if isinstance(config, list | tuple):
        for value in config:
            yield from list_classes(value)
