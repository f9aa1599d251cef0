"""The XMP packet in a GIF file, which Pillow does not read (XMP part 3, 1.1.2)."""

from typing import BinaryIO

_BEGIN = b"\x21\xff\x0bXMP DataXMP"  # an application extension
_END = b"\1\xff\xfe\xfd"  # of the trailer by which readers find their way out of the packet
_LOOKED_AT = 2**24  # bytes of a file


def xmp(file: BinaryIO) -> bytes:
    """The XMP packet of a GIF file; nothing if there is none.

    Example:
        >>> from io import BytesIO
        >>> xmp(BytesIO(b"GIF89a..." + _BEGIN + b"<x:xmpmeta/>" + _END))
        b'<x:xmpmeta/>'
    """
    file.seek(0)
    data = file.read(_LOOKED_AT)
    begin = data.find(_BEGIN)
    end = data.find(_END, begin)
    return data[begin + len(_BEGIN) : end] if 0 <= begin < end else b""
