"""What Pillow does not tell of a GIF file: its XMP packet, and where its picture does not reach."""

from typing import BinaryIO

from PIL import Image

_BEGIN = b"\x21\xff\x0bXMP DataXMP"  # an application extension (XMP part 3, 1.1.2)
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


def bounds(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Where the picture of a GIF file lies on its screen; None if it covers it, or has a key.

    Args:
        image: not loaded yet.
    """
    tile = getattr(image, "tile", None)
    if image.format != "GIF" or not tile or "transparency" in image.info:
        return None
    left, top, right, bottom = tile[0][1]
    box = left, top, right, bottom
    return None if box == (0, 0, *image.size) else box


def clear_outside(image: Image.Image, box: tuple[int, int, int, int] | None) -> Image.Image:
    """The image with all outside of a box transparent, which Pillow gives the first colour.

    >>> clear_outside(Image.new("L", (3, 1)), (1, 0, 3, 1)).getchannel("A").getextrema()
    (0, 255)
    """
    if box is None:
        return image
    alpha = Image.new("L", image.size)
    alpha.paste(255, box)
    shown = image.convert("RGBA" if image.mode == "P" else "LA")
    shown.putalpha(alpha)
    return shown
