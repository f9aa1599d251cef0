"""PNG files, written a band of rows at a time.

Pillow writes an image whole. Here it writes every few rows as an image of their own, without
compressing them, and what it made of the rows and of the metadata is joined to one file.
"""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

from PIL import Image

from codec.images.save import save

ROWS = 64  # of an image of their own
LEVEL = 3  # of zlib: as small as Pillow's 4 on filtered rows of photographs, in half the time
SIGNATURE = b"\x89PNG\r\n\x1a\n"


class PngFile:
    """A PNG file that is being written.

    Args:
        target: binary file object; need not be seekable.
        height: rows that all bands have together.

    Example:
        >>> buffer, band = BytesIO(), Image.new("L", (5, 80), 7)
        >>> file = PngFile(buffer, 160)
        >>> file.write(band)
        >>> file.write(band)
        >>> file.close()
        >>> Image.open(buffer).getextrema(), Image.open(buffer).size
        ((7, 7), (5, 160))
    """

    def __init__(self, target: BinaryIO, height: int) -> None:
        self._target, self._height = target, height
        self._deflate = zlib.compressobj(LEVEL)
        self._last: Image.Image | None = None  # the row above, which filters look at
        self._tail: list[tuple[bytes, bytes]] = []  # chunks that follow the rows

    def write(self, band: Image.Image) -> None:
        """The next rows: a Pillow image of mode L, LA, RGB or RGBA; the first has the metadata.

        Raises:
            UnsupportedImageError: PNG cannot hold the metadata.
            OSError: the target cannot be written.
        """
        for top in range(0, band.height, ROWS):
            self._write(band.crop((0, top, band.width, min(top + ROWS, band.height))))

    def close(self) -> None:
        """No more rows."""
        self._put(b"IDAT", self._deflate.flush())
        for kind, data in self._tail:
            self._put(kind, data)

    def _write(self, rows: Image.Image) -> None:
        first = self._last is None
        image = rows
        if self._last is not None:
            image = Image.new(rows.mode, (rows.width, rows.height + 1))
            image.paste(self._last)
            image.paste(rows, (0, 1))
        buffer = BytesIO()
        save(image, buffer, "PNG", compress_level=0)
        chunks = list(_chunks(buffer.getbuffer()))
        at = [kind for kind, _ in chunks].index(b"IDAT")
        if first:
            self._begin(chunks[:at])
            self._tail = [(kind, bytes(data)) for kind, data in chunks[at:] if kind != b"IDAT"]
        filtered = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
        above = 0 if first else len(filtered) // image.height
        self._put(b"IDAT", self._deflate.compress(memoryview(filtered)[above:]))
        self._last = rows.crop((0, rows.height - 1, rows.width, rows.height))

    def _begin(self, chunks: list[tuple[bytes, memoryview]]) -> None:
        self._target.write(SIGNATURE)
        for kind, data in chunks:
            if kind == b"IHDR":  # width, height, ...
                self._put(kind, bytes(data[:4]) + struct.pack(">I", self._height) + data[8:])
            else:
                self._put(kind, data)

    def _put(self, kind: bytes, data: bytes | memoryview) -> None:
        if data or kind == b"IEND":
            check = zlib.crc32(data, zlib.crc32(kind))
            self._target.write(struct.pack(">I", len(data)) + kind)
            self._target.write(data)
            self._target.write(struct.pack(">I", check))


def _chunks(file: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and data of every chunk."""
    at = len(SIGNATURE)
    while at < len(file):
        (size,) = struct.unpack(">I", file[at : at + 4])
        yield bytes(file[at + 4 : at + 8]), file[at + 8 : at + 8 + size]
        at += 12 + size
