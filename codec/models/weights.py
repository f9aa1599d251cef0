"""The weights in a model's folder: they may come from strangers, and are checked first."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

FLOATS = ("F16", "BF16", "F32")


def read_state(path: Path, module: nn.Module) -> dict[str, Tensor]:
    """The state of a module from a safetensors file, as float32 on the CPU.

    Names, shapes and types are compared before a tensor is read, so that a module on the device
    "meta" takes no memory that the file does not fill.

    Raises:
        ValueError: the file has other tensors than the module, or values that are not finite.
        SafetensorError: the file is not a safetensors file.
        OSError: the file cannot be read.
    """
    wanted = module.state_dict()
    with safe_open(path, "pt") as file:
        if other := set(wanted) ^ set(file.keys()):
            verb = "lacks" if other & set(wanted) else "has a tensor too many:"
            raise ValueError(f"{path.name} {verb} {min(other):.80}")
        for name, tensor in wanted.items():
            part = file.get_slice(name)
            shape, kind = tuple(part.get_shape()), part.get_dtype()
            if shape != tuple(tensor.shape) or kind not in FLOATS:
                raise ValueError(
                    f"{path.name}: {name} is {kind} {shape}, expected floats {tuple(tensor.shape)}"
                )
        state = {n: file.get_tensor(n).to(torch.float32, copy=True) for n in wanted}
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{path.name}: {name} has values that are not finite")
    return state
