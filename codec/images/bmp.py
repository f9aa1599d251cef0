"""The ICC profile in a BMP file of version 5, which Pillow does not read."""

from typing import BinaryIO

_HEADER_AT, _SPACE, _PROFILE = 14, 56, 112  # of BITMAPV5HEADER, and offsets in it
_EMBEDDED = b"DEBM"  # PROFILE_EMBEDDED, "MBED" as a number
_MOST = 2**24  # bytes of a profile


def profile(file: BinaryIO) -> bytes:
    """The embedded ICC profile of a BMP file; nothing if there is none.

    Example:
        >>> from io import BytesIO
        >>> profile(BytesIO(b"BM"))
        b''
    """
    file.seek(_HEADER_AT)
    header = file.read(_PROFILE + 8)
    if len(header) < _PROFILE + 8 or header[_SPACE : _SPACE + 4] != _EMBEDDED:
        return b""
    at, size = (int.from_bytes(header[n : n + 4], "little") for n in (_PROFILE, _PROFILE + 4))
    file.seek(_HEADER_AT + at)
    found = file.read(size) if size <= _MOST else b""
    return found if len(found) == size and found[36:40] == b"acsp" else b""
