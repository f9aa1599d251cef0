"""The networks' steps in onnxruntime, in float32."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
import onnxruntime

from bitstream.errors import CodecError
from codec.runtime.engine import Array
from codec.runtime.graph_engine import Graph, GraphEngine


class OnnxEngine(GraphEngine):
    """Runs the graphs in onnxruntime."""

    def _load(self, name: str) -> Graph:
        share_memory()
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 4  # errors are raised, not printed
        files = list(self._weights)
        options.add_external_initializers_from_files_in_memory(
            files, [self._weights[f] for f in files], [len(self._weights[f]) for f in files]
        )
        try:
            session = onnxruntime.InferenceSession(
                self._graphs[name], options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise CodecError(
                f"the graph {name} of the model cannot be loaded by onnxruntime "
                f"{onnxruntime.__version__}: export the model's graphs again"
            ) from error
        return _Session(session)


class _Session:
    """A graph in onnxruntime."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._inputs = [node.name for node in session.get_inputs()]

    def __call__(self, given: Mapping[str, Array]) -> list[Any]:
        inputs = {name: np.ascontiguousarray(given[name]) for name in self._inputs}
        return list(self._session.run(None, inputs))


@cache
def share_memory() -> None:
    """Let all sessions of this process take their memory from one pool.

    A step then finds the memory that the step before has left, instead of keeping its own: less is
    held at the peak, and the system has fewer pages to hand out.
    """
    kind, place = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    with suppress(RuntimeError):  # a pool is there: this program has made one for its own sessions
        onnxruntime.create_and_register_allocator(
            onnxruntime.OrtMemoryInfo("Cpu", kind, 0, place), None
        )
