"""ICC, EXIF and XMP in a file: chunks of their own, or packed into one `meta` chunk (FORMAT.md 3).

The sizes of what is packed stand in front of the packed bytes, so that limits are checked and sizes
are told without unpacking anything.
"""

import zlib
from collections.abc import Mapping
from itertools import combinations

from bitstream.errors import BitstreamError
from bitstream.header import Reader, write_varint

KINDS = ("exif", "xmp_", "iccp")  # in the order in which they are packed
PACKED = "meta"
_MOST_TRIED = 2**22  # bytes of metadata up to which every way of packing is tried
_LEVEL = 9


def pack(chunks: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same chunks with the metadata among them packed, where that makes the file smaller.

    Each kind is in the `meta` chunk or stays as it is, whichever is smaller in all.

    Example:
        >>> packed = pack({"exif": b"a" * 99, "grey": b""})
        >>> list(packed), unpack(packed)["exif"] == b"a" * 99
        (['grey', 'meta'], True)
    """
    kinds = [kind for kind in KINDS if kind in chunks]
    ways = [dict(chunks)]
    counts = range(1, len(kinds) + 1)
    if sum(len(chunks[kind]) for kind in kinds) > _MOST_TRIED:
        counts = range(len(kinds), len(kinds) + 1)
    for count in counts:
        for some in combinations(kinds, count):
            rest = {kind: data for kind, data in chunks.items() if kind not in some}
            ways.append(rest | {PACKED: _packed({kind: chunks[kind] for kind in some})})
    return min(ways, key=lambda way: sum(9 + len(data) for data in way.values()))


def sizes(data: bytes) -> dict[str, int]:
    """What a `meta` chunk holds: sizes in bytes by kind, in its order.

    Raises:
        BitstreamError: the chunk is not valid.
    """
    return _directory(Reader(data))


def unpack(chunks: Mapping[str, bytes]) -> dict[str, bytes]:
    """The metadata of a file by kind, from `meta` or chunks of their own.

    Raises:
        BitstreamError: the `meta` chunk is damaged. Never more memory is taken than its sizes say.
    """
    found = {kind: chunks[kind] for kind in KINDS if kind in chunks}
    if PACKED not in chunks:
        return found
    reader = Reader(chunks[PACKED])
    directory = _directory(reader)
    size = sum(directory.values())
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(reader.rest(), size + 1)
    except zlib.error as error:
        raise BitstreamError(f"chunk {PACKED}: damaged ({error})") from None
    if len(raw) != size or not stream.eof or stream.unused_data:
        raise BitstreamError(f"chunk {PACKED}: does not hold {size} bytes exactly")
    at = 0
    for kind, length in directory.items():
        found[kind] = raw[at : at + length]
        at += length
    return found


def _packed(some: Mapping[str, bytes]) -> bytes:
    head = bytes([len(some)])
    for kind, data in some.items():
        head += kind.encode() + write_varint(len(data))
    return head + zlib.compress(b"".join(some.values()), _LEVEL)


def _directory(reader: Reader) -> dict[str, int]:
    found: dict[str, int] = {}
    for _ in range(reader.take(1, f"the count of chunk {PACKED}")[0]):
        kind = reader.take(4, f"a type in chunk {PACKED}").decode("latin-1")
        if kind not in KINDS or kind in found:
            raise BitstreamError(f"chunk {PACKED}: {kind!r} may not be there: the file is damaged")
        found[kind] = reader.varint(f"a length in chunk {PACKED}")
    if not found:
        raise BitstreamError(f"chunk {PACKED}: it holds nothing: the file is damaged")
    return found
