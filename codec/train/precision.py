"""The number format of a training step's convolutions."""

from __future__ import annotations

import torch

from codec.runtime.cpu import fast_bfloat16


def mixed(device: torch.device) -> torch.autocast:
    """A context in which convolutions compute in bfloat16, where that is faster than float32.

    It is on GPUs, and on CPUs that `fast_bfloat16` names; elsewhere bfloat16 is emulated, and the
    context changes nothing.

    Args:
        device: where the networks are.

    Example:
        >>> with mixed(torch.device("cpu")):
        ...     torch.is_autocast_enabled("cpu") == fast_bfloat16()
        True
    """
    faster = device.type != "cpu" or fast_bfloat16()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=faster)
