"""The bibcodec bitstream: indices to bytes and back, exactly, without torch.

`stream` codes indices into a payload, `container` wraps it into a file; FORMAT.md is the
specification and `reference` a decoder that follows it word by word.

`import bitstream` costs nothing: a module is imported when a name of it is first used, so that
what reads headers needs no numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitstream.container import Container, Limits, parse, write
    from bitstream.context import ContextPrior
    from bitstream.header import Header
    from bitstream.prior import Prior, PriorState, StaticPrior
    from bitstream.stream import decode_indices, encode_indices, ideal_bits
    from bitstream.tables import Tables, frequencies_from_counts

__all__ = [
    "Container",
    "ContextPrior",
    "Header",
    "Limits",
    "Prior",
    "PriorState",
    "StaticPrior",
    "Tables",
    "decode_indices",
    "encode_indices",
    "frequencies_from_counts",
    "ideal_bits",
    "parse",
    "write",
]

_HOME = {
    "container": ("Container", "Limits", "parse", "write"),
    "context": ("ContextPrior",),
    "header": ("Header",),
    "prior": ("Prior", "PriorState", "StaticPrior"),
    "stream": ("decode_indices", "encode_indices", "ideal_bits"),
    "tables": ("Tables", "frequencies_from_counts"),
}


def __getattr__(name: str) -> Any:  # PEP 562
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"bitstream.{module}"), name)
    raise AttributeError(f"module 'bitstream' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
