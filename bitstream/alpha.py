"""The alpha plane of an image, without loss: the data of an `alph` chunk (FORMAT.md 3)."""

import zlib

import numpy as np
from numpy.typing import NDArray

from bitstream.errors import BitstreamError


def pack_alpha(alpha: NDArray[np.uint8]) -> bytes:
    """Data of an `alph` chunk: zlib (RFC 1950) over the rows, left neighbour subtracted mod 256.

    Args:
        alpha: uint8 [H, W].

    Example:
        >>> unpack_alpha(pack_alpha(np.full((2, 3), 7, np.uint8)), 2, 3).tolist()
        [[7, 7, 7], [7, 7, 7]]
    """
    return zlib.compress(np.diff(alpha, axis=1, prepend=np.uint8(0)).tobytes(), 6)


def unpack_alpha(data: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Inverse of `pack_alpha`: uint8 [height, width]; never allocates more than that.

    Raises:
        BitstreamError: the data is not what `pack_alpha` writes for this size.
    """
    size = height * width
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise BitstreamError(f"alpha chunk: damaged ({error})") from None
    if len(raw) != size or not stream.eof or stream.unused_data:
        raise BitstreamError(f"alpha chunk: does not hold {width}x{height} bytes exactly")
    differences = np.frombuffer(raw, np.uint8).reshape(height, width)
    return np.cumsum(differences, axis=1, dtype=np.uint8)
