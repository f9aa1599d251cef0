"""Why an image file cannot be read: it was cut off, it is damaged, or nothing here reads it."""

from __future__ import annotations

import io
from typing import BinaryIO, Literal

from PIL import ImageFile, UnidentifiedImageError

from codec.images import heif, jpeg, png_chunks

CUT = (
    "damaged image: the file ends before its picture does, as after a broken download: get it again"
)
TAKE_IT = ", or take what it holds with --allow-truncated (allow_truncated=True)"

_TIFF, _JPEG_2000 = "TIFF", "JPEG 2000"
_SIGNATURES = {
    png_chunks.SIGNATURE: "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _TIFF),
    **dict.fromkeys((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), _JPEG_2000),
    b"qoif": "QOI",
}
_PILLOW_TAKES = "image file is truncated"  # of what it also takes when it is told to
_CUT_WORDS = (_PILLOW_TAKES, "truncated data", "not enough image data")


def reason(error: Exception, file: BinaryIO | None, formats: tuple[str, ...]) -> str:
    """Why a file cannot be read, for people.

    Args:
        error: that Pillow raised.
        file: the file, if it is at hand.
        formats: that are read.
    """
    kind = "" if file is None else kind_of(file)
    can_be_told = not ImageFile.LOAD_TRUNCATED_IMAGES
    if file is not None and kind and can_be_told and is_cut(file, kind):
        return CUT + (TAKE_IT if kind in ("PNG", "JPEG", _JPEG_2000) else "")
    if any(words in str(error).lower() for words in _CUT_WORDS):
        return CUT + (TAKE_IT if can_be_told and _PILLOW_TAKES in str(error) else "")
    if not isinstance(error, UnidentifiedImageError):
        is_unknown = str(error).lower().startswith("unsupported")
        of_a_kind = f"of a kind that is not read here ({error}): save it as PNG first"
        return of_a_kind if is_unknown else f"damaged image: {error}"
    if kind:
        return (
            f"begins as {kind}, but cannot be read: it is damaged, or of a kind that is not known"
        )
    if file is not None and not (file.seek(0) or file.read(1)):
        return "the file is empty"
    return f"not an image of a format that is read here ({', '.join(formats)})"


def kind_of(file: BinaryIO) -> str:
    r"""The format that a file begins as, where that is beyond doubt; else "".

    Example:
        >>> kind_of(io.BytesIO(b"RIFF\4\0\0\0WEBP")), kind_of(io.BytesIO(b"BM"))
        ('WebP', '')
    """
    file.seek(0)
    head = file.read(32)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF"
    if heif.is_heif(head):
        return "HEIC"
    return next((name for mark, name in _SIGNATURES.items() if head.startswith(mark)), "")


def is_cut(file: BinaryIO, kind: str) -> bool:
    r"""Whether a file of a kind ends before its own lengths and marks say; False if they do not.

    Example:
        >>> is_cut(io.BytesIO(b"RIFF\4\0\0\0WEBP"), "WebP")
        False
    """
    if kind == "PNG":
        return png_chunks.is_cut(file)
    if kind == "JPEG":
        return jpeg.end_of(file) is None
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(16)
    if kind == "WebP":
        return int.from_bytes(head[4:8], "little") + 8 > size
    if kind == _TIFF:
        order: Literal["little", "big"] = "little" if head[:1] == b"I" else "big"
        is_big = b"+" in head[2:4]
        at = int.from_bytes(head[8:16] if is_big else head[4:8], order)
        file.seek(min(at, size))
        entries = int.from_bytes(file.read(8 if is_big else 2), order)
        return at + (20 * entries + 16 if is_big else 12 * entries + 6) > size
    if kind in ("AVIF", "HEIC", _JPEG_2000) and head[:1] == b"\0":
        return _boxes_are_cut(file, size)
    return False


def _boxes_are_cut(file: BinaryIO, size: int) -> bool:
    """Whether the last box of a file (ISO 14496-12) is longer than what is left for it."""
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:16])
        if length == 0:  # to the end of the file
            file.seek(max(size - 2, 0))
            return head[4:8] == b"jp2c" and file.read(2) != b"\xff\xd9"
        if len(head) < 8 or length < 8:
            return len(head) < 8
        at += length
    return at > size
