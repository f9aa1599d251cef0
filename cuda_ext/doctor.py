"""``python -m cuda_ext doctor``: which path a search takes on this machine, and why."""

from __future__ import annotations

import torch

from cuda_ext import compiler
from cuda_ext.compiler import CompileError, Variant
from cuda_ext.driver import Device, DriverError, driver
from cuda_ext.launch import kernels_for


def report() -> list[str]:
    """Lines on torch, the compiler, the driver, and for each GPU the path and the cache entry."""
    lines = [f"torch        {torch.__version__}, CUDA {torch.version.cuda or 'none'}"]
    try:
        found = compiler.nvrtc()
        lines.append(f"compiler     NVRTC {found.version[0]}.{found.version[1]} at {found.path}")
    except CompileError as error:
        lines.append(f"compiler     none: {error}")
    try:
        version = driver().version
        lines.append(f"driver       CUDA {version[0]}.{version[1]}")
    except DriverError as error:
        lines.append(f"driver       none: {error}")
    lines.append("CPU tensors  torch operations, exact")
    if not torch.cuda.is_available():
        lines.append("CUDA tensors none: torch.cuda.is_available() is False")
        return lines
    for ordinal in range(torch.cuda.device_count()):
        lines += _device_lines(ordinal)
    return lines


def _device_lines(ordinal: int) -> list[str]:
    variant = Variant.choose(torch.float32, 32)
    try:
        device = Device(driver(), ordinal)
        compute = f"{device.capability // 10}.{device.capability % 10}"
        lines = [f"cuda:{ordinal}       {device.name}, compute capability {compute}"]
        target = compiler.nvrtc().target(device.capability)
        flags = compiler.build_flags(variant, target)
        source, version = compiler.SOURCE.read_text(), compiler.nvrtc().version
        entry = compiler.cache_entry(source, flags, version)
        state = "present" if entry.exists() else "made now"
        kernels_for(ordinal, variant)
    except (CompileError, DriverError) as error:
        return [f"cuda:{ordinal}       torch operations, exact but slower: {error}"]
    return [
        *lines,
        f"             kernel for {target} (D 32, float32)",
        f"             cache entry {entry} ({state})",
    ]
