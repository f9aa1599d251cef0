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
    "CodecWarning",
    "LeftOutWarning",
    "LimitExceeded",
    "ModelMismatchError",
    "RateTargetError",
    "Truncated",
    "UnsupportedImageError",
    "UnsupportedVersion",
    "UnusualImageWarning",
    "sentence",
]


class UnsupportedImageError(CodecError):
    """The image cannot be read, or has no faithful 8-bit form."""


class CodecWarning(UserWarning):
    """The base of this package's warnings, each of which is one line for users."""


class LeftOutWarning(CodecWarning):
    """A file holds more than its picture, or says something of it that is ignored."""


class UnusualImageWarning(CodecWarning):
    """An image is unlike the photographs that the model knows, see `codec.novelty`."""


class RateTargetError(CodecError):
    """No quality of this model gives a file within the target.

    Attributes:
        smallest: bytes of the smallest file.
    """

    def __init__(self, message: str, smallest: int = 0) -> None:
        super().__init__(message)
        self.smallest = smallest


# Packages of the optional features that are imported without further ado.
EXTRAS = {"onnx": "torch", "ray": "ray", "tensorboard": "train", "torch": "torch"}
# What torch and oneDNN say of too little memory.
OUT_OF_MEMORY = ("can't allocate memory", "could not create a primitive")


def sentence(error: Exception) -> str:
    """What to tell a user about an error, in one line."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, CodecError):
        text = str(error)
    elif isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        extra = f"pip install 'bibcodec[{EXTRAS[error.name]}]'"
        text = f"this needs the package {error.name}, which is not installed: {extra}"
    elif isinstance(error, MemoryError) or any(text in str(error) for text in OUT_OF_MEMORY):
        text = "not enough memory for an image of this size"
    else:
        text = f"internal error ({type(error).__name__}: {error}): please report it, with -vv"
    return " ".join(text.split())
