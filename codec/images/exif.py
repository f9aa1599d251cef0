"""EXIF: TIFF directories in a block of bytes, made true of the picture that they come with.

Values are changed in place and nothing else moves, so that maker notes, which hold offsets of their
own, stay valid. Tags are those of Exif 3.0 (CIPA DC-008).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from codec.images.turning import UPRIGHT, Upright, turned_point

PREFIX = b"Exif\0\0"
LARGEST_THUMBNAIL = 2**20  # bytes; Exif allows 64 KiB
LONGEST_THUMBNAIL_SIDE = 4096

_ORIENTATION = 0x0112
_EXIF_IFD, _GPS_IFD, _INTEROP_IFD = 0x8769, 0x8825, 0xA005
_WIDTHS, _HEIGHTS = (0x0100, 0xA002, 0x1001), (0x0101, 0xA003, 0x1002)
_POINTS = (0x9214, 0xA214)  # SubjectArea, SubjectLocation
_PAIRS = ((0x011A, 0x011B), (0xA20E, 0xA20F))  # resolutions along x and y
_COLOUR_SPACE, _INTEROP_INDEX = 0xA001, 0x0001
_THUMBNAIL_AT, _THUMBNAIL_BYTES = 0x0201, 0x0202
_STRIPS_AT, _STRIPS_BYTES = 0x0111, 0x0117
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I"}
_NUMBERS = (3, 4, 8, 9)  # the types in which an orientation is taken; Exif has only the first
_MANY = 16  # of integers that are read of one entry


@dataclass(frozen=True)
class Entry:
    """One entry of a directory: its type, and where its values are in the block."""

    kind: int
    count: int
    at: int
    size: int


@dataclass(frozen=True)
class Directory:
    """One directory: where it is in the block, its entries by tag, and where the next one is."""

    at: int
    end: int
    entries: dict[int, Entry]
    following: int


def orientation(exif: bytes) -> int | None:
    """The orientation that an EXIF block states, 1..8, or None if it states none.

    Args:
        exif: from the TIFF header on.

    Example:
        >>> orientation(b"MM"), orientation(Image.Exif().tobytes()[6:])
        (None, None)
    """
    block = _Block(exif)
    entry = block.directory(block.start).entries.get(_ORIENTATION)
    value = block.numbers(entry)[:1] if entry and entry.kind in _NUMBERS else []
    return value[0] if value and 1 <= value[0] <= 8 else None


def is_adobe_rgb(exif: bytes) -> bool:
    """Whether a camera says by the DCF optional colour space, and not by ICC: Adobe RGB."""
    block = _Block(exif)
    details = block.child(block.directory(block.start), _EXIF_IFD)
    interop = block.child(details, _INTEROP_IFD)
    space = details.entries.get(_COLOUR_SPACE)
    index = interop.entries.get(_INTEROP_INDEX)
    stated = block.numbers(space)[:1] if space else []
    if stated == [2]:  # written by some cameras, in no standard
        return True
    is_r03 = index is not None and block.data[index.at : index.at + 3] == b"R03"
    return is_r03 and stated in ([], [0xFFFF])


def made_true(exif: bytes, upright: Upright, *, keep_thumbnail: bool) -> bytes:
    """An EXIF block that agrees with the picture as it is coded.

    Orientation becomes 1, widths and heights are the picture's, points and resolutions turn with
    the picture, the colour space is sRGB if the pixels were converted to it, and the thumbnail
    turns or is left out. All other bytes stay as they are and where they are.

    Args:
        exif: from the TIFF header on; what is no EXIF is returned as it is.
        upright: the picture's size, and how it was turned.
        keep_thumbnail: keep the embedded thumbnail (IFD1), turned as the picture.
    """
    block = _Block(exif)
    first = block.directory(block.start)
    details = block.child(first, _EXIF_IFD)
    interop = block.child(details, _INTEROP_IFD)
    for directory in (first, details, interop):
        _make_true(block, directory, upright)
    if upright.became_srgb:
        block.set_numbers(details.entries.get(_COLOUR_SPACE), [1])
        index = interop.entries.get(_INTEROP_INDEX)
        if index is not None and block.data[index.at : index.at + 3] == b"R03":
            block.data[index.at : index.at + 3] = b"R98"
    if first.following:
        _Thumbnail(block, first, [details, interop, block.child(first, _GPS_IFD)]).settle(
            upright, keep_thumbnail
        )
    return bytes(block.data)


def _make_true(block: _Block, directory: Directory, upright: Upright) -> None:
    entries = directory.entries
    block.set_numbers(entries.get(_ORIENTATION), [1])
    for tags, side in ((_WIDTHS, upright.width), (_HEIGHTS, upright.height)):
        for tag in tags:
            block.set_numbers(entries.get(tag), [side])
    if upright.orientation == 1:
        return
    for tag in _POINTS:
        if tag in entries:
            values = block.numbers(entries[tag])
            if 2 <= len(values) <= 4:
                block.set_numbers(entries[tag], turned_point(values, upright))
    if upright.orientation >= 5:
        for along_x, along_y in _PAIRS:
            block.swap(entries.get(along_x), entries.get(along_y))


class _Block:
    """An EXIF block; every offset in it is checked, and what is not there is empty."""

    def __init__(self, exif: bytes) -> None:
        self.data = bytearray(exif)
        self.order = {b"II": "<", b"MM": ">"}.get(exif[:2], "")
        valid = bool(self.order) and len(exif) >= 8
        self.start = self._integer("I", 4) if valid else 0

    def _integer(self, code: str, at: int) -> int:
        (value,) = struct.unpack_from(self.order + code, self.data, at)
        return int(value)

    def directory(self, at: int) -> Directory:
        """The directory at an offset; an empty one if there is none."""
        if not 8 <= at <= len(self.data) - 2:
            return Directory(at, at, {}, 0)
        end = at + 2 + 12 * self._integer("H", at)
        entries: dict[int, Entry] = {}
        for start in range(at + 2, min(end, len(self.data) - 11), 12):
            tag, kind, count, value = struct.unpack_from(self.order + "HHII", self.data, start)
            size = _SIZES.get(kind, 0) * count
            value_at = start + 8 if size <= 4 else value
            if size and value_at + size <= len(self.data):
                entries.setdefault(tag, Entry(kind, count, value_at, size))
        following = self._integer("I", end) if end + 4 <= len(self.data) else 0
        return Directory(at, min(end + 4, len(self.data)), entries, following)

    def child(self, directory: Directory, tag: int) -> Directory:
        """The directory that an entry points to."""
        entry = directory.entries.get(tag)
        numbers = self.numbers(entry) if entry else []
        return self.directory(numbers[0] if numbers else 0)

    def numbers(self, entry: Entry) -> list[int]:
        """The integers of an entry: none if it holds something else, or very many."""
        code = _INTEGERS.get(entry.kind)
        if code is None or entry.count > _MANY:
            return []
        return list(struct.unpack_from(f"{self.order}{entry.count}{code}", self.data, entry.at))

    def set_numbers(self, entry: Entry | None, values: Sequence[int]) -> None:
        """Replace integers by as many others, if their type can hold them."""
        if entry is None or entry.kind not in _INTEGERS or entry.count != len(values):
            return
        try:
            form = f"{self.order}{entry.count}{_INTEGERS[entry.kind]}"
            struct.pack_into(form, self.data, entry.at, *values)
        except struct.error:  # a number that its type cannot hold
            pass

    def swap(self, one: Entry | None, other: Entry | None) -> None:
        """Let two entries of one type exchange their values."""
        if one and other and (one.kind, one.size) == (other.kind, other.size):
            first, second = (bytes(self.data[e.at : e.at + e.size]) for e in (one, other))
            self.data[one.at : one.at + one.size] = second
            self.data[other.at : other.at + other.size] = first


class _Thumbnail:
    """The directory behind the first one (IFD1), and the thumbnail that it describes."""

    def __init__(self, block: _Block, first: Directory, others: Iterable[Directory]) -> None:
        self.block, self.first = block, first
        self.directory = block.directory(first.following)
        self._taken = [(0, 8)]  # by what stays
        for directory in (first, *others):
            self._taken.append((directory.at, directory.end))
            self._taken += [(e.at, e.at + e.size) for e in directory.entries.values()]

    def settle(self, upright: Upright, keep: bool) -> None:
        """Turn the thumbnail as the picture was turned, or leave it out."""
        if keep and upright.orientation == 1:
            self.block.set_numbers(self.directory.entries.get(_ORIENTATION), [1])
        elif not keep or not self._turn(upright.orientation):
            self._leave_out()

    def _spans(self, at: int, size: int) -> list[tuple[int, int]]:
        """Where the data of the thumbnail is, by the tags of offsets and sizes."""
        entries, numbers = self.directory.entries, self.block.numbers
        if at not in entries or size not in entries:
            return []
        pairs = zip(numbers(entries[at]), numbers(entries[size]), strict=False)
        return [(a, a + n) for a, n in pairs if 8 <= a and n > 0 and a + n <= len(self.block.data)]

    def _turn(self, orientation: int) -> bool:
        """Write a JPEG thumbnail anew, turned; False if that is impossible."""
        entries, data = self.directory.entries, self.block.data
        spans = self._spans(_THUMBNAIL_AT, _THUMBNAIL_BYTES)
        if not spans or spans[0][1] - spans[0][0] > LARGEST_THUMBNAIL:
            return False
        begin, end = spans[0]
        turned = _turned_jpeg(bytes(data[begin:end]), orientation)
        if turned is None:
            return False
        self._clear([(begin, end)])
        if len(turned) > end - begin:
            begin = len(data) + len(data) % 2
            data.extend(bytes(begin - len(data)))
            data.extend(turned)
        else:
            data[begin : begin + len(turned)] = turned
        self.block.set_numbers(entries[_THUMBNAIL_AT], [begin])
        self.block.set_numbers(entries[_THUMBNAIL_BYTES], [len(turned)])
        self.block.set_numbers(entries.get(_ORIENTATION), [1])
        if orientation >= 5:
            self.block.swap(entries.get(0x0100), entries.get(0x0101))
            self.block.swap(entries.get(0x011A), entries.get(0x011B))
        return self.block.numbers(entries[_THUMBNAIL_AT]) == [begin]

    def _leave_out(self) -> None:
        """No thumbnail and no directory of it: their bytes are cut off, or zero in the middle."""
        spans = self._spans(_THUMBNAIL_AT, _THUMBNAIL_BYTES)
        spans += self._spans(_STRIPS_AT, _STRIPS_BYTES)
        spans.append((self.directory.at, self.directory.end))
        spans += [(e.at, e.at + e.size) for e in self.directory.entries.values()]
        self._clear(spans)
        data = self.block.data
        struct.pack_into(self.block.order + "I", data, self.first.end - 4, 0)
        for begin, end in sorted(spans, key=lambda span: span[1], reverse=True):
            if any(data[end:]):
                break
            stays = max((stop for start, stop in self._taken if stop > begin), default=begin)
            del data[max(begin, stays) :]

    def _clear(self, spans: Iterable[tuple[int, int]]) -> None:
        """Write zeros, but not over what belongs to other directories."""
        taken = sorted(self._taken)
        for begin, end in spans:
            at = begin
            for start, stop in taken:
                if start > at:
                    stopped = min(start, end)
                    self.block.data[at:stopped] = bytes(max(stopped - at, 0))
                at = max(at, min(stop, end))
                if at >= end:
                    break
            self.block.data[at:end] = bytes(max(end - at, 0))


def _turned_jpeg(data: bytes, orientation: int) -> bytes | None:
    """A small JPEG file turned upright; None if it cannot be read."""
    try:
        with Image.open(BytesIO(data), formats=("JPEG",)) as image:
            if max(image.size) > LONGEST_THUMBNAIL_SIDE:
                return None
            buffer = BytesIO()
            turned = image.transpose(UPRIGHT[orientation])
            turned.save(buffer, "JPEG", quality=85, exif=b"", icc_profile=None)
            return buffer.getvalue()
    except MemoryError:
        raise
    except Exception:  # on damage, Pillow raises nearly anything
        return None
