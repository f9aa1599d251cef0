"""The optional chunks of a file: all that a picture is besides its colours."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from bitstream import metadata
from bitstream.container import Container
from codec.options import METADATA

if TYPE_CHECKING:
    from codec.images.picture import Picture

_CHUNK_OF = {"icc": "iccp", "exif": "exif", "xmp": "xmp_"}


def optional_chunks(picture: Picture) -> dict[str, bytes]:
    """The chunks that carry a picture's metadata, its alpha and whether it is grey."""
    chunks = metadata.pack({_CHUNK_OF[name]: data for name, data in picture.metadata.items()})
    if picture.grey:
        chunks["grey" if picture.channels == 1 else "gry3"] = b""
    if picture.alpha is not None:
        from bitstream.alpha import alpha_chunk  # noqa: PLC0415  (numpy: not for `info`)

        chunks |= alpha_chunk(picture.alpha)
    return chunks


def picture_metadata(file: Container, keep: Collection[str] = METADATA) -> dict[str, bytes]:
    """The metadata of a parsed file: verbatim bytes under "icc", "exif" and "xmp".

    Raises:
        BitstreamError: they are packed, and damaged.
    """
    found = metadata.unpack(file.chunks)
    return {name: found[kind] for name, kind in _CHUNK_OF.items() if kind in found and name in keep}


def chunk_sizes(file: Container) -> dict[str, int]:
    """Bytes of each chunk's data, of packed metadata as it unpacks; nothing is unpacked."""
    sizes: dict[str, int] = {}
    for kind, data in file.chunks.items():
        sizes |= metadata.sizes(data) if kind == metadata.PACKED else {kind: len(data)}
    return sizes


def sizes_text(file_bytes: int, metadata_bytes: int) -> str:
    """How a file's bytes are shared, for people.

    Example:
        >>> sizes_text(12345, 345)
        'picture 12,000 bytes + metadata 345 bytes'
    """
    return f"picture {file_bytes - metadata_bytes:,} bytes + metadata {metadata_bytes:,} bytes"
