"""Whether the pixels of a PNG file (ISO 15948) end before its last row."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image

from codec.images import png_chunks

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by type of colour
_ADAM7 = (  # first column and row of the passes, and the steps between
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_PIECE = 2**20


def are_missing(image: Image.Image, file: BinaryIO) -> bool:
    """Whether rows are missing, which Pillow leaves black or transparent in silence.

    The pixels are unpacked again only if the picture's last row is all zeros.

    Args:
        image: loaded from the file.
        file: a PNG file whose chunks are all there.
    """
    last = image.height - 1
    if image.info.get("interlace") and last and last % 2 == 0:  # the last pass has the odd rows
        last -= 1
    if np.any(image.crop((0, last, image.width, last + 1)).getextrema()):
        return False
    left = _expected(png_chunks.data_of(file, b"IHDR"))
    for piece in _unpacked(file):
        left -= len(piece)
        if left <= 0:  # more may follow, without end
            break
    return left > 0


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """What the pixels of a file unpack to, piece by piece, as far as that is possible."""
    unpacker = zlib.decompressobj()
    for chunk in png_chunks.chunks(file):
        if chunk.kind != b"IDAT":
            continue
        for at in range(0, chunk.length, _PIECE):
            file.seek(chunk.at + 8 + at)
            packed = file.read(min(_PIECE, chunk.length - at))
            while packed:
                try:
                    yield unpacker.decompress(packed, _PIECE)
                except zlib.error:
                    return
                packed = unpacker.unconsumed_tail


def _expected(header: bytes) -> int:
    """How many bytes the pixels of a file have, by its first chunk (IHDR)."""
    width, height = int.from_bytes(header[:4]), int.from_bytes(header[4:8])
    bits = header[8] * _SAMPLES.get(header[9], 0)
    passes = _ADAM7 if header[12] else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        columns, rows = -((left - width) // across), -((top - height) // down)
        if columns > 0:
            total += max(rows, 0) * (1 + (columns * bits + 7) // 8)
    return total
