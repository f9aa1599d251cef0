"""The chunks of a PNG file (ISO 15948), found without reading the picture."""

import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO, NamedTuple

from PIL import PngImagePlugin

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT = {b"tEXt", b"zTXt", b"iTXt"}
_PIECE = 2**20


class Chunk(NamedTuple):
    """One chunk: its kind, where its length field begins, and how long its data is."""

    kind: bytes
    at: int
    length: int


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks of a PNG file from its first to IEND, as far as they are whole."""
    at = len(SIGNATURE)
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        chunk = Chunk(head[4:], at, int.from_bytes(head[:4]))
        at += 12 + chunk.length
        file.seek(at - 1)
        if not file.read(1):
            return
        yield chunk
        if chunk.kind == b"IEND":
            return


def is_cut(file: BinaryIO) -> bool:
    """Whether a PNG file ends before its last chunk does.

    Example:
        >>> is_cut(BytesIO(SIGNATURE + bytes(8)))
        True
    """
    return all(chunk.kind != b"IEND" for chunk in chunks(file))


def data_of(file: BinaryIO, kind: bytes) -> bytes:
    """The data of the first chunk of a kind, at most 1 MiB of it; nothing if there is none."""
    for chunk in chunks(file):
        if chunk.kind == kind:
            return _data(file, chunk)
    return b""


def without_large_texts(file: BinaryIO) -> tuple[BinaryIO, list[str]]:
    """The file without the texts and profiles that are larger than Pillow takes.

    Returns:
        The file, or a copy without those chunks; and what was left out, in words.
    """
    large, memory = [], 0
    for chunk in chunks(file):
        if chunk.kind in _TEXT or chunk.kind == b"iCCP":
            size = (
                _unpacked_bytes(file, chunk) if memory <= PngImagePlugin.MAX_TEXT_MEMORY else None
            )
            if size is None or memory + size > PngImagePlugin.MAX_TEXT_MEMORY:
                large.append(chunk)
            memory += size or 0
    if not large:
        return file, []
    cleaned, at = BytesIO(), 0
    for chunk in sorted(large, key=lambda chunk: chunk.at):
        _copy(file, cleaned, at, chunk.at)
        at = chunk.at + 12 + chunk.length
    _copy(file, cleaned, at, None)
    cleaned.seek(0)
    names = [
        "an ICC profile" if c.kind == b"iCCP" else f"the text field {_name(file, c)!r}"
        for c in large
    ]
    return cleaned, [f"{name} (too large)" for name in names[:4]]


def _unpacked_bytes(file: BinaryIO, chunk: Chunk) -> int | None:
    """How long a text or a profile is; None if it is longer than Pillow takes."""
    if chunk.kind == b"tEXt":
        return chunk.length
    rest = _data(file, chunk).partition(b"\0")[2]
    if chunk.kind == b"iTXt":
        if rest[:1] != b"\1":
            return len(rest)
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    else:
        rest = rest[1:]
    unpacker = zlib.decompressobj()
    try:
        size = len(unpacker.decompress(rest, PngImagePlugin.MAX_TEXT_CHUNK))
    except zlib.error:  # Pillow passes over it
        return 0
    return None if unpacker.unconsumed_tail else size


def _name(file: BinaryIO, chunk: Chunk) -> str:
    name = _data(file, chunk)[:79].partition(b"\0")[0].decode("latin-1")
    return "".join(char if char.isprintable() else "?" for char in name)


def _data(file: BinaryIO, chunk: Chunk) -> bytes:
    file.seek(chunk.at + 8)
    return file.read(min(chunk.length, 2**26))


def _copy(source: BinaryIO, target: BinaryIO, begin: int, end: int | None) -> None:
    source.seek(begin)
    left = end - begin if end is not None else None
    while left is None or left > 0:
        piece = source.read(_PIECE if left is None else min(_PIECE, left))
        if not piece:
            return
        target.write(piece)
        left = left - len(piece) if left is not None else None
