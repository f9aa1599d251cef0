"""What a caller gives as an image -> a binary file that can be sought."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from os import PathLike, fspath
from typing import Any, BinaryIO, TypeAlias

from numpy.typing import NDArray
from PIL import Image

from codec.files import PIECE, read_piece
from codec.images.picture import Picture

ImageSource: TypeAlias = (
    "Image.Image | NDArray[Any] | bytes | bytearray | memoryview | str | PathLike[str] | BinaryIO"
    " | Picture"
)

_EXPECTED = "a path, bytes, a binary file, a Pillow image or a numpy array of uint8 or uint16"
_HINTS = {
    "NoneType": "OpenCV's imread returns None for a file that it cannot read",
    "dict": "pass one of its values, such as its bytes or its path",
    "Tensor": "pass tensor.permute(1, 2, 0).numpy(), uint8, of a tensor [C, H, W]",
    "list": "pass its items one by one, or numpy.asarray(list, numpy.uint8)",
    "tuple": "pass its items one by one",
    "int": "open the file and pass that",
}


@contextmanager
def opened(source: Any) -> Iterator[tuple[BinaryIO, str]]:
    """A binary file at its beginning, and the name of it in messages.

    Args:
        source: a path, bytes, or a binary file object, which is left open.

    Raises:
        TypeError: it is none of these; the message says what to pass.
        ValueError: the file object is closed, or a path holds a null byte.
        OSError: the file cannot be opened.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(bytes(source)), "input"  # a view may step over bytes
        return
    if isinstance(source, str | PathLike):
        name = fspath(source)
        if "\0" in os.fsdecode(name):
            raise ValueError("an image's path holds a null byte: pass an image's bytes as bytes")
        with open(name, "rb") as file:
            yield _sought(file), os.fsdecode(name)  # it may be a pipe
        return
    if not callable(getattr(source, "read", None)):
        raise TypeError(refusal(source, _EXPECTED))
    if getattr(source, "closed", False) is True:
        raise ValueError("the image is a closed file: pass one that is open")
    yield _sought(source), "input"


def refusal(source: object, expected: str) -> str:
    """The sentence for a value of a wrong type.

    Example:
        >>> refusal(3, "a path")
        'int is no image: expected a path; open the file and pass that'
    """
    name = type(source).__name__
    hint = _HINTS.get(name)
    return f"{name} is no image: expected {expected}" + (f"; {hint}" if hint else "")


def _sought(source: Any) -> BinaryIO:
    """The file at its beginning; all of it in memory if it cannot be sought."""
    read_piece(source, 0)  # or say what is wrong with it
    try:
        source.seek(0)
    except (AttributeError, io.UnsupportedOperation, OSError):
        return io.BytesIO(b"".join(iter(partial(read_piece, source, PIECE), b"")))
    file: BinaryIO = source
    return file


def is_at_hand(file: BinaryIO) -> bool:
    """Whether all of a file can be read at once: it is in memory, or on a disk."""
    if isinstance(file, io.BytesIO):
        return True
    try:
        return os.path.isfile(file.fileno())
    except (AttributeError, OSError, ValueError):
        return False
