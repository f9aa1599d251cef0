"""PNG files, written a strip of rows at a time, without Pillow: that writes an image whole.

The Paeth filter with run lengths and Huffman codes is quick, and small for what a decoder makes:
noise-like rows in which zlib finds no strings.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

ROWS = 64  # that are filtered at once
SIGNATURE = b"\x89PNG\r\n\x1a\n"
PAETH = 4  # the filter's number
Bytes = NDArray[np.uint8]


COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: grey, grey + alpha, RGB, RGBA


class PngFile:
    """A PNG file that is being written.

    Args:
        target: binary file object; need not be seekable.
        height: rows that all strips have together.
        metadata: bytes under "icc", "exif" and "xmp", those that there are.

    Example:
        >>> from io import BytesIO
        >>> from PIL import Image
        >>> buffer, strip = BytesIO(), np.full((80, 5, 1), 7, np.uint8)
        >>> file = PngFile(buffer, 160, {})
        >>> file.write(strip)
        >>> file.write(strip)
        >>> file.close()
        >>> Image.open(buffer).getextrema(), Image.open(buffer).size
        ((7, 7), (5, 160))
    """

    def __init__(self, target: BinaryIO, height: int, metadata: Mapping[str, bytes]) -> None:
        self._target, self._height, self._metadata = target, height, metadata
        self._deflate = zlib.compressobj(
            level=1, memLevel=zlib.DEF_MEM_LEVEL + 1, strategy=zlib.Z_RLE
        )
        self._above: Bytes | None = None  # the last row so far

    def write(self, strip: Bytes) -> None:
        """The next rows: uint8 (rows, width, channels), 1 to 4 channels.

        Raises:
            OSError: the target cannot be written.
        """
        height, width, channels = strip.shape
        samples = strip.reshape(height, -1)  # (rows, bytes of a row)
        if self._above is None:
            self._begin(width, channels)
            self._above = np.zeros_like(samples[0])
        for top in range(0, height, ROWS):
            rows = samples[top : top + ROWS]
            filtered = np.full((len(rows), 1 + rows.shape[1]), PAETH, np.uint8)
            filtered[:, 1:] = paeth(rows, self._above, channels)
            if data := self._deflate.compress(filtered.data):
                self._put(b"IDAT", data)
            self._above = rows[-1]

    def close(self) -> None:
        """No more rows."""
        self._put(b"IDAT", self._deflate.flush())
        self._put(b"IEND", b"")

    def _begin(self, width: int, channels: int) -> None:
        """Write what stands before the rows."""
        self._target.write(SIGNATURE)
        size = struct.pack(">II", width, self._height)
        self._put(b"IHDR", size + bytes([8, COLOUR_TYPES[channels], 0, 0, 0]))
        if icc := self._metadata.get("icc"):
            self._put(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
        if xmp := self._metadata.get("xmp"):
            text = xmp.decode("utf-8", "replace").encode()
            self._put(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text)
        if exif := self._metadata.get("exif"):
            self._put(b"eXIf", exif)

    def _put(self, kind: bytes, data: bytes) -> None:
        check = zlib.crc32(data, zlib.crc32(kind))
        self._target.write(struct.pack(">I", len(data)) + kind)
        self._target.write(data)
        self._target.write(struct.pack(">I", check))


def paeth(rows: Bytes, above: Bytes, channels: int) -> Bytes:
    """Filter rows: each byte minus that of the left, upper or upper left pixel (PNG 9.4).

    Args:
        rows: uint8 of shape (rows, bytes), `channels` bytes a pixel.
        above: the row before them, of shape (bytes,).
        channels: bytes a pixel; of the neighbours the one nearest to left + upper - upper left
            counts, the first of these in case of a tie; neighbours outside are 0.

    Returns:
        uint8 of the shape of `rows`, differences modulo 256.

    >>> paeth(np.array([[10, 11, 13], [10, 11, 9]], np.uint8), np.zeros(3, np.uint8), 1)
    array([[ 10,   1,   2],
           [  0,   0, 252]], dtype=uint8)
    """
    padded = np.zeros((len(rows) + 1, rows.shape[1] + channels), np.int16)
    padded[0, channels:], padded[1:, channels:] = above, rows
    left, upper, corner = padded[1:, :-channels], padded[:-1, channels:], padded[:-1, :-channels]
    to_left, to_upper = upper - corner, left - corner  # of left + upper - corner, before abs
    to_corner = np.abs(to_left + to_upper)
    np.abs(to_left, out=to_left)
    np.abs(to_upper, out=to_upper)
    nearest = np.where(to_upper <= to_corner, upper, corner)
    np.copyto(nearest, left, where=(to_left <= to_upper) & (to_left <= to_corner))
    return rows - nearest.astype(np.uint8)
