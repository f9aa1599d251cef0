"""What a JPEG 2000 file says and Pillow does not read: depth, ICC, EXIF, XMP (ISO 15444-1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from codec.errors import UnsupportedImageError

_CODESTREAM = b"\xff\x4f\xff\x51"  # SOC, and SIZ right behind it
_EXIF = b"JpgTiffExif->JP2"  # the names (UUID) of boxes
_XMP = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
_ICC = (b"\2", b"\3")  # methods of a `colr` box: a profile of any kind
_MOST_BOXES = 1024
_MOST = 2**24  # bytes of metadata


@dataclass(frozen=True)
class Stated:
    """What a file says.

    Attributes:
        depths: bits of every component's samples; empty if that is not said.
        icc, exif, xmp: metadata, each empty if there is none.
    """

    depths: tuple[int, ...] = ()
    icc: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""


def stated(file: BinaryIO) -> Stated:
    r"""What a JPEG 2000 file says, as boxes (JP2) or as a bare codestream.

    Example:
        >>> from io import BytesIO
        >>> sizes = bytes(36) + b"\0\1" + bytes([11, 1, 1])
        >>> stated(BytesIO(b"\xff\x4f\xff\x51" + sizes)).depths
        (12,)
    """
    found: dict[str, bytes] = {}
    depths: tuple[int, ...] = ()
    file.seek(0)
    if file.read(4) == _CODESTREAM:
        return Stated(_depths(file, 0))
    size = file.seek(0, 2)
    for kind, at, end in _boxes(file, 0, size):
        if kind == b"jp2h":
            for inner, begin, stop in _boxes(file, at, end):
                if inner == b"colr" and _read(file, begin, 1) in _ICC:
                    found.setdefault("icc", _read(file, begin + 3, stop - begin - 3))
        elif kind == b"jp2c":
            depths = depths or _depths(file, at)
        elif kind == b"uuid":
            name = {_EXIF: "exif", _XMP: "xmp"}.get(_read(file, at, 16))
            if name:
                found.setdefault(name, _read(file, at + 16, end - at - 16))
    return Stated(depths, **found)


def unshifted(image: Image.Image, depths: Sequence[int], name: str) -> Image.Image:
    """The image with samples of 0..255: Pillow shifts those of fewer or more bits to 8.

    Args:
        image: loaded by Pillow.
        depths: of its file, see `Stated`.
        name: of the image, for errors.

    Raises:
        UnsupportedImageError: white may have become black: of more than 8 bits, Pillow rounds the
            largest samples to 256 and keeps the low byte of that.
    """
    bands = image.getbands()
    if image.mode not in ("L", "LA", "RGB", "RGBA") or len(depths) != len(bands):
        return image
    for band, depth in zip(bands, depths, strict=True):
        if depth > 8 and 0 in image.getchannel(band).getextrema():
            raise UnsupportedImageError(
                f"{name}: {depth}-bit colours of JPEG 2000, in which white may be read as black: "
                "make a PNG or TIFF file of it first"
            )
    if min(depths) >= 8:
        return image
    table: list[int] = []
    for depth in depths:
        largest = 256 - (1 << max(8 - depth, 0))
        table += [min((value * 255 + largest // 2) // largest, 255) for value in range(256)]
    return image.point(table)


def _boxes(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of the content of the boxes in a part of a file."""
    for _ in range(_MOST_BOXES):
        head = _read(file, at, 16)
        length, begin = int.from_bytes(head[:4]), at + 8
        if length == 1:
            length, begin = int.from_bytes(head[8:16]), at + 16
        stop = end if length == 0 else at + length
        if len(head) < 8 or not begin <= stop <= end:
            return
        yield head[4:8], begin, stop
        at = stop


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(min(max(size, 0), _MOST))


def _depths(file: BinaryIO, at: int) -> tuple[int, ...]:
    """Bits of the components by the codestream's first segment (SIZ)."""
    segment = _read(file, at + 4, 38 + 3 * 4)
    count = min(int.from_bytes(segment[36:38]), 4)
    return tuple((byte & 0x7F) + 1 for byte in segment[38 : 38 + 3 * count : 3])
