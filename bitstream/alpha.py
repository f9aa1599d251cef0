"""The alpha plane of an image, without loss: the chunks `alph` and `Alpl` (FORMAT.md 3)."""

import lzma
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitstream.errors import BitstreamError

Plane = NDArray[np.uint8]

FILTERS = 5  # none, left, up, left + up - above left, left continued
DICTIONARY_BYTES = 2**22
MOST_PATIENT = 2**21  # pixels up to which the encoder takes its time
_PATIENT, _ORDINARY, _TRIAL = 9 | lzma.PRESET_EXTREME, 6, 0  # presets of LZMA


def alpha_chunk(alpha: Plane) -> dict[str, bytes]:
    """The chunk that holds an alpha plane: the smaller of `alph` and `Alpl`.

    Args:
        alpha: uint8 [H, W], at least one pixel.

    Example:
        >>> chunk = alpha_chunk(np.full((2, 3), 7, np.uint8))
        >>> alpha_plane(chunk, 2, 3).tolist()
        [[7, 7, 7], [7, 7, 7]]
    """
    by_zlib, by_lzma = pack_alpha(alpha), pack_filtered(alpha)
    return {"alph": by_zlib} if len(by_zlib) <= len(by_lzma) else {"Alpl": by_lzma}


def alpha_plane(chunks: Mapping[str, bytes], height: int, width: int) -> Plane | None:
    """The alpha plane that a file's chunks hold, uint8 [height, width], or None.

    Raises:
        BitstreamError: the data is not of a plane of this size. Never more memory is taken than
            the plane needs, and the dictionary of LZMA (4 MiB).
    """
    if "alph" in chunks:
        return unpack_alpha(chunks["alph"], height, width)
    if "Alpl" in chunks:
        return unpack_filtered(chunks["Alpl"], height, width)
    return None


def pack_alpha(alpha: Plane) -> bytes:
    """Data of an `alph` chunk: zlib (RFC 1950) over the rows, left neighbour subtracted mod 256.

    Example:
        >>> unpack_alpha(pack_alpha(np.full((2, 3), 7, np.uint8)), 2, 3).tolist()
        [[7, 7, 7], [7, 7, 7]]
    """
    return zlib.compress(np.diff(alpha, axis=1, prepend=np.uint8(0)).tobytes(), 6)


def unpack_alpha(data: bytes, height: int, width: int) -> Plane:
    """Inverse of `pack_alpha`: uint8 [height, width]."""
    size = height * width
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise BitstreamError(f"alpha chunk: damaged ({error})") from None
    _check(len(raw) == size and stream.eof and not stream.unused_data, height, width)
    return _unfiltered(np.frombuffer(raw, np.uint8).reshape(height, width), 1)


def pack_filtered(alpha: Plane) -> bytes:
    """Data of an `Alpl` chunk: the number of a filter, and LZMA over the filtered plane."""
    planes = [_filtered(alpha, number).tobytes() for number in range(FILTERS)]
    sizes = [len(_compressed(plane, _TRIAL)) for plane in planes]
    best = sizes.index(min(sizes))
    preset = _PATIENT if alpha.size <= MOST_PATIENT else _ORDINARY
    return bytes([best]) + _compressed(planes[best], preset)


def unpack_filtered(data: bytes, height: int, width: int) -> Plane:
    """Inverse of `pack_filtered`: uint8 [height, width]."""
    if not data or data[0] >= FILTERS:
        raise BitstreamError("alpha chunk: its filter is unknown: the file is damaged")
    size = height * width
    stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[_coder(_ORDINARY)])
    try:
        raw = stream.decompress(data[1:], size)
        rest = b"" if stream.eof else stream.decompress(b"", 1)  # the end marker, or too much
    except (lzma.LZMAError, EOFError) as error:
        raise BitstreamError(f"alpha chunk: damaged ({error})") from None
    _check(len(raw) == size and not rest and stream.eof and not stream.unused_data, height, width)
    return _unfiltered(np.frombuffer(raw, np.uint8).reshape(height, width), data[0])


def _check(whole: bool, height: int, width: int) -> None:
    if not whole:
        raise BitstreamError(f"alpha chunk: does not hold {width}x{height} bytes exactly")


def _coder(preset: int) -> dict[str, Any]:
    fixed = {"lc": 0, "lp": 0, "pb": 0, "dict_size": DICTIONARY_BYTES}
    return {"id": lzma.FILTER_LZMA1, "preset": preset, **fixed}


def _compressed(data: bytes, preset: int) -> bytes:
    return lzma.compress(data, lzma.FORMAT_RAW, filters=[_coder(preset)])


def _filtered(plane: Plane, number: int) -> Plane:
    """The plane minus its prediction, modulo 256; outside of the plane all is 0."""
    zero = np.uint8(0)
    for axis in {0: (), 1: (1,), 2: (0,), 3: (0, 1), 4: (1, 1)}[number]:
        plane = np.diff(plane, axis=axis, prepend=zero)
    return plane


def _unfiltered(differences: Plane, number: int) -> Plane:
    """Inverse of `_filtered`."""
    for axis in {0: (), 1: (1,), 2: (0,), 3: (0, 1), 4: (1, 1)}[number]:
        differences = np.cumsum(differences, axis=axis, dtype=np.uint8)
    return differences
