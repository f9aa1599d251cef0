"""The networks' steps as graphs (`docs/graphs.md`) in onnxruntime, with the model's own weights."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from bitstream.errors import CodecError

if TYPE_CHECKING:
    from codec.runtime.engine import Array, Floats

ROWS = 1 << 12  # partial sums searched at once: what a cache holds


class Graph(Protocol):
    """A graph that a framework has loaded."""

    def __call__(self, given: Mapping[str, Array], /) -> list[Any]:
        """Run it.

        Args:
            given: arrays by name; it may need fewer of them.

        Returns:
            Its results, in its order.
        """


class OnnxEngine:
    """Runs the steps of `codec.runtime.engine.Engine` in float32; safe to share between threads.

    A graph is loaded when its step is first run. Maps are contiguous float32.

    Args:
        graphs: by name, the bytes of the ONNX files.
        weights: by name, the bytes of the files that the graphs' initializers lie in.
        noise: cell and channels of the noise at each scale; () without a detail network.
        threads: for each step.
    """

    def __init__(
        self,
        graphs: Mapping[str, bytes],
        weights: Mapping[str, bytes],
        noise: tuple[tuple[int, int], ...],
        threads: int,
    ) -> None:
        self._graphs, self._weights = graphs, weights
        self._noise, self._threads = noise, threads
        # By process: threads of a loaded graph do not survive a fork.
        self._loaded: dict[tuple[int, str], Graph] = {}
        self._lock = threading.Lock()  # around loading, never around running

    @property
    def noise(self) -> tuple[tuple[int, int], ...]:
        """Cell and channels of the noise at each scale."""
        return self._noise

    def running(self) -> AbstractContextManager[object]:
        """Nothing has to be set up."""
        return nullcontext()

    def analyze(self, pixels: Floats) -> list[Floats]:
        """Linear latents of pixels."""
        return self._run("analyze", pixels=pixels)

    def refine(self, level: int, features: Array) -> tuple[Floats, Array | None]:
        """The encoder network's part of one level."""
        correction, *coarser = self._run(f"refine_{level}", features=features)
        return correction, coarser[0] if coarser else None

    def embed(self, condition: Sequence[float]) -> Array:
        """The embedding of a condition."""
        return self._run("embed", condition=np.array([condition], np.float32))[0]

    def predict(
        self, level: int, embedding: Array, features: Array, latents: Sequence[Floats]
    ) -> Floats:
        """What the coarser levels predict of a level's latent."""
        given = {"embedding": embedding, "features": features} | _numbered(latents)
        return self._run(f"predict_{level}", **given)[0]

    def update(
        self,
        level: int,
        embedding: Array,
        remainder: Floats | None,
        features: Array | None,
        latents: Sequence[Floats],
    ) -> tuple[Array, Floats]:
        """The features and the latent of a level once its remainder is decoded."""
        given = {"embedding": embedding} | _numbered(latents)
        if features is not None:
            given["features"] = features
        if remainder is not None:
            given["remainder"] = remainder
        name = f"extend_{level}" if remainder is None else f"update_{level}"
        finer, latent = self._run(name, **given)
        return finer, latent

    def synthesize(self, latents: Sequence[Floats]) -> Floats:
        """Pixels of the latents, by the linear transforms."""
        return self._run("synthesize", **_numbered(latents))[0]

    def render(
        self,
        embedding: Array,
        pixels: Floats,
        features: Sequence[Array],
        noise: Sequence[Floats] | None,
        texture: Floats | None,
    ) -> tuple[Floats, Floats | None]:
        """The conditional mean, and the residual if noise is given."""
        given = {"embedding": embedding, "pixels": pixels, "features": features[0]}
        if len(features) > 1:
            given["coarser_features"] = features[1]
        mean, eighth, quarter = self._run("render", **given)
        if noise is None:
            return mean, None
        given = {"embedding": embedding, "mean": mean, "features_8": eighth, "features_4": quarter}
        cells = [cell for cell, _ in self._noise]
        given |= {f"noise_{cell}": u for cell, u in zip(cells, noise, strict=True)}
        if texture is not None:
            given["texture"] = texture
        return mean, self._run("detail", **given)[0]

    def search(
        self, level: int, vectors: Floats, biases: Sequence[Floats], width: int
    ) -> NDArray[np.integer[Any]]:
        """Codes of a level's stages that jointly quantize vectors."""
        rows, bias = ROWS // width, np.stack(biases)
        name, beams = f"search_{level}", np.array([width])
        parts = np.array_split(vectors, -(-len(vectors) // rows))
        found = [self._run(name, vectors=part, biases=bias, width=beams)[0] for part in parts]
        return np.concatenate(found)

    def _load(self, name: str) -> Graph:
        """Load a graph; CodecError if the framework cannot."""
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

    def _run(self, name: str, **inputs: Array) -> list[Any]:
        key = os.getpid(), name
        if key not in self._loaded:
            with self._lock:
                if key not in self._loaded:
                    self._loaded[key] = self._load(name)
        return self._loaded[key](inputs)


def _numbered(latents: Sequence[Floats]) -> dict[str, Array]:
    return {f"latent_{level}": latent for level, latent in enumerate(latents)}


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
