"""What can go wrong, as one tree: every error of this package is a `CodecError`.

The message is one sentence that says what, where, expected, got, and what to do.
"""

from bitstream.errors import (
    BadMagic,
    BitstreamError,
    Checksum,
    CodecError,
    LimitExceeded,
    ModelMismatchError,
    Truncated,
    UnsupportedVersion,
)

__all__ = [
    "BadMagic",
    "BitstreamError",
    "Checksum",
    "CodecError",
    "LimitExceeded",
    "ModelMismatchError",
    "RateTargetError",
    "Truncated",
    "UnsupportedImageError",
    "UnsupportedVersion",
]


class UnsupportedImageError(CodecError):
    """The image cannot be read, or has no faithful 8-bit form."""


class RateTargetError(CodecError):
    """No quality of this model gives a file within the target."""
