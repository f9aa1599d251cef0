"""XMP packets (ISO 16684-1), made true of the picture that they come with.

A packet is text that many programs wrote by hand: properties are found by their names and changed
where they stand, and every other byte stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from codec.images.turning import Upright

_SPACES = {  # namespace -> the prefix that is usual
    b"tiff": b"http://ns.adobe.com/tiff/1.0/",
    b"exif": b"http://ns.adobe.com/exif/1.0/",
    b"xmp": b"http://ns.adobe.com/xap/1.0/",
    b"xmpNote": b"http://ns.adobe.com/xmp/note/",
    b"GCamera": b"http://ns.google.com/photos/1.0/camera/",
    b"Container": b"http://ns.google.com/photos/1.0/container/",
    b"hdrgm": b"http://ns.adobe.com/hdr-gain-map/1.0/",
    b"HDRGainMap": b"http://ns.apple.com/HDRGainMap/1.0/",
    b"GDepth": b"http://ns.google.com/photos/1.0/depthmap/",
    b"GImage": b"http://ns.google.com/photos/1.0/image/",
}
_SIZES = (
    *((b"tiff", b"ImageWidth", "width"), (b"tiff", b"ImageLength", "height")),
    *((b"exif", b"PixelXDimension", "width"), (b"exif", b"PixelYDimension", "height")),
)
_NAME = rb"[A-Za-z_][\w.-]*"
_ANNOUNCEMENTS = {  # what a file holds besides its picture -> the properties that announce it
    "a motion video": (
        (b"GCamera", rb"(?:MicroVideo|MotionPhoto)\w*"),
        (b"Container", rb"Directory"),
    ),
    "a gain map": ((b"hdrgm", _NAME), (b"HDRGainMap", _NAME), (b"Container", rb"Directory")),
    "extended XMP": ((b"xmpNote", rb"HasExtendedXMP"),),
    "a depth map": ((b"GDepth", _NAME),),
    "a second image": ((b"GImage", _NAME),),
}
_FOUND_BY = {  # the property that tells what is announced
    "a motion video": ((b"GCamera", rb"(?:MicroVideo|MotionPhoto)"),),
    "a gain map": ((b"hdrgm", rb"Version"), (b"HDRGainMap", _NAME)),
    "extended XMP": ((b"xmpNote", rb"HasExtendedXMP"),),
    "a depth map": ((b"GDepth", _NAME),),
    "a second image": ((b"GImage", _NAME),),
}
_QUOTED = re.compile(rb"\s*=\s*([\"'])")
_FAILURES = 64  # properties without an end, after which a packet is taken for damaged


class Use(NamedTuple):
    """Where a property stands in a packet: the whole of it, and its value."""

    begin: int
    end: int
    value_begin: int
    value_end: int


def orientation(packet: bytes) -> int | None:
    """The orientation that a packet states, 1..8, or None if it states none.

    Example:
        >>> orientation(b'<a xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="6"/>')
        6
    """
    for use in _uses(packet, b"tiff", b"Orientation"):
        value = packet[use.value_begin : use.value_end].strip()
        if value in (b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8"):
            return int(value)
    return None


def announced(packet: bytes) -> list[str]:
    """What a packet says that its file holds besides the picture, in words."""
    return [
        what
        for what, properties in _FOUND_BY.items()
        if any(_is_set(packet, use) for p, name in properties for use in _uses(packet, p, name))
    ]


def made_true(packet: bytes, upright: Upright, *, keep_thumbnail: bool) -> bytes:
    """A packet that agrees with the picture as it is coded, without its padding.

    Orientation becomes 1 and sizes are the picture's. What announces something that is not coded
    (a motion video, a gain map, extended XMP, a depth map) is left out, and so are thumbnails,
    unless they are to be kept and need not turn.

    Args:
        packet: what is no UTF-8 is returned as it is.
        upright: the picture's size, and how it was turned.
        keep_thumbnail: keep thumbnails of a picture that was not turned.
    """
    if b"\0" in packet[:4]:  # UTF-16 or UTF-32
        return packet
    packet = _replaced(packet, b"tiff", b"Orientation", b"1")
    for prefix, name, side in _SIZES:
        packet = _replaced(packet, prefix, name, b"%d" % getattr(upright, side))
    removed = [pair for what in announced(packet) for pair in _ANNOUNCEMENTS[what]]
    if not keep_thumbnail or upright.orientation != 1 or upright.in_memory:
        removed.append((b"xmp", rb"Thumbnails"))
    for prefix, name in removed:
        packet = _edited(packet, prefix, name, lambda packet, use: b"")
    return _without_padding(packet)


def _is_set(packet: bytes, use: Use) -> bool:
    return packet[use.value_begin : use.value_end].strip() not in (b"", b"0", b"False", b"false")


def _prefix(packet: bytes, usual: bytes) -> bytes:
    """The prefix that a packet gives a namespace."""
    pattern = rb"xmlns:(" + _NAME + rb")\s{0,9}=\s{0,9}[\"']" + re.escape(_SPACES[usual])
    match = re.search(pattern, packet)
    return match[1] if match else usual


def _uses(packet: bytes, usual: bytes, name: bytes) -> Iterator[Use]:
    """Where a property stands, as an attribute or as an element, in the packet's order."""
    pattern = re.compile(rb"(?<![\w:.-])" + re.escape(_prefix(packet, usual)) + rb":" + name)
    at, failures = 0, 0
    while failures < _FAILURES and (match := pattern.search(packet, at)):
        at = match.end()
        if packet[at : at + 1].isalnum():
            continue
        is_element = packet[match.start() - 1 : match.start()] == b"<"
        use = _element(packet, match) if is_element else _attribute(packet, match)
        if use is None:
            failures += 1
            continue
        yield use
        at = use.end


def _attribute(packet: bytes, match: re.Match[bytes]) -> Use | None:
    quoted = _QUOTED.match(packet, match.end())
    end = packet.find(quoted[1], quoted.end()) if quoted else -1
    if not quoted or end < 0:
        return None
    begin = match.start()
    while begin and packet[begin - 1] in b" \t\r\n":
        begin -= 1
    return Use(begin, end + 1, quoted.end(), end)


def _element(packet: bytes, match: re.Match[bytes]) -> Use | None:
    begin, opened = match.start() - 1, packet.find(b">", match.end())
    if opened < 0:
        return None
    if packet[opened - 1 : opened] == b"/":
        return Use(begin, opened + 1, opened + 1, opened + 1)
    closing = packet.find(b"</" + match[0], opened)
    end = packet.find(b">", closing) if closing >= 0 else -1
    if end >= 0:
        return Use(begin, end + 1, opened + 1, closing)
    end = packet.find(b"<", opened)  # not closed: its value ends where the next tag begins
    return Use(begin, end, opened + 1, end) if end >= 0 else None


def _replaced(packet: bytes, usual: bytes, name: bytes, value: bytes) -> bytes:
    """The packet with another number as the value of a property, where it has one."""
    return _edited(packet, usual, name, partial(_with_number, number=value))


def _with_number(packet: bytes, use: Use, number: bytes) -> bytes:
    """A use of a property with another number as its value; unchanged if that is no number."""
    old = packet[use.value_begin : use.value_end]
    new = number if re.fullmatch(rb"\s*\d+\s*", old) else old
    return packet[use.begin : use.value_begin] + new + packet[use.value_end : use.end]


def _edited(packet: bytes, usual: bytes, name: bytes, edit: Callable[[bytes, Use], bytes]) -> bytes:
    """The packet with every use of a property replaced."""
    pieces, at = [], 0
    for use in _uses(packet, usual, name):
        pieces += [packet[at : use.begin], edit(packet, use)]
        at = use.end
    return b"".join([*pieces, packet[at:]])


def _without_padding(packet: bytes) -> bytes:
    r"""The packet without the white space that programs leave in it for later edits.

    >>> _without_padding(b"<?xpacket begin?><x/>  \n \n<?xpacket end='w'?>\n  ")
    b"<?xpacket begin?><x/>\n<?xpacket end='w'?>"
    """
    packet = packet.rstrip(b"\0 \t\r\n")
    at = packet.rfind(b"<?xpacket end")
    if at > 0:
        head = packet[:at].rstrip(b"\0 \t\r\n")
        packet = head + (b"\n" if len(head) < at else b"") + packet[at:]
    return packet
