"""Image files made by hand, with what no library writes: chunks, tags, directories, thumbnails."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from codec.images.metadata import to_info

TIFF_SIZES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}


def stored(image, file_format, **options):
    """The bytes of a file that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def to_image(picture):
    """A `Picture` as a Pillow image of mode L, LA, RGB or RGBA."""
    colour = picture.rgb[:, :, 0] if picture.channels == 1 else picture.rgb
    image = Image.fromarray(np.ascontiguousarray(colour))
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    image.info.update(to_info(picture.metadata))
    return image


def png(samples, colour, depth, *chunks, late=()):
    """A PNG file of rows of bytes, with chunks (kind, data) before and behind the pixels."""
    height = len(samples)
    width = len(samples[0]) * 8 // depth // {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + bytes(row) for row in samples))
    every = [(b"IHDR", head), *chunks, (b"IDAT", rows), *late, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in every)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(file, kind, data, late=False):
    """A PNG file with a chunk more, after IHDR or before IEND."""
    at = len(file) - 12 if late else 33
    return file[:at] + png_chunk(kind, data) + file[at:]


def directory(tags, at, order="<", following=0):
    """A TIFF directory at an offset, {tag: (type, values)}, and the values behind it."""
    rows, behind = b"", b""
    start = at + 2 + 12 * len(tags) + 4
    for tag, (kind, values) in sorted(tags.items()):
        if isinstance(values, bytes):
            data, count = values, len(values)
        elif kind == 5:
            data, count = struct.pack(f"{order}{2 * len(values)}I", *sum(values, ())), len(values)
        else:
            code = TIFF_SIZES[kind]
            data, count = struct.pack(f"{order}{len(values)}{code}", *values), len(values)
        place = data.ljust(4, b"\0")
        if len(data) > 4:
            place = struct.pack(order + "I", start + len(behind))
            behind += data
        rows += struct.pack(order + "HHI", tag, kind, count) + place
    return struct.pack(order + "H", len(tags)) + rows + struct.pack(order + "I", following) + behind


def header(order="<"):
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)


def tiff(width, height, bits, photometric, data, order="<", **tags):
    """A TIFF file of one strip (or one for each plane), not compressed; t254=(type, values)."""
    count = len(bits)
    every = {256: (3, [width]), 257: (3, [height]), 258: (3, bits), 259: (3, [1])}
    every |= {262: (3, [photometric]), 277: (3, [count]), 278: (3, [height])}
    every |= {int(name[1:]): value for name, value in tags.items()}
    planes = count if every.get(284, (3, [1]))[1] == [2] else 1
    size = len(data) // planes
    every[279] = (4, [size] * planes)
    every[273] = (4, [0] * planes)
    at = 8 + len(directory(every, 8, order))
    every[273] = (4, [at + plane * size for plane in range(planes)])
    return header(order) + directory(every, 8, order) + data


def exif(tags, details=None, thumbnail=None, order="<", gps=None):
    """An EXIF block: IFD0, the Exif and GPS directories, and IFD1 with a thumbnail behind all."""
    tags, at = dict(tags), 8
    if details is not None:
        tags[0x8769] = (4, [0])
    if gps is not None:
        tags[0x8825] = (4, [0])
    at += len(directory(tags, 8, order))
    body = b""
    for tag, below in ((0x8769, details), (0x8825, gps)):
        if below is not None:
            tags[tag] = (4, [at + len(body)])
            body += directory(below, at + len(body), order)
    if thumbnail is None:
        return header(order) + directory(tags, 8, order) + body
    first = at + len(body)
    below = {0x0103: (3, [6]), 0x0112: (3, [6]), 0x0201: (4, [0]), 0x0202: (4, [len(thumbnail)])}
    place = first + len(directory(below, first, order))
    below[0x0201] = (4, [place])
    last = directory(below, first, order)
    return header(order) + directory(tags, 8, order, following=first) + body + last + thumbnail


def waves(height=256, width=256):
    """Grey samples uint8 [height, width] with something in every corner."""
    y, x = np.mgrid[:height, :width]
    return (127 + 60 * np.sin(x / 7) + 60 * np.sin(y / 11 + x / 40)).astype(np.uint8)


def corner(width=60, height=40):
    """RGB samples, black with a red corner at the top left, by which turns are seen."""
    samples = np.zeros((height, width, 3), np.uint8)
    samples[: height // 4, : width // 4, 0] = 255
    return Image.fromarray(samples)
