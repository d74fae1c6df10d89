"""Builds an ONNX graph of standard operators, node by node, and takes other graphs into it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, version_converter

from platewatch.arrays import Array

OPSET, _FORMAT = 20, 10
FLOAT, INT32, INT64 = 1, 6, 7
"""ONNX's numbers of types."""

Value = str | Array | float
"""An operator's input: the name of a value in the graph, or a constant. A Python number becomes float32."""


class Graph:
    """A graph that grows; every value in it has a name."""

    def __init__(self) -> None:
        self._nodes = list[onnx.NodeProto]()
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._tensors = list[onnx.TensorProto]()
        self._inputs, self._outputs = list[onnx.ValueInfoProto](), list[onnx.ValueInfoProto]()

    def takes(self, name: str, dtype: type[np.generic], shape: Sequence[int]) -> str:
        """Declare an input."""
        self._inputs.append(_declared(name, dtype, shape))
        return name

    def gives(self, name: str, value: str, dtype: type[np.generic], shape: Sequence[int]) -> None:
        """Declare an output with the content of a value."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(_declared(name, dtype, shape))

    def constant(self, value: Array | float) -> str:
        """The name of a constant; equal ones are stored once."""
        array = np.asarray(value, np.float32) if isinstance(value, int | float) else np.array(value, order="C")
        key = str(array.dtype), array.shape, array.tobytes()
        if key not in self._constants:
            name = self._constants[key] = f"constant_{len(self._constants)}"
            self._tensors.append(numpy_helper.from_array(array, name))
        return self._constants[key]

    def add(self, operator: str, *inputs: Value, **attributes: Any) -> str:
        """Append a node with one output; returns the output's name."""
        return self.add_several(operator, 1, *inputs, **attributes)[0]

    def add_several(self, operator: str, count: int, *inputs: Value, **attributes: Any) -> list[str]:
        """Append a node with `count` outputs; returns their names."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        outputs = [f"value_{len(self._nodes)}_{number}" for number in range(count)]
        self._nodes.append(helper.make_node(operator, names, outputs, **attributes))
        return outputs

    def reduce(self, operator: str, value: str, *axes: int, keepdims: bool = False) -> str:
        """Append a reduction over axes."""
        return self.add(operator, value, np.array(axes, np.int64), keepdims=int(keepdims))

    def reshape(self, value: str, *shape: int) -> str:
        """Append a Reshape."""
        return self.add("Reshape", value, np.array(shape, np.int64))

    def take(self, model: bytes, prefix: str, inputs: Mapping[str, str], outputs: Sequence[str]) -> list[str]:
        """Take an exported graph into this one; returns the names that its `outputs` have here.

        Its names get a `prefix`; `inputs` are the values for its inputs. What these outputs do not need is left out.
        """
        found = onnx.load_from_string(model)
        if found.opset_import[0].version != OPSET:
            found = version_converter.convert_version(found, OPSET)
        renamed, needed, kept = dict(inputs), set(outputs), list[onnx.NodeProto]()
        for node in reversed(found.graph.node):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
        for tensor in found.graph.initializer:
            if tensor.name in needed:
                renamed[tensor.name] = f"{prefix}{tensor.name}"
                tensor.name = renamed[tensor.name]
                self._tensors.append(tensor)
        for node in reversed(kept):
            made = {each: f"{prefix}{each}" for each in node.output if each}
            renamed |= made
            copied = onnx.NodeProto.FromString(node.SerializeToString())
            copied.name = ""
            copied.input[:] = [renamed[each] if each else "" for each in node.input]
            copied.output[:] = [made.get(each, "") for each in node.output]
            self._nodes.append(copied)
        return [renamed[each] for each in outputs]

    def model(self, name: str, metadata: Mapping[str, str]) -> bytes:
        """The complete, checked model; `metadata` are properties of the file."""
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="platewatch")
        model.ir_version = _FORMAT
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model)
        written: bytes = model.SerializeToString(deterministic=True)
        return written


def _declared(name: str, dtype: type[np.generic], shape: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape))
