"""Text and numbers of files that come from strangers: checked before anything is made of them."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError

MAX_TEXT_BYTES = 2**16
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
