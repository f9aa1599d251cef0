"""What a JPEG file holds besides the picture that Pillow reads: further pictures, a video."""

import re
from typing import BinaryIO

_SOI, _EOI, _SOS = b"\xff\xd8", b"\xff\xd9", 0xDA
_ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a length
_PIECE = 2**20
_MOST_BEHIND = 2**26  # bytes behind a picture that are looked at
_ISO_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1"
_GAIN_MAP = (b"http://ns.adobe.com/hdr-gain-map/1.0/", _ISO_GAIN_MAP, b"HDRGainMap")
_VIDEO = re.compile(rb"\0\0\0[\x08-\xff]ftyp")


def end_of(file: BinaryIO) -> int | None:
    r"""Where the picture of a JPEG file ends, in bytes from the start; None if it is cut.

    Example:
        >>> from io import BytesIO
        >>> end_of(BytesIO(_SOI + b"\xff\xda\0\2scan" + _EOI + b"more"))
        12
    """
    at = 2
    while True:
        file.seek(at)
        head = file.read(4)
        if len(head) < 4:
            return at + 2 if head[:2] == _EOI else None
        if head[0] != 0xFF:  # bytes that belong to nothing: decoders pass over them
            file.seek(at)
            skipped = file.read(_PIECE).find(b"\xff")
            if skipped < 0:
                return None
            at += skipped
        elif head[1] == 0xFF or head[1] in _ALONE:  # a fill byte
            at += 1 if head[1] == 0xFF else 2
        elif head[:2] == _EOI:
            return at + 2
        else:
            at += 2 + int.from_bytes(head[2:])
            if head[1] == _SOS:
                return _find(file, at)


def left_out(file: BinaryIO, further: int) -> list[str]:
    """What is in a JPEG file besides its picture, in words.

    Args:
        file: a whole JPEG file.
        further: how many pictures its index (MPF) lists besides the first.
    """
    end = end_of(file)
    if end is None:
        return []
    file.seek(0)
    head = file.read(min(end, 2**18))
    file.seek(end)
    behind = file.read(_MOST_BEHIND)
    notes = []
    if any(mark in part for mark in _GAIN_MAP for part in (head, behind)):
        notes.append("a gain map")
    elif further:
        notes.append(further_pictures(further))
    if video := _VIDEO.search(behind):
        notes.append(f"a motion video of {len(behind) - video.start():,} bytes")
    return notes


def further_pictures(count: int) -> str:
    """What a file holds besides its first picture, in words.

    Example:
        >>> further_pictures(1), further_pictures(2)
        ('a second picture', '2 further pictures')
    """
    return "a second picture" if count == 1 else f"{count} further pictures"


def _find(file: BinaryIO, at: int) -> int | None:
    """Where the next end marker ends."""
    file.seek(at)
    last = b""
    while piece := file.read(_PIECE):
        found = (last + piece).find(_EOI)
        if found >= 0:
            return at - len(last) + found + 2
        at, last = at + len(piece), piece[-1:]
    return None
