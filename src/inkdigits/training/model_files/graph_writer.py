"""Writes ONNX graphs from Python expressions: `(x + 0.5) * 4` becomes the nodes that compute it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.compose
import onnx.version_converter
from onnx import TensorProto, helper, numpy_helper

OPSET = 18  # The first with antialiasing in Resize and with the input `axes` of Pad.
IR_VERSION = 9  # From 2023, the lowest version for opset 18, so that older runtimes can read it.


class Value:
    """A tensor of a graph that is being written. Operators add nodes to the graph.

    A node that depends on a value of a loop's body is added to the body, any other to the graph
    around the loop.
    """

    __array_ufunc__ = None  # NumPy then leaves `array * value` to this class.

    def __init__(self, writer: GraphWriter, name: str) -> None:
        self.writer = writer
        self.name = name

    def __add__(self, other: Any) -> Value:
        return self._combine("Add", self, other)

    def __radd__(self, other: Any) -> Value:
        return self._combine("Add", other, self)

    def __sub__(self, other: Any) -> Value:
        return self._combine("Sub", self, other)

    def __rsub__(self, other: Any) -> Value:
        return self._combine("Sub", other, self)

    def __mul__(self, other: Any) -> Value:
        return self._combine("Mul", self, other)

    def __rmul__(self, other: Any) -> Value:
        return self._combine("Mul", other, self)

    def __truediv__(self, other: Any) -> Value:
        """Divides; positive integers are rounded down, as ONNX does."""
        return self._combine("Div", self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return self._combine("Div", other, self)

    def __lt__(self, other: Any) -> Value:
        return self._combine("Less", self, other)

    def __gt__(self, other: Any) -> Value:
        return self._combine("Greater", self, other)

    def __ge__(self, other: Any) -> Value:
        return self._combine("GreaterOrEqual", self, other)

    def __and__(self, other: Any) -> Value:
        return self._combine("And", self, other)

    def __or__(self, other: Any) -> Value:
        return self._combine("Or", self, other)

    def __invert__(self) -> Value:
        return self.writer.op("Not", self)

    def to_float(self) -> Value:
        """Converts to float32."""
        return self.writer.op("Cast", self, to=TensorProto.FLOAT)

    def to_int(self) -> Value:
        """Converts to int64; True becomes 1, False becomes 0."""
        return self.writer.op("Cast", self, to=TensorProto.INT64)

    def reshape(self, *shape: int) -> Value:
        """Changes the shape; -1 stands for the remaining length."""
        return self.writer.op("Reshape", self, list(shape))

    def shape(self, start: int, end: int | None = None) -> Value:
        """Returns part of the shape: int64, shape (end - start,)."""
        bounds = {"start": start} if end is None else {"start": start, "end": end}
        return self.writer.op("Shape", self, **bounds)

    def slice(self, start: int, end: int, axis: int) -> Value:
        """Returns the elements from `start` up to, but without, `end` along an axis."""
        return self.writer.op("Slice", self, [start], [end], [axis])

    def take(self, indices: Any, axis: int = 0) -> Value:
        """Returns the elements at some indices along an axis."""
        return self._combine("Gather", self, indices, axis=axis)

    def compress(self, mask: Value) -> Value:
        """Returns the rows where `mask` is true."""
        return self._combine("Compress", self, mask, axis=0)

    def clip(self, low: Any, high: Any) -> Value:
        """Limits the values to bounds, which may be tensors that broadcast."""
        return self._combine("Min", self._combine("Max", self, low), high)

    def reduce(self, how: str, *axes: int, keep: bool = False) -> Value:
        """Reduces axes; `how` is Max, Min, Sum, Mean or Prod. Without axes, reduces all of them."""
        return self.writer.op(f"Reduce{how}", self, list(axes) or None, keepdims=int(keep))

    def _combine(self, kind: str, *operands: Any, **attributes: Any) -> Value:
        writers = [value.writer for value in operands if isinstance(value, Value)]
        return max(writers, key=lambda w: w.depth).op(kind, *operands, **attributes)


class GraphWriter:
    """A graph that is being written, or a subgraph: the body of a loop, or a branch.

    A subgraph can use the values of the graphs around it.
    """

    def __init__(self, around: GraphWriter | None = None) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[tuple[str, tuple[int, ...], bytes], onnx.TensorProto] = {}
        self._weights: list[onnx.TensorProto] = []
        self.depth: int = around.depth + 1 if around else 0
        self._count: itertools.count[int] = around._count if around else itertools.count()

    def value(self, name: str) -> Value:
        """Returns the tensor with this name, such as an input."""
        return Value(self, name)

    def constant(self, value: Any) -> Value:
        """Adds a constant, integers as int64 and floats as float32; equal constants are shared."""
        array = np.asarray(value)
        if not isinstance(value, np.ndarray):
            array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._initializers:
            self._initializers[key] = numpy_helper.from_array(array, self._name("constant"))
        return Value(self, self._initializers[key].name)

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> Value:
        """Adds a node with one output; None leaves out an optional input."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, n_outputs: int, *inputs: Any, **attributes: Any) -> list[Value]:
        """Adds a node with several outputs."""
        names = [self._operand(value) for value in inputs]
        outputs = [self._name(kind) for _ in range(n_outputs)]
        self._nodes.append(helper.make_node(kind, names, outputs, name=outputs[0], **attributes))
        return [Value(self, name) for name in outputs]

    def concat(self, *values: Any, axis: int = 0) -> Value:
        """Joins tensors along an axis."""
        return self.op("Concat", *values, axis=axis)

    def when(
        self,
        condition: Value,
        then: Callable[[GraphWriter], Sequence[Value]],
        otherwise: Callable[[GraphWriter], Sequence[Value]],
    ) -> list[Value]:
        """Adds an If node.

        Args:
            condition: bool, a scalar.
            then: Writes the branch for True, with its own writer, and returns its values.
            otherwise: Writes the branch for False; returns the same number of values.

        Returns:
            The values of the branch that is taken.
        """
        branches = []
        for write in (then, otherwise):
            inner = GraphWriter(self)
            # ONNX does not allow a value of the outer graph as an output of a branch, so each
            # output gets a node of its own.
            outputs = [inner.op("Identity", value) for value in write(inner)]
            branches.append(inner.to_graph("branch", {}, {v.name: None for v in outputs}))
        n_outputs = len(branches[0].output)
        return self.ops(
            "If", n_outputs, condition, then_branch=branches[0], else_branch=branches[1]
        )

    def loop(
        self,
        max_count: Value,
        carried: Sequence[tuple[Value, int, Sequence[int | None]]],
        write: Callable[[GraphWriter, Value, list[Value]], tuple[Value, Sequence[Value]]],
    ) -> list[Value]:
        """Adds a Loop node.

        Args:
            max_count: Maximum number of iterations: int64, a scalar.
            carried: The values that pass from one iteration to the next, each as initial value,
                element type and shape; None in a shape is a length that may change.
            write: Writes the body. It takes the body's writer, the number of the iteration and the
                carried values; it returns the condition for another iteration, and the new values.

        Returns:
            The carried values after the last iteration.
        """
        body = GraphWriter(self)
        number = body.value(self._name("number"))
        state = [body.value(self._name("carried")) for _ in carried]
        goes_on, outputs = write(body, number, state)
        types = [(kind, list(shape)) for _, kind, shape in carried]
        inputs: dict[str, tuple[int, list[int | None]]] = {
            number.name: (TensorProto.INT64, []),
            self._name("condition"): (TensorProto.BOOL, []),
            **{value.name: type_ for value, type_ in zip(state, types, strict=True)},
        }
        # ONNX does not allow an input as an output, so each output gets a node of its own.
        given = [body.op("Identity", value) for value in (goes_on, *outputs)]
        kinds = [(TensorProto.BOOL, []), *types]
        graph = body.to_graph(
            "body", inputs, {value.name: kind for value, kind in zip(given, kinds, strict=True)}
        )
        start = [value for value, _, _ in carried]
        return self.ops("Loop", len(start), max_count, None, *start, body=graph)

    def inline(self, model: onnx.ModelProto, prefix: str, source: Value) -> Value:
        """Adds a whole network with one input and one output, including its weights."""
        if _opset(model) != OPSET:
            model = onnx.version_converter.convert_version(model, OPSET)
        graph = onnx.compose.add_prefix_graph(model.graph, f"{prefix}/")
        self._nodes.append(helper.make_node("Identity", [source.name], [graph.input[0].name]))
        self._nodes.extend(graph.node)
        self._weights.extend(graph.initializer)
        return Value(self, graph.output[0].name)

    def name_output(self, value: Value, name: str) -> None:
        """Adds a graph output with this name."""
        self._nodes.append(helper.make_node("Identity", [value.name], [name], name=name))

    def to_graph(
        self,
        name: str,
        inputs: Mapping[str, tuple[int, Sequence[Any]]],
        outputs: Mapping[str, tuple[int, Sequence[Any]] | None],
    ) -> onnx.GraphProto:
        """Returns the graph; inputs and outputs are given as name to element type and shape."""
        return helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in inputs.items()],
            [
                helper.make_tensor_value_info(n, *type_) if type_ else onnx.ValueInfoProto(name=n)
                for n, type_ in outputs.items()
            ],
            [*self._initializers.values(), *self._weights],
        )

    def _operand(self, value: Any) -> str:
        if value is None:
            return ""
        return value.name if isinstance(value, Value) else self.constant(value).name

    def _name(self, kind: str) -> str:
        return f"{kind}_{next(self._count)}"


def _opset(model: onnx.ModelProto) -> int:
    return next(int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx"))
