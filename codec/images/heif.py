"""HEIC and HEIF files, by way of pillow-heif where it is installed, and boxes of the format."""

from importlib import import_module
from importlib.util import find_spec
from typing import BinaryIO

from PIL import Image

from codec.errors import UnsupportedImageError
from codec.images.jpeg import further_pictures

SUFFIXES = {".heic", ".heif", ".hif"}
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_LOOKED_AT = 2**18  # bytes at the beginning of a file, where its description is


def is_installed() -> bool:
    """Whether HEIC files can be read."""
    return find_spec("pillow_heif") is not None


def is_heif(head: bytes) -> bool:
    r"""Whether the first 32 bytes of a file are those of a HEIC or HEIF file, and not of AVIF.

    Example:
        >>> is_heif(b"\0\0\0\x18ftypheic"), is_heif(b"\0\0\0\x1cftypavif\0\0\0\0mif1")
        (True, False)
    """
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS and b"avif" not in head[8:32]


def open_heif(file: BinaryIO, name: str) -> Image.Image:
    """Open a HEIC file as a Pillow image, upright.

    Raises:
        UnsupportedImageError: pillow-heif is not installed, or the image is too large.
    """
    if not is_installed():
        raise UnsupportedImageError(
            f"{name}: a HEIC file, which needs one package more: pip install 'bibcodec[heic]'"
        )
    image: Image.Image = import_module("pillow_heif").HeifImageFile(file)
    most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
    if most and image.width * image.height > most:
        raise UnsupportedImageError(
            f"{name}: {image.width * image.height} pixels exceed the limit of {most} pixels"
        )
    return image


def code_points(file: BinaryIO) -> tuple[int, int] | None:
    """Colour primaries and transfer characteristics (H.273) of an AVIF or HEIC file, if stated."""
    file.seek(0)
    head = file.read(_LOOKED_AT)
    at = head.find(b"colrnclx")
    if at < 0 or len(head) < at + 12:
        return None
    return int.from_bytes(head[at + 8 : at + 10]), int.from_bytes(head[at + 10 : at + 12])


def left_out(file: BinaryIO, further: int) -> list[str]:
    """What is in an AVIF or HEIC file besides its picture, in words.

    Args:
        file: the file.
        further: how many pictures it holds besides the one that is read.
    """
    file.seek(0)
    head = file.read(_LOOKED_AT)
    notes = []
    if b"tmap" in head or b"hdrgainmap" in head.lower():
        notes.append("a gain map")
    elif further:
        notes.append(further_pictures(further))
    if b"mpvd" in head:
        notes.append("a motion video")
    return notes
