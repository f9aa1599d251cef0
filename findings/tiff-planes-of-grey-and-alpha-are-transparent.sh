#!/bin/sh
# Pillow reads a compressed TIFF file of grey and alpha in separate planes as transparent everywhere.
#
# The planes come from libtiff one by one, and the second is put where an image of three channels has
# its second; grey with alpha has its alpha elsewhere, and keeps zeros there. The same planes of RGB
# with alpha are right. There is neither an error nor a warning, and the same file without compression
# ends in "unknown raw mode for given image mode".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct
import zlib

import PIL
from PIL import Image

print("Pillow", PIL.__version__)


def tiff(planes, photometric, compressed):
    """A TIFF file of 4 x 1 pixels; the last plane is the alpha."""
    strips = [zlib.compress(plane) if compressed else plane for plane in planes]
    count = len(planes)
    tags = {256: (3, [4]), 257: (3, [1]), 258: (3, [8] * count), 259: (3, [8 if compressed else 1])}
    tags |= {262: (3, [photometric]), 273: (4, [0] * count), 277: (3, [count]), 278: (3, [1])}
    tags |= {279: (4, [len(strip) for strip in strips]), 284: (3, [2]), 338: (3, [2])}
    for _ in range(2):  # the second time with the offsets of the strips
        rows, behind, start = b"", b"", 8 + 2 + 12 * len(tags) + 4
        for tag, (kind, values) in sorted(tags.items()):
            data = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
            place = data.ljust(4, b"\0")
            if len(data) > 4:
                place = struct.pack("<I", start + len(behind))
                behind += data
            rows += struct.pack("<HHI", tag, kind, len(values)) + place
        at = [start + len(behind) + sum(map(len, strips[:n])) for n in range(count)]
        tags[273] = (4, at)
    directory = struct.pack("<H", len(tags)) + rows + bytes(4)
    return io.BytesIO(b"II*\0" + struct.pack("<I", 8) + directory + behind + b"".join(strips))


grey, alpha = bytes([10, 20, 30, 40]), bytes([255, 200, 100, 50])
read = list(Image.open(tiff([grey, alpha], 1, True)).getchannel("A").tobytes())
coloured = list(Image.open(tiff([grey, grey, grey, alpha], 2, True)).getchannel("A").tobytes())
print("alpha in the file:     ", list(alpha))
print("read with three colours:", coloured)
print("read with grey:        ", read)
assert coloured == list(alpha), "alpha beside three colours is read otherwise now"
assert read == [0, 0, 0, 0], "alpha beside grey is read otherwise now"
try:
    Image.open(tiff([grey, alpha], 1, False)).load()
    raise SystemExit("the file without compression can be read now")
except ValueError as error:
    print("without compression:   ", error)
PYTHON
