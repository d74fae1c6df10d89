"""Checks the network's file before a runtime reads it: only an ONNX graph like those of export.py is accepted.

The file may come from elsewhere. Refused are loops, branches and functions, operators of other domains, tensors in
other files, and numbers that would make a tensor large. Only the bytes are read here; `protobuf` is a dependency of
ONNX Runtime, the package `onnx` is not installed on the PC at the line.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from math import prod
from typing import Any, TypeVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from platewatch.errors import ModelError

INPUT = "photos"
OUTPUTS = ("reconstruction_error", "latent_error", "anomaly_map", "reconstruction")
"""Names of the input and outputs of phase two's graph."""
FEATURES = "features"
"""Name of the output of the texture features' graph; its input is `INPUT` too."""

OPERATORS = frozenset(
    (
        *("Abs", "Add", "AveragePool", "Cast", "Clip", "Concat", "Conv", "ConvTranspose", "Div", "Flatten", "Gather"),
        *("Gemm", "Identity", "LeakyRelu", "MatMul", "Max", "MaxPool", "Min", "Mul", "Neg", "Pow", "ReduceMax"),
        *(
            "ReduceMean",
            "ReduceSum",
            "Relu",
            "Reshape",
            "Resize",
            "Round",
            "Shape",
            "Sigmoid",
            "Slice",
            "Split",
            "Sqrt",
        ),
        *("Squeeze", "Sub", "Tanh", "TopK", "Transpose", "Unsqueeze"),
    )
)
"""Operators of exported networks; none of them loops, branches or reads a file."""

_ONLY_MOVE = frozenset(("Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"))  # a weight may go through these

_FEWEST_PX, _MOST_PX = 32, 4096  # sides that config.py allows
_MOST_NODES, _MOST_NUMBER, _MOST_INDEX = 2000, 4096, 2**20
PATCH = 8
"""Side of a patch of the texture features, px."""
_MOST_FEATURES = 1024
_LAST = 2**63 - 1  # "to the end", in a Slice
_OPSETS, _NEWEST_FORMAT = range(17, 27), 13
_BYTES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8}  # of one element, by ONNX's number of the type
_UINT8, _FLOAT, _INT64 = 2, 1, 7
_GRAPHS = (5, 10, 11, 12, 13, 14)  # attributes that are graphs, sparse tensors or types

_SCHEMA = {
    "ModelProto": "1 int64 ir_version|7 GraphProto graph|8* OperatorSetIdProto opset_import|25* bytes functions",
    "OperatorSetIdProto": "1 string domain|2 int64 version",
    "GraphProto": "1* NodeProto node|5* TensorProto initializer|11* ValueInfoProto input|12* ValueInfoProto output"
    "|15* bytes sparse_initializer",
    "NodeProto": "1* string input|2* string output|4 string op_type|5* AttributeProto attribute|7 string domain",
    "AttributeProto": "1 string name|3 int64 i|5 TensorProto t|6 bytes g|8* int64 ints|10* TensorProto tensors"
    "|11* bytes graphs|20 int32 type|21 string ref_attr_name",
    "TensorProto": "1* int64 dims|2 int32 data_type|7* int64 int64_data|8 string name|9 bytes raw_data"
    "|13* bytes external_data|14 int32 data_location",
    "ValueInfoProto": "1 string name|2 TypeProto type",
    "TypeProto": "1 TensorTypeProto tensor_type",
    "TensorTypeProto": "1 int32 elem_type|2 ShapeProto shape",
    "ShapeProto": "1* DimensionProto dim",
    "DimensionProto": "1 int64 dim_value|2 string dim_param",
}
"""The fields of onnx.proto (version 1.23) that are read: number, * for repeated, type, name."""


Interface = TypeVar("Interface")


class _RefusedError(Exception):
    """Why a file is refused."""


def check(data: bytes, name: str) -> int:
    """The side S in px of the input of phase two's graph; raises ModelError, naming the file `name`, for any other."""
    return _checked(data, name, _check_interface)


def check_features(data: bytes, name: str) -> tuple[int, int]:
    """Side S in px of the input and length F of a patch's features (N, S/8, S/8, F) float32; raises as `check`."""
    return _checked(data, name, _check_features)


def _checked(data: bytes, name: str, check_interface: Callable[[Any], Interface]) -> Interface:
    try:
        model = _message("ModelProto").FromString(data)
    except (DecodeError, ValueError) as error:
        raise ModelError(name, "not a readable ONNX file", remedy="restore the file or train again") from error
    try:
        _check_model(model)
        found = check_interface(model.graph)
        _check_tensors(model.graph.initializer)
        _check_nodes(model.graph)
    except _RefusedError as why:
        raise ModelError(name, f"not a network of Platewatch ({why})", remedy="train it again") from why
    return found


def _check_model(model: Any) -> None:
    if model.functions or model.graph.sparse_initializer:
        raise _RefusedError("it has functions or sparse tensors")
    if not 3 <= model.ir_version <= _NEWEST_FORMAT:
        raise _RefusedError(f"ONNX format {model.ir_version}")
    found = [(each.domain, each.version) for each in model.opset_import]
    if len(found) != 1 or found[0][0] not in ("", "ai.onnx") or found[0][1] not in _OPSETS:
        raise _RefusedError(f"operator sets {found[:4]}")


def _check_interface(graph: Any) -> int:
    """Names, types and shapes of input and outputs; returns S."""
    takes, gives = ([_tensor(each) for each in values] for values in (graph.input, graph.output))
    match takes:
        case [(name, elements, (None, int(side), int(width), 3))] if (name, elements) == (INPUT, _UINT8):
            if side == width and _FEWEST_PX <= side <= _MOST_PX and _are_outputs(gives, side):
                return side
    raise _RefusedError(f"takes {_shown(takes)}, gives {_shown(gives)}")


def _check_features(graph: Any) -> tuple[int, int]:
    """Names, types and shapes of input and output; returns S and F."""
    takes, gives = ([_tensor(each) for each in values] for values in (graph.input, graph.output))
    match takes, gives:
        case [(_, _, (None, int(side), int(width), 3))], [(_, _, (None, int(rows), int(columns), int(length)))]:
            named = [each[:2] for each in (*takes, *gives)] == [(INPUT, _UINT8), (FEATURES, _FLOAT)]
            fits = side == width and _FEWEST_PX <= side <= _MOST_PX
            if named and fits and rows * PATCH == columns * PATCH == side and 1 <= length <= _MOST_FEATURES:
                return side, length
    raise _RefusedError(f"takes {_shown(takes)}, gives {_shown(gives)}")


def _are_outputs(gives: Sequence[tuple[str, int, tuple[int | None, ...]]], side: int) -> bool:
    match [shape for _, _, shape in gives]:
        case [(None,), (None,), (None, across, down), (None, int(rows), int(columns), 3)]:
            types = [_FLOAT, _FLOAT, _FLOAT, _UINT8]
            named = [(name, elements) for name, elements, _ in gives] == list(zip(OUTPUTS, types, strict=True))
            return named and (across, down) == (side, side) and rows == columns and 1 <= rows <= side
    return False


def _tensor(value: Any) -> tuple[str, int, tuple[int | None, ...]]:
    """Name, type and shape; a dimension without a number is None."""
    kind = value.type.tensor_type
    return value.name, kind.elem_type, tuple(each.dim_value or None for each in kind.shape.dim)


def _check_tensors(tensors: Iterable[Any]) -> None:
    """Check that every tensor is in the file itself, has the size of its shape, and holds only small integers."""
    for tensor in tensors:
        size = _BYTES.get(tensor.data_type)
        if tensor.external_data or tensor.data_location:
            raise _RefusedError(f"tensor {tensor.name[:80]!r} lies in another file")
        if size is None or len(tensor.dims) > 8 or any(not 0 <= each < 2**31 for each in tensor.dims):
            raise _RefusedError(f"tensor {tensor.name[:80]!r} of type {tensor.data_type}, {list(tensor.dims[:8])}")
        if len(tensor.raw_data) != prod(tensor.dims) * size:
            raise _RefusedError(f"tensor {tensor.name[:80]!r} is not as long as its shape")
        if tensor.data_type == _INT64:
            raw = tensor.raw_data
            numbers = (int.from_bytes(raw[at : at + 8], "little", signed=True) for at in range(0, len(raw), 8))
            if any(abs(each) > _MOST_INDEX and each != _LAST for each in numbers):
                raise _RefusedError(f"tensor {tensor.name[:80]!r} has a number above {_MOST_INDEX}")


def _check_nodes(graph: Any) -> None:
    """Check operators and numbers, and that each operator's input depends on the photographs."""
    if len(graph.node) > _MOST_NODES:
        raise _RefusedError(f"{len(graph.node)} nodes")
    made = {INPUT}
    for node in graph.node:
        operator = f"{node.domain}{node.domain and '.'}{node.op_type}"
        if operator not in OPERATORS:
            raise _RefusedError(f"operator {operator[:80]!r}")
        for attribute in node.attribute:
            if attribute.type in _GRAPHS or attribute.g or attribute.graphs or attribute.ref_attr_name:
                raise _RefusedError(f"operator {operator} with a graph")
            if any(abs(each) > _MOST_NUMBER for each in (attribute.i, *attribute.ints)):
                raise _RefusedError(f"operator {operator} with a number above {_MOST_NUMBER}")
            _check_tensors(_own_tensors(attribute))
        if made.intersection(node.input):
            made.update(node.output)
        elif operator not in _ONLY_MOVE:
            raise _RefusedError(f"operator {operator} does not depend on the photographs")


def _own_tensors(attribute: Any) -> Iterator[Any]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors


def _shown(values: Sequence[tuple[str, int, tuple[int | None, ...]]]) -> str:
    return repr([(name[:80], elements, shape[:8]) for name, elements, shape in values[:6]])


@lru_cache
def _message(name: str) -> Any:
    """The class of a message, built from `_SCHEMA` in a separate descriptor pool."""
    fields = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="network.proto", package="platewatch", syntax="proto2")
    for title, lines in _SCHEMA.items():
        message = file.message_type.add(name=title)
        for line in lines.split("|"):
            number, kind, field = line.split()
            repeated = fields.LABEL_REPEATED if number.endswith("*") else fields.LABEL_OPTIONAL
            added = message.field.add(name=field, number=int(number.rstrip("*")), label=repeated)
            if kind in _SCHEMA:
                added.type, added.type_name = fields.TYPE_MESSAGE, f".platewatch.{kind}"
            else:
                added.type = getattr(fields, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"platewatch.{name}"))
