"""The file around the image data: header, optional chunks, payload (FORMAT.md 2 and 3).

`parse` reads and checks all of it without decoding a symbol or allocating for the image.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from bitstream.errors import BitstreamError, Checksum, LimitExceeded, UnsupportedVersion
from bitstream.header import MAX_STAGES, Header, Reader, read_header, write_varint

TYPE_BYTES = 4
WORD_BYTES = 4  # of the payload
MAX_CHUNK_BYTES = 2**32 - 1
KNOWN_CHUNKS = ("iccp", "exif", "xmp_", "alph", "grey", "gry3", "seed", "meta", "Alpl")
EXCLUSIVE = (("grey", "gry3"), ("alph", "Alpl"))
SEED_BYTES = 8
FIXED_SIZES = {"grey": 0, "gry3": 0, "seed": SEED_BYTES}


@dataclass(frozen=True)
class Limits:
    """What a reader is willing to decode; 0 = any.

    Args:
        max_pixels: the most pixels, width x height.
        max_side: the most pixels of a side.
        max_chunk_bytes: the most bytes of data in all chunks together.
        max_stages: the most stages.
    """

    max_pixels: int = 2**28
    max_side: int = 2**16 - 1
    max_chunk_bytes: int = 2**26
    max_stages: int = MAX_STAGES


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Container:
    """A parsed file.

    Args:
        header: what the file says about its image.
        payload: the coder's words for `bitstream.stream.decode_indices`, not decoded.
        chunks: type -> data in the file's order, each of its CRC32s checked.
    """

    header: Header
    payload: bytes = field(repr=False)
    chunks: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """The seed of the decoder's noise, 0 if the file stores none."""
        return int.from_bytes(self.chunks.get("seed", b""), "little")

    @property
    def is_cut(self) -> bool:
        """Whether the image data end within a word; that they end between two, decoding tells."""
        return len(self.payload) % WORD_BYTES > 0 or not self.payload

    @property
    def mode(self) -> str:
        """Which channels the picture has: "L", "LA", "RGB" or "RGBA".

        >>> Container(Header(8, 8, 50, 1, b"mmmm"), b"", {"grey": b"", "alph": b""}).mode
        'LA'
        """
        has_alpha = "alph" in self.chunks or "Alpl" in self.chunks
        return ("L" if "grey" in self.chunks else "RGB") + ("A" if has_alpha else "")


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Container:
    """Read a file's structure; nothing is decoded.

    Args:
        data: the whole file, or as much of it as there is.
        limits: what the caller accepts.

    Raises:
        LimitExceeded: if the file is beyond the limits.
        BitstreamError: if the bytes break the format; see its subclasses.

    >>> header = Header(768, 512, quality=40, stages=10, fingerprint=b"mmmm")
    >>> parse(write(header, bytes(3) + b"payload", {"exif": b"Exif"})).chunks
    {'exif': b'Exif'}
    """
    reader = Reader(data)
    header, pad, has_chunks = read_header(reader)
    _check_limits(header, limits)
    chunks = _read_chunks(reader, limits.max_chunk_bytes) if has_chunks else {}
    payload = reader.rest()
    if payload[:1] == b"\0":
        raise Checksum("the image data begins with a zero byte: the file is damaged")
    return Container(header, bytes(pad) + payload, chunks)


def write(header: Header, payload: bytes, chunks: Mapping[str, bytes] | None = None) -> bytes:
    """Return the bytes of a file.

    Args:
        header: what to say about the image.
        payload: the words from `bitstream.stream.encode_indices`.
        chunks: type -> data; a type is one of KNOWN_CHUNKS. A seed of 0 is better left out.

    Raises:
        ValueError: if a chunk has an unknown type or is too long, or the payload is not one.

    >>> write(Header(768, 512, quality=40, stages=10, fingerprint=b"mmmm"), b"payload!").hex(" ", 4)
    '42494243 100a286d 6d6d6d80 0680048d 7061796c 6f616421'
    """
    chunks = chunks or {}
    for kind, data in chunks.items():
        _check_chunk(kind, data)
        if kind not in KNOWN_CHUNKS or len(data) > MAX_CHUNK_BYTES:
            raise ValueError(f"cannot write {len(data)} bytes as a chunk of type {kind!r}")
    stripped = payload.lstrip(b"\0")
    pad = len(payload) - len(stripped)
    if pad > 3:
        raise ValueError("the payload begins with a zero word, which no encoder writes")
    head = header.write(pad=pad, has_chunks=bool(chunks))
    return head + _write_chunks(chunks) + stripped


def metadata_bytes(chunks: Mapping[str, bytes]) -> int:
    """Return how many bytes of a file its metadata takes, with all that is around it.

    >>> metadata_bytes({"exif": b"12345"}), metadata_bytes({"grey": b""})
    (15, 0)
    """
    from bitstream import metadata  # noqa: PLC0415  (not for the picture)

    kinds = (*metadata.KINDS, metadata.PACKED)
    rest = {kind: data for kind, data in chunks.items() if kind not in kinds}
    return len(_write_chunks(chunks)) - len(_write_chunks(rest))


def seed_chunk(seed: int) -> dict[str, bytes]:
    r"""Return the chunks that store a seed of 0..2**64 - 1: none for seed 0.

    >>> seed_chunk(7)
    {'seed': b'\x07\x00\x00\x00\x00\x00\x00\x00'}
    """
    return {"seed": seed.to_bytes(SEED_BYTES, "little")} if seed else {}


def _check_limits(header: Header, limits: Limits) -> None:
    pixels, side = header.width * header.height, max(header.width, header.height)
    size = f"the image is {header.width}x{header.height}"
    if limits.max_pixels and pixels > limits.max_pixels:
        raise LimitExceeded(f"{size}, {pixels} pixels; the limit is {limits.max_pixels} pixels")
    if limits.max_side and side > limits.max_side:
        raise LimitExceeded(f"{size}; the limit is {limits.max_side} pixels a side")
    if limits.max_stages and header.stages > limits.max_stages:
        raise LimitExceeded(
            f"the image has {header.stages} stages; the limit is {limits.max_stages} stages"
        )


def _check_chunk(kind: str, data: bytes) -> None:
    size = FIXED_SIZES.get(kind, len(data))
    if len(data) != size:
        raise BitstreamError(f"the {kind} chunk has {len(data)} bytes, expected {size}")


def _write_chunks(chunks: Mapping[str, bytes]) -> bytes:
    if not chunks:
        return b""
    out = bytearray([len(chunks)])
    for kind, data in chunks.items():
        chunk = kind.encode("ascii") + write_varint(len(data)) + data
        out += chunk + zlib.crc32(chunk).to_bytes(4, "little")
    return bytes(out)


def _read_chunks(reader: Reader, max_bytes: int) -> dict[str, bytes]:
    chunks: dict[str, bytes] = {}
    total = 0
    count = reader.take(1, "the chunk count")[0]
    if count == 0:
        raise BitstreamError("the header announces chunks, but their count is 0")
    for _ in range(count):
        start = reader.at
        name = reader.take(TYPE_BYTES, "a chunk's type")
        kind = name.decode("ascii", "replace")
        if not (kind[0].isalpha() and kind.isascii() and kind.replace("_", "a").isalnum()):
            raise BitstreamError(f"byte {start}: {name!r} is not a chunk type; the file is damaged")
        length = reader.varint(f"the length of chunk {kind}")
        total += length
        _check_total(kind, total, max_bytes)
        data = reader.take(length, f"chunk {kind}")
        crc = zlib.crc32(reader.data[start : reader.at])
        if reader.take(4, f"chunk {kind}") != crc.to_bytes(4, "little"):
            raise Checksum(f"chunk {kind} at byte {start} is damaged: its CRC32 does not match")
        if kind in chunks:
            raise BitstreamError(f"chunk {kind} at byte {start} occurs a second time")
        if kind[0].isupper() and kind not in KNOWN_CHUNKS:
            raise UnsupportedVersion(
                f"the file needs chunk {kind}, which this reader does not know"
            )
        _check_chunk(kind, data)
        chunks[kind] = data
    if "meta" in chunks:
        _check_packed(chunks, total, max_bytes)
    for one, other in EXCLUSIVE:
        if one in chunks and other in chunks:
            raise BitstreamError(f"the chunks {one} and {other} exclude each other")
    return chunks


def _check_packed(chunks: Mapping[str, bytes], total: int, max_bytes: int) -> None:
    """Check what the `meta` chunk says that it holds; nothing is unpacked."""
    from bitstream import metadata  # noqa: PLC0415  (few files have it)

    sizes = metadata.sizes(chunks[metadata.PACKED])
    _check_total(metadata.PACKED, total + sum(sizes.values()), max_bytes)
    if twice := [kind for kind in sizes if kind in chunks]:
        raise BitstreamError(f"chunk {twice[0]} is there, and in chunk meta a second time")


def _check_total(kind: str, total: int, max_bytes: int) -> None:
    if max_bytes and total > max_bytes:
        raise LimitExceeded(
            f"the chunks up to {kind} have {total} bytes; the limit is {max_bytes} bytes"
        )
