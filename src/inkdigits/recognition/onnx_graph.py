"""Reads the nodes of ONNX files, and declares values between them as outputs, without `onnx`.

ONNX Runtime returns only values that the file declares as outputs. An ONNX file is one message of
Protocol Buffers, where two messages in a row are merged: lists are joined, and messages within them
are merged in turn. So a short message after a file adds outputs to its graph, and the file on the
disk stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from inkdigits.errors import ModelError

# Field numbers of onnx.proto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
_MODEL_GRAPH: Final = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATION, _NODE_ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INTEGER, _ATTRIBUTE_TEXT, _ATTRIBUTE_INTEGERS = 1, 3, 4, 8
_TENSOR_NAME: Final = 8
_VALUE_NAME: Final = 1

# Wire types of Protocol Buffers: https://protobuf.dev/programming-guides/encoding
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_MAX_SHIFT: Final = 63


@dataclass(frozen=True)
class Node:
    """An operation of a graph.

    Attributes:
        operation: Its type, such as "Conv".
        inputs: Names of its inputs; "" for one that is left out.
        outputs: Names of its outputs.
        integers: Each attribute of integers, or of one integer, as a tuple.
        texts: Each attribute of text.
    """

    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    integers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """The graph of an ONNX file.

    Attributes:
        inputs: Names of the inputs; old files list weights among them.
        outputs: Names of the outputs.
        weights: Names of the weights.
        nodes: The operations, each after those whose outputs it takes.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: frozenset[str]
    nodes: tuple[Node, ...]


def read_graph(path: Path) -> Graph:
    """Reads the graph of an ONNX file.

    Raises:
        ModelError: The file cannot be read, or is not an ONNX file.
    """
    try:
        fields = list(_iterate_fields(memoryview(path.read_bytes())))
        graph = [each for number, part in fields if number == _MODEL_GRAPH for each in _open(part)]
        return Graph(
            inputs=tuple(_list_names(graph, _GRAPH_INPUT, _VALUE_NAME)),
            outputs=tuple(_list_names(graph, _GRAPH_OUTPUT, _VALUE_NAME)),
            weights=frozenset(_list_names(graph, _GRAPH_INITIALIZER, _TENSOR_NAME)),
            nodes=tuple(_parse_node(_open(part)) for n, part in graph if n == _GRAPH_NODE),
        )
    except (OSError, ValueError, IndexError) as error:
        raise ModelError(f"{path} is not a readable ONNX file ({error})") from error


def declare_outputs(model: bytes, names: Sequence[str]) -> bytes:
    """Declares values of a model's graph as outputs, after those that it has.

    Args:
        model: The bytes of an ONNX file.
        names: Names of values of its graph, weights included. ONNX Runtime infers their types.

    Returns:
        The bytes of the same model with more outputs.
    """
    values = (_write_bytes(_VALUE_NAME, name.encode()) for name in names)
    outputs = b"".join(_write_bytes(_GRAPH_OUTPUT, value) for value in values)
    return model + _write_bytes(_MODEL_GRAPH, outputs)


_Field = tuple[int, memoryview | int]


def _iterate_fields(message: memoryview) -> Iterator[_Field]:
    """Yields number and value of each field; numbers of fixed size are left out.

    Raises:
        ValueError, IndexError: The message is damaged.
    """
    place = 0
    while place < len(message):
        key, place = _read_varint(message, place)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, place = _read_varint(message, place)
            yield number, value
        elif wire == _BYTES:
            length, place = _read_varint(message, place)
            if place + length > len(message):
                raise ValueError("a field ends after the file")
            yield number, message[place : place + length]
            place += length
        elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
            place += 8 if wire == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"unknown wire type {wire}")


def _read_varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, _MAX_SHIFT + 1, 7):
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("a number has too many bytes")


def _write_bytes(number: int, content: bytes) -> bytes:
    return _write_varint(number << 3 | _BYTES) + _write_varint(len(content)) + content


def _write_varint(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)


def _open(value: memoryview | int) -> list[_Field]:
    if isinstance(value, int):
        raise ValueError("expected a message, found a number")
    return list(_iterate_fields(value))


def _to_text(value: memoryview | int) -> str:
    if isinstance(value, int):
        raise ValueError("expected a text, found a number")
    return bytes(value).decode()


def _to_signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _list_names(graph: Sequence[_Field], number: int, name: int) -> Iterator[str]:
    """Yields the name of each value or weight in a field of the graph."""
    for found, part in graph:
        if found == number:
            yield from (_to_text(text) for n, text in _open(part) if n == name)


def _parse_node(fields: Sequence[_Field]) -> Node:
    integers: dict[str, tuple[int, ...]] = {}
    texts: dict[str, str] = {}
    for number, part in fields:
        if number == _NODE_ATTRIBUTE:
            attribute = _open(part)
            name = next((_to_text(text) for n, text in attribute if n == _ATTRIBUTE_NAME), "")
            if values := tuple(_list_integers(attribute)):
                integers[name] = values
            for n, text in attribute:
                if n == _ATTRIBUTE_TEXT:
                    texts[name] = bytes(text).decode(errors="replace")
    return Node(
        operation=next((_to_text(text) for n, text in fields if n == _NODE_OPERATION), ""),
        inputs=tuple(_to_text(text) for n, text in fields if n == _NODE_INPUT),
        outputs=tuple(_to_text(text) for n, text in fields if n == _NODE_OUTPUT),
        integers=integers,
        texts=texts,
    )


def _list_integers(attribute: Sequence[_Field]) -> Iterator[int]:
    for number, value in attribute:
        if number not in (_ATTRIBUTE_INTEGER, _ATTRIBUTE_INTEGERS):
            continue
        if isinstance(value, int):
            yield _to_signed(value)
        else:  # packed, as some writers do
            place = 0
            while place < len(value):
                packed, place = _read_varint(value, place)
                yield _to_signed(packed)
