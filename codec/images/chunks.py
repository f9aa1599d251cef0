"""The optional chunks of a file: all that a picture is besides its colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bitstream.alpha import pack_alpha
from bitstream.container import Container

if TYPE_CHECKING:
    from codec.images.picture import Picture

_CHUNK_OF = {"icc": "iccp", "exif": "exif", "xmp": "xmp_"}


def optional_chunks(picture: Picture) -> dict[str, bytes]:
    """The chunks that carry a picture's metadata, its alpha and whether it is grey."""
    chunks = {_CHUNK_OF[name]: data for name, data in picture.metadata.items()}
    if picture.grey:
        chunks["grey" if picture.channels == 1 else "gry3"] = b""
    if picture.alpha is not None:
        chunks["alph"] = pack_alpha(picture.alpha)
    return chunks


def picture_mode(file: Container) -> str:
    """Pillow's mode of the picture that a parsed file holds: "L", "LA", "RGB" or "RGBA"."""
    return ("L" if "grey" in file.chunks else "RGB") + ("A" if "alph" in file.chunks else "")


def picture_metadata(file: Container) -> dict[str, bytes]:
    """The metadata of a parsed file: verbatim bytes under "icc", "exif" and "xmp"."""
    return {name: file.chunks[kind] for name, kind in _CHUNK_OF.items() if kind in file.chunks}
