"""Which engine runs a model's networks, if nobody says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from bitstream.errors import CodecError
from codec.models.files import PACKAGED
from codec.runtime.cpu import fast_bfloat16, has_amx

ENGINES = ("auto", "quick", "onnx", "openvino", "torch")
LARGE = 1 << 21  # pixels of an image for which an engine pays that starts late but is faster
NVIDIA = ("/dev/nvidiactl", "/dev/dxg", "C:/Windows/System32/nvcuda.dll")  # where it has a driver


def choose_engine(folder: Path, device: str, engine: str) -> str:
    """The engine that is meant: "onnx", "openvino" or "torch".

    "auto" is what is installed beside onnxruntime and has what that has not: torch if there is a
    CUDA device; with AMX OpenVINO, and torch on any processor that is faster in bfloat16. "quick"
    is for a process that codes one image below `LARGE`: bfloat16 does not pay then, as both take
    longer to start. Graphs of another model than the packaged one are not run where torch is
    installed, unless they are asked for: they may come from strangers.

    Args:
        folder: the model's.
        device: see `load_model`.
        engine: one of `ENGINES`.

    Raises:
        CodecError: there is no such engine, or torch is asked for and not installed.
    """
    if engine not in ENGINES:
        raise CodecError(
            f"no engine is named {engine!r}: expected auto, quick, onnx, openvino or torch"
        )
    installed = is_installed("torch")
    if device not in ("auto", "cpu") and engine in ("onnx", "openvino"):
        raise CodecError(f"the engine {engine} runs on the CPU only, not on {device}: use torch")
    if engine == "torch" or device not in ("auto", "cpu"):
        if not installed:
            raise CodecError("torch is not installed: pip install 'bibcodec[torch]'")
        return "torch"
    if engine in ("onnx", "openvino"):
        return engine
    if installed and device == "auto" and any(Path(place).exists() for place in NVIDIA):
        return "torch"
    if installed and folder != PACKAGED:
        return "torch"
    if engine == "auto" and has_amx() and is_installed("openvino"):
        return "openvino"
    return "torch" if installed and engine == "auto" and fast_bfloat16() else "onnx"


def is_installed(package: str) -> bool:
    """Whether a package can be imported; it is not."""
    return bool(sys.modules.get(package)) or importlib.util.find_spec(package) is not None
