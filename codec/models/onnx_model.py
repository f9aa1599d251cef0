"""Models whose networks run as graphs, in onnxruntime or OpenVINO: read without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import safe_open

from bitstream.errors import CodecError
from codec.models.files import DETAIL, WEIGHTS
from codec.models.graphs import read_graphs
from codec.networks.config import RANGES, ModelConfig
from codec.runtime.codebooks import Codebooks
from codec.runtime.cpu import thread_count
from codec.runtime.model import CodecModel

if TYPE_CHECKING:
    from codec.models.loading import Parts
    from codec.runtime.engine import Floats

OLDEST = (1, 24)  # the first onnxruntime whose Python takes weights from memory


def onnx_model(parts: Parts, engine: str) -> CodecModel:
    """The codec of a folder's graphs and weights; its steps use `thread_count` threads.

    Args:
        parts: what is read of the folder already.
        engine: "onnx" or "openvino".

    Raises:
        CodecError: the package is missing or too old, or the graphs are not those of the weights.
        ValueError, SafetensorError: the weights are not valid.
    """
    engine_class = _in_openvino() if engine == "openvino" else _in_onnxruntime()
    folder = parts.folder
    graphs = read_graphs(folder, parts.fingerprint, parts.config.levels)
    weights = {WEIGHTS: parts.weights}
    if graphs.detail is not None:
        weights[DETAIL] = graphs.detail
    return CodecModel(
        parts.config,
        engine_class(graphs.files, weights, graphs.noise, thread_count()),
        read_codebooks(folder / WEIGHTS, parts.config),
        parts.prior,
        parts.fingerprint,
        folder=folder,
        reaches=graphs.reaches,
    )


def _in_openvino() -> Any:
    _in_onnxruntime()  # which runs what is not in bfloat16
    try:
        from codec.runtime.openvino_engine import OpenVinoEngine  # noqa: PLC0415
    except ImportError as error:
        raise CodecError("openvino cannot be imported: pip install 'bibcodec[openvino]'") from error
    return OpenVinoEngine


def _in_onnxruntime() -> Any:
    try:
        import onnxruntime  # noqa: PLC0415  (not for `info`)
    except ImportError as error:
        raise CodecError("onnxruntime cannot be imported: pip install onnxruntime") from error
    version = tuple(int(part) for part in onnxruntime.__version__.split(".")[:2])
    if version < OLDEST:
        raise CodecError(
            f"onnxruntime {onnxruntime.__version__} is too old: expected "
            f"{OLDEST[0]}.{OLDEST[1]} or later"
        )
    from codec.runtime.onnx_engine import OnnxEngine  # noqa: PLC0415

    return OnnxEngine


def read_codebooks(path: Path, config: ModelConfig) -> Codebooks:
    """The centroids and shares of a model's weights.

    Raises:
        ValueError: one of them is missing, of another shape or type, or not finite.
        SafetensorError: the file is not a safetensors file.
    """
    stages = config.stages
    shapes: dict[str, tuple[int, ...]] = {
        f"quantizer.codebook{n}": (stage.codes, stage.dim) for n, stage in enumerate(stages)
    }
    shapes["quantizer.shares"] = (RANGES, len(stages), max(stage.codes for stage in stages))
    arrays: dict[str, Floats] = {}
    with safe_open(path, "np") as file:
        names = set(file.keys())
        for name, shape in shapes.items():
            if name not in names:
                raise ValueError(f"{path.name} lacks {name}")
            part = file.get_slice(name)
            given, kind = tuple(part.get_shape()), part.get_dtype()
            if given != shape or kind not in ("F16", "F32"):
                raise ValueError(f"{path.name}: {name} is {kind} {given}, expected floats {shape}")
            arrays[name] = file.get_tensor(name).astype(np.float32)
            if not np.isfinite(arrays[name]).all():
                raise ValueError(f"{path.name}: {name} has values that are not finite")
    shares = arrays.pop("quantizer.shares")
    return Codebooks(stages, list(arrays.values()), shares)
