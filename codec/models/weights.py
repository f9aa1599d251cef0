"""A model's files come from strangers too: all is checked before anything is made of it."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

MAX_TEXT_BYTES = 2**16
FLOATS = ("F16", "BF16", "F32")
INVALID = (  # what reading a hostile file as something that it is not may raise
    SafetensorError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
)


def reason(error: Exception) -> str:
    r"""The first line of an error's message, to be shown: a file's names may hold anything.

    >>> reason(TypeError("no setting '\x1b[2J'"))
    "no setting '?[2J'"
    """
    line = (str(error) or type(error).__name__).splitlines()[0]
    return "".join(char if char.isprintable() else "?" for char in line)


def read_text(path: Path) -> str:
    """The text of a small file.

    Raises:
        ValueError: the file is longer than 64 KiB, or no UTF-8.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        text = file.read(MAX_TEXT_BYTES + 1)
    if len(text) > MAX_TEXT_BYTES:
        raise ValueError(f"{path.name} is longer than {MAX_TEXT_BYTES} bytes")
    return text.decode()


def in_range(name: str, value: object, least: int, most: int) -> None:
    """Raise ValueError unless a setting is an integer in a range.

    >>> in_range("codes", 10**9, 2, 4096)
    Traceback (most recent call last):
    ...
    ValueError: codes is 1000000000, expected an integer in 2..4096
    """
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} is {value!r:.40}, expected an integer in {least}..{most}")


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
