"""The search for a level's codes as an ONNX graph: beam search, unrolled over the stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from codec.networks.config import Stage


class _Builder:
    """Nodes of a graph in the order of their making; every result has a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, count: int = 1, **attributes: Any) -> str:
        """The name of the first result of a new node (of `count`: "name", "name_1", ...)."""
        name = f"{kind.lower()}{len(self.nodes)}"
        outputs = [name, *(f"{name}_{k}" for k in range(1, count))]
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        """The name of a constant, made once."""
        if all(known.name != name for known in self.constants):
            self.constants.append(numpy_helper.from_array(value, name))
        return name


def search_graph(numbers: Sequence[int], stages: Sequence[Stage]) -> onnx.GraphProto:
    """Codes of consecutive stages that jointly quantize vectors, see `Engine.search`.

    Inputs: `vectors` (n, D) float32, `biases` (S, K) float32, `width` (1,) int64. Output: `codes`
    (n, S) int64. The codebooks are the initializers `quantizer.codebookN`.

    Args:
        numbers: of the level's stages, in coding order.
        stages: these stages.
    """
    b = _Builder()
    dim, codes = stages[0].dim, stages[0].codes
    one = b.constant("one", np.array([1], np.int64))
    zero = b.constant("zero", np.array([0], np.int64))
    size = b.constant("size", np.array([codes], np.int64))
    scalar = b.constant("scalar", np.array(0, np.int64))
    count = b.add("Slice", b.add("Shape", "vectors"), zero, one)  # n
    first_rows = b.add(
        "Range", scalar, b.add("Squeeze", count), b.constant("step", np.array(1, np.int64))
    )
    beams, rest, cost, chosen = one, "vectors", "", ""  # rest: (n * B, D)
    for k, number in enumerate(numbers):
        book = f"quantizer.codebook{number}"
        norms = b.add("ReduceSumSquare", book, axes=[1], keepdims=0)
        bias = b.add("Gather", "biases", b.constant(f"k{k}", np.array(k, np.int64)))
        dots = b.add("Gemm", rest, book, b.add("Add", norms, bias), alpha=-2.0, transB=1)
        if cost:  # (n * B,), what the partial sums cost so far
            column = b.add("Reshape", cost, b.constant("column", np.array([-1, 1], np.int64)))
            dots = b.add("Add", dots, column)
        every = b.add("Mul", beams, size)
        flat = b.add("Reshape", dots, b.add("Concat", count, every, axis=0))  # (n, B * K)
        beams_next = b.add("Min", "width", every)
        cost = b.add("TopK", flat, beams_next, count=2, largest=0)
        pick = f"{cost}_1"  # (n, B')
        offset = b.add("Mul", first_rows, beams)
        offset = b.add("Unsqueeze", offset, one)
        parent = b.add("Add", b.add("Div", pick, size), offset)
        parent = b.add("Reshape", parent, b.constant("flat", np.array([-1], np.int64)))
        code = b.add("Reshape", b.add("Mod", pick, size), "flat")
        if k + 1 < len(numbers):
            rest = b.add("Sub", b.add("Gather", rest, parent), b.add("Gather", book, code))
        own = b.add("Unsqueeze", code, one)  # (n * B', 1)
        chosen = b.add("Concat", b.add("Gather", chosen, parent), own, axis=1) if k else own
        beams = beams_next
    stages_count = b.constant("stages", np.array([len(numbers)], np.int64))
    shape = b.add("Concat", count, beams, stages_count, axis=0)
    best = b.add("Gather", b.add("Reshape", chosen, shape), scalar, axis=1)
    b.nodes.append(helper.make_node("Identity", [best], ["codes"]))
    inputs = [
        helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", dim]),
        helper.make_tensor_value_info("biases", TensorProto.FLOAT, [len(numbers), codes]),
        helper.make_tensor_value_info("width", TensorProto.INT64, [1]),
    ]
    output = helper.make_tensor_value_info("codes", TensorProto.INT64, ["n", len(numbers)])
    return helper.make_graph(b.nodes, "search", inputs, [output], b.constants)
