"""The bibcodec bitstream: indices to bytes and back, exactly, without torch.

`stream` codes indices into a payload, `container` wraps it into a file; FORMAT.md is the
specification and `reference` a decoder that follows it word by word.
"""

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
