"""Which engine runs a model's networks, if nobody says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from bitstream.errors import CodecError
from codec.models.files import PACKAGED
from codec.runtime.cpu import fast_bfloat16

ENGINES = ("auto", "quick", "onnx", "torch")
NVIDIA = ("/dev/nvidiactl", "/dev/dxg", "C:/Windows/System32/nvcuda.dll")  # where it has a driver


def choose_engine(folder: Path, device: str, engine: str) -> str:
    """The engine that is meant: "onnx" or "torch".

    "auto" is torch where it is installed and has what onnxruntime has not: a CUDA device, or
    bfloat16 on a processor where that is faster. "quick" is for a process that codes one file: the
    second does not pay then, as importing torch takes longer. Graphs of another model than the
    packaged one are not run where torch is installed, unless they are asked for: they may come from
    strangers.

    Args:
        folder: the model's.
        device: see `load_model`.
        engine: one of `ENGINES`.

    Raises:
        CodecError: there is no such engine, or torch is asked for and not installed.
    """
    if engine not in ENGINES:
        raise CodecError(f"no engine is named {engine!r}: expected auto, quick, onnx or torch")
    installed = torch_is_installed()
    if device not in ("auto", "cpu") and engine == "onnx":
        raise CodecError(f"the engine onnx runs on the CPU only, not on {device}: use torch")
    if engine == "torch" or device not in ("auto", "cpu"):
        if not installed:
            raise CodecError("torch is not installed: pip install 'bibcodec[torch]'")
        return "torch"
    if engine == "onnx" or not installed:
        return "onnx"
    if device == "auto" and any(Path(place).exists() for place in NVIDIA):
        return "torch"
    if folder != PACKAGED:
        return "torch"
    return "torch" if fast_bfloat16() and engine == "auto" else "onnx"


def torch_is_installed() -> bool:
    """Whether torch can be imported; it is not."""
    return bool(sys.modules.get("torch")) or importlib.util.find_spec("torch") is not None
