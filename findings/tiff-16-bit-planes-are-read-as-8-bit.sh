#!/bin/sh
# Pillow reads a 16-bit RGB TIFF with separate planes (PlanarConfiguration 2) as 8-bit planes, silently.
#
# Of a file that is not compressed it picks an 8-bit unpacker for every plane, so two 8-bit pixels
# are made of each 16-bit sample: the picture is wrong, and there is neither an error nor a warning.
# The same samples compressed with deflate go through libtiff and are right. Of 16-bit grey with
# PhotometricInterpretation 0 (0 is white) the little-endian file is read without being inverted,
# although 8-bit grey is inverted, and the big-endian file cannot be opened.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==1.26.4 pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import zlib

import numpy as np
import PIL
from PIL import Image, UnidentifiedImageError

print("Pillow", PIL.__version__)


def tiff(bits, photometric, strips, order="<", planar=1, compression=1):
    """A TIFF file of 4 x 1 pixels."""
    count = len(bits)
    tags = {256: (3, [4]), 257: (3, [1]), 258: (3, bits), 259: (3, [compression])}
    tags |= {262: (3, [photometric]), 273: (4, [0] * len(strips)), 277: (3, [count])}
    tags |= {278: (3, [1]), 279: (4, [len(strip) for strip in strips]), 284: (3, [planar])}
    for _ in range(2):  # the second time with the offsets of the strips
        rows, behind, start = b"", b"", 8 + 2 + 12 * len(tags) + 4
        for tag, (kind, values) in sorted(tags.items()):
            data = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
            place = data.ljust(4, b"\0")
            if len(data) > 4:
                place = struct.pack(order + "I", start + len(behind))
                behind += data
            rows += struct.pack(order + "HHI", tag, kind, len(values)) + place
        ends = np.cumsum([start + len(behind), *map(len, strips)])
        tags[273] = (4, ends[:-1].tolist())
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    directory = struct.pack(order + "H", len(tags)) + rows + bytes(4)
    return io.BytesIO(head + directory + behind + b"".join(strips))


rgb = np.array([[10, 20, 30, 40], [50, 60, 70, 80], [90, 100, 110, 120]]) * 257
planes = [plane.astype("<u2").tobytes() for plane in rgb]
plain = np.asarray(Image.open(tiff([16] * 3, 2, planes, planar=2)))[0].T.tolist()
deflated = tiff([16] * 3, 2, [zlib.compress(p) for p in planes], planar=2, compression=8)
libtiff = np.asarray(Image.open(deflated))[0].T.tolist()
print("samples in the file, as 8 bits:", (rgb // 257).tolist())
print("read from the plain file:      ", plain)
print("read from the deflated file:   ", libtiff)
assert libtiff == (rgb // 257).tolist(), "the deflated file is read otherwise now"
assert plain != libtiff, "the plain file is read right now"

grey = np.array([0, 0x4000, 0x8000, 0xFFFF])
small = np.asarray(Image.open(tiff([8], 0, [bytes((grey >> 8).tolist())])))[0].tolist()
wide = np.asarray(Image.open(tiff([16], 0, [grey.astype("<u2").tobytes()])))[0].tolist()
print("0 is white, 8 bits:", small, " 16 bits, little-endian:", wide)
assert small == [255, 191, 127, 0] and wide == grey.tolist(), "polarity is treated otherwise now"
try:
    Image.open(tiff([16], 0, [grey.astype(">u2").tobytes()], ">"))
    raise SystemExit("the big-endian file can be opened now")
except UnidentifiedImageError as error:
    print("16 bits, big-endian:", type(error).__name__)
PYTHON
