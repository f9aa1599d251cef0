"""A PNG file whose chunks are whole and whose pixels are not."""

import struct
import zlib

import pytest
from picture_samples import png_chunk

from codec.errors import UnsupportedImageError
from codec.images.load import load


def file_of(width, height, depth, colour, interlaced, pixels):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    packed = zlib.compress(pixels)
    pieces = [packed[at : at + 7] for at in range(0, len(packed), 7)]
    chunks = [(b"IHDR", head), *((b"IDAT", piece) for piece in pieces), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


@pytest.mark.parametrize(
    ("width", "height", "depth", "colour", "interlaced", "bytes_of_pixels"),
    [
        (3, 5, 8, 2, 0, 5 * 10),
        (3, 5, 8, 6, 0, 5 * 13),
        (9, 5, 1, 0, 0, 5 * 3),
        (3, 5, 16, 4, 0, 5 * 13),
        (5, 5, 8, 0, 1, 2 + 2 + 3 + 2 * 2 + 4 + 3 * 3 + 2 * 6),  # by its seven passes
        (1, 1, 8, 2, 1, 4),
    ],
)
def test_rows_that_are_missing(width, height, depth, colour, interlaced, bytes_of_pixels):
    """Pillow leaves them black, or transparent."""
    sizes = width, height, depth, colour, interlaced
    assert load(file_of(*sizes, bytes(bytes_of_pixels))).rgb.shape == (height, width, 3)
    short = file_of(*sizes, bytes(bytes_of_pixels - 1))
    with pytest.raises(UnsupportedImageError, match="the file ends before .*--allow-truncated"):
        load(short)
    assert load(short, allow_truncated=True).rgb.shape == (height, width, 3)
