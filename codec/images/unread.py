"""What a file says of its picture and Pillow does not read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from codec.images import bmp, gif, heif, jpeg2000, png_chunks
from codec.images.metadata import NOTHING, Metadata


@dataclass(frozen=True)
class Unread:
    """What Pillow leaves unread.

    Attributes:
        metadata: that stand where Pillow does not look.
        code_points: primaries and transfer function (H.273), and of a PNG 1 for the full range or
            0; None if the file has none.
        depths: bits of the samples of JPEG 2000, by component; empty if they are not known.
    """

    metadata: Metadata = NOTHING
    code_points: tuple[int, ...] | None = None
    depths: tuple[int, ...] = ()


def unread(image: Image.Image, file: BinaryIO | None = None) -> Unread:
    """What Pillow leaves unread of the file of an image whose pixels are not loaded.

    Args:
        image: opened by Pillow, or in memory.
        file: of the image, if it is at hand; else the one that Pillow has open, if any.

    Example:
        >>> unread(Image.new("L", (2, 2)))
        Unread(metadata=Metadata(icc=b'', exif=b'', xmp=b''), code_points=None, depths=())
    """
    file = file or getattr(image, "fp", None)
    if file is None or file.closed:
        return Unread()
    at = file.tell()
    try:
        return _of(image.format or "", file)
    finally:
        file.seek(at)


def _of(file_format: str, file: BinaryIO) -> Unread:
    if file_format == "BMP":
        return Unread(Metadata(icc=bmp.profile(file)))
    if file_format == "GIF":
        return Unread(Metadata(xmp=gif.xmp(file)))
    if file_format == "JPEG2000":
        found = jpeg2000.stated(file)
        return Unread(Metadata(found.icc, found.exif, found.xmp), depths=found.depths)
    if file_format == "PNG":
        data = png_chunks.data_of(file, b"cICP")
        return Unread(code_points=(data[0], data[1], data[3]) if len(data) == 4 else None)
    if file_format in ("AVIF", "HEIF"):
        return Unread(code_points=heif.code_points(file))
    return Unread()
