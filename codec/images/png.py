"""PNG files, written a strip of rows at a time.

Pillow writes an image whole. Here Pillow writes one row with all of the metadata, whose chunks are
kept; the rows are filtered and compressed here. The Paeth filter with run lengths and Huffman codes
is quick, and small for what a decoder makes: noise-like rows in which zlib finds no strings.
"""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.images.save import save

ROWS = 64  # that are filtered at once
SIGNATURE = b"\x89PNG\r\n\x1a\n"
PAETH = 4  # the filter's number
Bytes = NDArray[np.uint8]


class PngFile:
    """A PNG file that is being written.

    Args:
        target: binary file object; need not be seekable.
        height: rows that all strips have together.

    Example:
        >>> buffer, strip = BytesIO(), Image.new("L", (5, 80), 7)
        >>> file = PngFile(buffer, 160)
        >>> file.write(strip)
        >>> file.write(strip)
        >>> file.close()
        >>> Image.open(buffer).getextrema(), Image.open(buffer).size
        ((7, 7), (5, 160))
    """

    def __init__(self, target: BinaryIO, height: int) -> None:
        self._target, self._height = target, height
        self._deflate = zlib.compressobj(
            level=1, memLevel=zlib.DEF_MEM_LEVEL + 1, strategy=zlib.Z_RLE
        )
        self._above: Bytes | None = None  # the last row so far
        self._tail: list[tuple[bytes, bytes]] = []  # chunks that follow the rows

    def write(self, strip: Image.Image) -> None:
        """The next rows: a Pillow image of mode L, LA, RGB or RGBA; the first has the metadata.

        Raises:
            UnsupportedImageError: PNG cannot hold the metadata.
            OSError: the target cannot be written.
        """
        samples = np.asarray(strip).reshape(strip.height, -1)  # (rows, bytes of a row)
        if self._above is None:
            self._begin(strip.crop((0, 0, strip.width, 1)))
            self._above = np.zeros_like(samples[0])
        for top in range(0, strip.height, ROWS):
            rows = samples[top : top + ROWS]
            filtered = np.full((len(rows), 1 + rows.shape[1]), PAETH, np.uint8)
            filtered[:, 1:] = paeth(rows, self._above, len(strip.getbands()))
            self._put(b"IDAT", self._deflate.compress(filtered.data))
            self._above = rows[-1]

    def close(self) -> None:
        """No more rows."""
        self._put(b"IDAT", self._deflate.flush())
        for kind, data in self._tail:
            self._put(kind, data)

    def _begin(self, row: Image.Image) -> None:
        """Write what stands before the rows, and keep what follows them."""
        buffer = BytesIO()
        save(row, buffer, "PNG")
        self._target.write(SIGNATURE)
        seen = False
        for kind, data in chunks(buffer.getbuffer()):
            if kind == b"IDAT":
                seen = True
            elif seen:
                self._tail.append((kind, bytes(data)))
            elif kind == b"IHDR":  # width, height, ...
                self._put(kind, bytes(data[:4]) + struct.pack(">I", self._height) + data[8:])
            else:
                self._put(kind, data)

    def _put(self, kind: bytes, data: bytes | memoryview) -> None:
        if data or kind == b"IEND":
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


def chunks(file: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and data of every chunk."""
    at = len(SIGNATURE)
    while at < len(file):
        (size,) = struct.unpack(">I", file[at : at + 4])
        yield bytes(file[at + 4 : at + 8]), file[at + 8 : at + 8 + size]
        at += 12 + size
