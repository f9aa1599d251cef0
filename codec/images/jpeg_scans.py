"""Whether the scans of a JPEG file hold all of its picture: decoders make up what is missing.

A file that was cut and then closed with an end marker, or whose header claims more rows than it
holds, decodes without an error: the rest is grey, or coarse. Of a progressive file it is not seen
if a part of the last scan is missing, which has the last bit of some coefficients.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

import numpy as np
from PIL import Image

from codec.images import jpeg

_PROGRESSIVE, _SEQUENTIAL = (0xC2, 0xCA), (0xC0, 0xC1, 0xC9)
_SOS, _DRI, _EOI = 0xDA, 0xDD, b"\xff\xd9"
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # that ends the data of a scan
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_BLOCK = 8
_ANYTHING = bytes(range(1, 128)) * 16  # in place of what may be missing
_LARGEST = 2**28  # bytes of a file that are looked at
Small = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


@dataclass(frozen=True)
class Frame:
    """The picture as the header describes it.

    Attributes:
        kind: the marker's second byte.
        width, height: in pixels.
        sampling: horizontal and vertical sampling factors by component.
    """

    kind: int
    width: int
    height: int
    sampling: dict[int, tuple[int, int]]

    def units(self, components: Sequence[int]) -> int:
        """How many units a scan of these components has (MCU), between which restarts stand."""
        across = max(h for h, _ in self.sampling.values())
        down = max(v for _, v in self.sampling.values())
        h, v = (1, 1) if len(components) > 1 else self.sampling[components[0]]
        if len(components) > 1:
            return _parts(self.width, _BLOCK * across) * _parts(self.height, _BLOCK * down)
        columns, rows = _parts(self.width * h, across), _parts(self.height * v, down)
        return _parts(columns, _BLOCK) * _parts(rows, _BLOCK)


@dataclass(frozen=True)
class Scan:
    """One pass over the picture.

    Attributes:
        components: that it codes.
        first, last: of the coefficients, in zigzag order.
        low: the lowest bit that it codes.
        interval: units between restarts; 0: there are none.
        restarts: how many there are.
    """

    components: tuple[int, ...]
    first: int
    last: int
    low: int
    interval: int
    restarts: int


def are_missing(image: Image.Image, file: BinaryIO) -> bool:
    """Whether a part of the picture of a JPEG file is not in it.

    Args:
        image: of the file, loaded, as it is stored.
        file: a JPEG file that has an end marker.
    """
    end = jpeg.end_of(file)
    if end is None or end > _LARGEST:
        return False
    file.seek(0)
    data = file.read(end)
    try:
        frame, scans = _described(data)
    except (IndexError, KeyError, ValueError, ZeroDivisionError):  # of no kind that is known
        return False
    if any(_lacks_restarts(frame, scan) for scan in scans):
        return True
    if frame.kind in _PROGRESSIVE:
        return _is_coarse(frame, scans)
    has_all = {c for scan in scans for c in scan.components} == set(frame.sampling)
    return not has_all or (_ends_flat(image) and _goes_on(data, frame))


def _described(data: bytes) -> tuple[Frame, list[Scan]]:
    """The frame and the scans of a JPEG file."""
    frame: Frame | None = None
    scans = []
    interval = 0
    for kind, segment, behind in _segments(data):
        if kind in (*_SEQUENTIAL, *_PROGRESSIVE):
            height, width = int.from_bytes(segment[1:3]), int.from_bytes(segment[3:5])
            components = [segment[at : at + 3] for at in range(6, 6 + 3 * segment[5], 3)]
            frame = Frame(kind, width, height, {c[0]: (c[1] >> 4, c[1] & 15) for c in components})
        elif kind == _DRI:
            interval = int.from_bytes(segment[:2])
        elif kind == _SOS:
            count = segment[0]
            components_of = tuple(segment[1 : 1 + 2 * count : 2])
            first, last, bits = segment[1 + 2 * count : 4 + 2 * count]
            restarts = len(_RESTART.findall(data, *behind)) if interval else 0
            scans.append(Scan(components_of, first, last, bits & 15, interval, restarts))
    if frame is None or any(c not in frame.sampling for scan in scans for c in scan.components):
        raise KeyError
    return frame, scans


def _segments(data: bytes) -> Iterator[tuple[int, bytes, tuple[int, int]]]:
    """Kind and content of each segment, and where the data of a scan behind it begin and end."""
    at = 2
    while at + 4 <= len(data):
        found = _MARKER.search(data, at)
        if found is None or found.group() == _EOI:
            return
        at = found.start()
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if kind in (0x01, 0xD8):  # without a length
            at += 2
            continue
        begin = at + 2 + length
        end = begin
        if kind == _SOS:
            following = _MARKER.search(data, begin)
            end = len(data) if following is None else following.start()
        yield kind, data[at + 4 : begin], (begin, end)
        at = max(end, at + 2)


def _parts(whole: int, part: int) -> int:
    """How many parts a whole has, the last one perhaps smaller.

    >>> _parts(17, 8)
    3
    """
    return -(-whole // part)


def _lacks_restarts(frame: Frame, scan: Scan) -> bool:
    if not scan.interval:
        return False
    return scan.restarts < _parts(frame.units(scan.components), scan.interval) - 1


def _is_coarse(frame: Frame, scans: Sequence[Scan]) -> bool:
    """Whether a progressive file lacks bits of its means, or of coefficients that it has begun."""
    lowest: dict[tuple[int, int], int] = {(component, 0): 1 for component in frame.sampling}
    for scan in scans:
        for component in scan.components:
            for place in range(scan.first, min(scan.last, _BLOCK**2 - 1) + 1):
                lowest[component, place] = scan.low
    return any(lowest.values())


def _ends_flat(image: Image.Image) -> bool:
    """Whether the last block is of one colour, as it is if it was made up."""
    left, top = ((side - 1) // _BLOCK * _BLOCK for side in image.size)
    last = np.asarray(image.crop((left, top, *image.size)))
    last = last.reshape(-1, len(image.getbands())).astype(int)
    return bool((last.max(axis=0) - last.min(axis=0) <= 2).all())


def _goes_on(data: bytes, frame: Frame) -> bool:
    """Whether more data before the end marker changes more of the picture than its last unit."""
    as_it_is = _small(data)
    longer = _small(data[:-2] + _ANYTHING + _EOI)
    if as_it_is.shape != longer.shape:
        return False
    changed = (as_it_is != longer).any(axis=2)
    across = max(h for h, _ in frame.sampling.values())
    down = max(v for _, v in frame.sampling.values())
    changed[-down:, -across:] = False
    return bool(changed.any())


def _small(data: bytes) -> Small:
    """A JPEG file's pixels at an eighth of their number a side: [H, W, C]."""
    with Image.open(BytesIO(data), formats=("JPEG",)) as image:
        image.draft(image.mode, (1, 1))
        small = np.asarray(image)
        return small.reshape(*small.shape[:2], -1)
