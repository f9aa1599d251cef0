"""The networks' steps in OpenVINO, in bfloat16: for processors that multiply matrices of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino

from bitstream.errors import CodecError
from codec.runtime.onnx_engine import Graph, OnnxEngine

if TYPE_CHECKING:
    from codec.runtime.engine import Array

SINGLE = ("analyze", "synthesize", "search_")  # what makes the picture, which the others correct


class OpenVinoEngine(OnnxEngine):
    """Runs the networks in OpenVINO; linear transforms and search stay in onnxruntime, float32."""

    def _load(self, name: str) -> Graph:
        if name.startswith(SINGLE):
            return super()._load(name)
        options = {
            "INFERENCE_PRECISION_HINT": "bf16",
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": 1,
        }
        with TemporaryDirectory(prefix="bibcodec-") as place:  # it reads weights from files only
            for file, data in self._weights.items():
                (Path(place) / file).write_bytes(data)
            path = Path(place) / f"{name}.onnx"
            path.write_bytes(self._graphs[name])
            try:
                return _Compiled(openvino.Core().compile_model(path, "CPU", options))
            except Exception as error:
                raise CodecError(
                    f"the graph {name} of the model cannot be loaded by OpenVINO "
                    f"{openvino.__version__}: export the model's graphs again"
                ) from error


class _Compiled:
    """A graph in OpenVINO."""

    def __init__(self, model: openvino.CompiledModel) -> None:
        self._model = model
        self._inputs = [node.get_node().get_friendly_name() for node in model.inputs]
        self._idle = [model.create_infer_request()]  # each serves one thread at a time

    def __call__(self, given: Mapping[str, Array]) -> list[Any]:
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._model.create_infer_request()
        inputs = {name: np.ascontiguousarray(given[name]) for name in self._inputs}
        results = request.infer(inputs, share_inputs=True)
        self._idle.append(request)
        return [results[node] for node in self._model.outputs]
