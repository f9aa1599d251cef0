"""Weights of published networks, which the user brings as a file: nothing is downloaded."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from codec.errors import CodecError


@contextmanager
def state(path: str | Path, what: str, expected: str) -> Iterator[dict[str, Tensor]]:
    """The state dict of a file of `torch.save`, for a network to take within this context.

    Args:
        path: the file; no code that it may hold is run.
        what: whose weights they should be, for the error.
        expected: a file that holds them, for the error.

    Raises:
        CodecError: the file holds no state dict, or the network does not take it.
        OSError: the file cannot be read.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(found, dict):
            raise TypeError(f"{type(found).__name__}, expected a state dict")
        yield found
    except (RuntimeError, AttributeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise CodecError(f"{path}: no weights of {what}: expected {expected}") from error
