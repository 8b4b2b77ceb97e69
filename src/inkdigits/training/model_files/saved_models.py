"""Checks SavedModels before TensorFlow loads them, and loads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from inkdigits.errors import ModelError
from inkdigits.recognition.session import MAX_MODEL_BYTES
from inkdigits.training.networks.frameworks import load_tensorflow, silence_frameworks

SIGNATURE: Final = "serving_default"

# Operations that compute with arrays and variables only. A SavedModel is a program: TensorFlow also
# has operations that read and write files, use the network or call Python.
_ALLOWED: Final = frozenset(
    [
        "Abs",
        "Add",
        "AddN",
        "AddV2",
        "All",
        "Any",
        "ArgMax",
        "ArgMin",
        "AssignAddVariableOp",
        "AssignSubVariableOp",
        "AssignVariableOp",
        "AvgPool",
        "AvgPool3D",
        "BatchMatMul",
        "BatchMatMulV2",
        "BatchMatMulV3",
        "BatchToSpaceND",
        "BiasAdd",
        "BroadcastArgs",
        "BroadcastTo",
        "Cast",
        "Ceil",
        "ClipByValue",
        "Concat",
        "ConcatV2",
        "Const",
        "Conv2D",
        "Conv2DBackpropInput",
        "Cos",
        "Cumsum",
        "DepthToSpace",
        "DepthwiseConv2dNative",
        "Dequantize",
        "DisableCopyOnRead",
        "Einsum",
        "Elu",
        "EmptyTensorList",
        "EnsureShape",
        "Enter",
        "Equal",
        "Erf",
        "Exit",
        "Exp",
        "ExpandDims",
        "FakeQuantWithMinMaxArgs",
        "FakeQuantWithMinMaxVars",
        "FakeQuantWithMinMaxVarsPerChannel",
        "Fill",
        "Floor",
        "FloorDiv",
        "FloorMod",
        "FusedBatchNorm",
        "FusedBatchNormV2",
        "FusedBatchNormV3",
        "Gather",
        "GatherNd",
        "GatherV2",
        "Greater",
        "GreaterEqual",
        "Identity",
        "IdentityN",
        "If",
        "InvertPermutation",
        "IsFinite",
        "IsNan",
        "L2Loss",
        "LRN",
        "LeakyRelu",
        "Less",
        "LessEqual",
        "LinSpace",
        "Log",
        "Log1p",
        "LogSoftmax",
        "LogicalAnd",
        "LogicalNot",
        "LogicalOr",
        "LoopCond",
        "MatMul",
        "Max",
        "MaxPool",
        "MaxPoolV2",
        "Maximum",
        "Mean",
        "Merge",
        "Min",
        "Minimum",
        "MirrorPad",
        "Mod",
        "Mul",
        "Neg",
        "NextIteration",
        "NoOp",
        "NonMaxSuppressionV3",
        "NotEqual",
        "OneHot",
        "OnesLike",
        "Pack",
        "Pad",
        "PadV2",
        "PartitionedCall",
        "Placeholder",
        "PlaceholderWithDefault",
        "Pow",
        "PreventGradient",
        "Prod",
        "QuantizeAndDequantizeV2",
        "QuantizeV2",
        "RandomUniform",
        "Range",
        "Rank",
        "ReadVariableOp",
        "RealDiv",
        "Reciprocal",
        "Relu",
        "Relu6",
        "Reshape",
        "ResizeBilinear",
        "ResizeNearestNeighbor",
        "ResourceGather",
        "ReverseV2",
        "Rint",
        "Round",
        "Rsqrt",
        "Select",
        "SelectV2",
        "Selu",
        "Shape",
        "ShapeN",
        "Sigmoid",
        "Sign",
        "Sin",
        "Size",
        "Slice",
        "Snapshot",
        "Softmax",
        "Softplus",
        "Softsign",
        "SpaceToBatchND",
        "SpaceToDepth",
        "Split",
        "SplitV",
        "Sqrt",
        "Square",
        "SquaredDifference",
        "Squeeze",
        "StatefulPartitionedCall",
        "StatelessIf",
        "StatelessWhile",
        "StopGradient",
        "StridedSlice",
        "Sub",
        "Sum",
        "Switch",
        "Tan",
        "Tanh",
        "TensorListElementShape",
        "TensorListFromTensor",
        "TensorListGetItem",
        "TensorListLength",
        "TensorListReserve",
        "TensorListSetItem",
        "TensorListStack",
        "Tile",
        "TopKV2",
        "Transpose",
        "TruncateDiv",
        "Unpack",
        "VarHandleOp",
        "VarIsInitializedOp",
        "VariableShape",
        "Where",
        "While",
        "ZerosLike",
    ]
)

# What TensorFlow adds to each SavedModel to save and restore its variables. Nothing may call the
# functions that contain these: TensorFlow restores variables without them.
_OF_CHECKPOINTS: Final = frozenset(
    [
        "MergeV2Checkpoints",
        "RestoreV2",
        "SaveV2",
        "ShardedFilename",
        "StaticRegexFullMatch",
        "StringJoin",
    ]
)


def load_saved_model(path: Path) -> Any:
    """Loads a SavedModel whose operations only compute.

    Returns:
        The loaded object of TensorFlow; its signature `SIGNATURE` is the network.

    Raises:
        ModelError: The SavedModel is damaged, too large, of TensorFlow 1, without a signature, or
            contains an operation that is not known to be harmless.
    """
    check_size(path, path.rglob("*"))
    tensorflow = load_tensorflow()
    _check_operations(path)
    try:
        with silence_frameworks():
            return tensorflow.saved_model.load(str(path))
    except Exception as error:  # TensorFlow's errors have no common base class
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{path} is not a readable SavedModel: {reason}") from error


def check_size(path: Path, parts: Iterable[Path]) -> None:
    """Raises ModelError if the files of a model are too large, or a part of it is not a file."""
    n_bytes = 0
    for part in parts:
        if not (part.is_file() or part.is_dir()):
            raise ModelError(
                f"{path} contains {part.name!r}, which is not a file: expected a SavedModel"
            )
        n_bytes += part.stat().st_size
    if n_bytes > MAX_MODEL_BYTES:
        raise ModelError(
            f"{path} has {n_bytes:,} bytes; expected a model of at most {MAX_MODEL_BYTES:,} bytes"
        )


def _check_operations(path: Path) -> None:
    """Raises ModelError unless every operation in a SavedModel is allowed."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((path / "saved_model.pb").read_bytes())
    except (DecodeError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{path} is not a readable SavedModel: {reason}") from error
    if len(saved.meta_graphs) != 1:
        raise ModelError(
            f"{path} is not a readable SavedModel: it has {len(saved.meta_graphs)} graphs; "
            "expected one"
        )
    (graph,) = saved.meta_graphs
    if not graph.HasField("object_graph_def"):
        version = graph.meta_info_def.tensorflow_version or "1"
        raise ModelError(
            f"{path} is a SavedModel of TensorFlow 1 (written by version {version}), which this "
            "version does not load: convert it to ONNX with 'python -m tf2onnx.convert "
            "--saved-model FOLDER --output model.onnx', and adopt model.onnx"
        )
    if graph.asset_file_def:
        raise ModelError(
            f"{path} is rejected: it contains the file {graph.asset_file_def[0].filename!r}; "
            "expected a network without files of its own"
        )
    if SIGNATURE not in graph.signature_def:
        raise ModelError(
            f"{path} has no signature {SIGNATURE!r}: save it with model.export(FOLDER), or with "
            "tf.saved_model.save(model, FOLDER, signatures=...)"
        )
    _check_functions(path, graph)


def _check_functions(path: Path, graph: Any) -> None:
    functions = graph.graph_def.library.function
    operations = {
        function.signature.name: {node.op for node in function.node_def} for function in functions
    }
    operations[""] = {node.op for node in graph.graph_def.node}
    called = {
        name
        for function in functions
        for node in function.node_def
        for attribute in node.attr.values()
        for name in [attribute.func.name, *(each.name for each in attribute.list.func)]
    }
    called |= {node.op for function in functions for node in function.node_def} & set(operations)
    called |= set(graph.object_graph_def.concrete_functions) | {""}
    for name, found in operations.items():
        allowed = _ALLOWED | set(operations)
        if name not in called:
            allowed |= _OF_CHECKPOINTS
        unknown = sorted(found - allowed)
        if unknown:
            raise ModelError(
                f"{path} is rejected: it contains the operation {unknown[0]!r}, which is not known "
                "to be harmless; expected a network that only computes, without files, network "
                "access or Python functions"
            )
