#!/bin/sh
# Pillow loses the transparent colour of a PNG of 2- or 4-bit grey, and of 16-bit grey.
#
# A tRNS chunk names the transparent grey at the depth of the file. Pillow spreads 2- and 4-bit
# samples to 0..255 but keeps the number of the chunk, so another grey becomes transparent, or none.
# Of 16-bit grey it keeps the number too, and conversion to RGBA or LA makes nothing transparent.
# 1- and 8-bit grey are right.
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


def png(depth, row, key):
    """A PNG file of one row of grey whose transparent grey is `key`."""
    width = len(row) * 8 // depth
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, 0, 0, 0, 0)),
        (b"tRNS", struct.pack(">H", key)),
        (b"IDAT", zlib.compress(b"\0" + row)),
        (b"IEND", b""),
    ]
    file = b"\x89PNG\r\n\x1a\n"
    for kind, data in parts:
        check = struct.pack(">I", zlib.crc32(kind + data))
        file += struct.pack(">I", len(data)) + kind + data + check
    return io.BytesIO(file)


expected = {1: [0, 255], 2: [0, 255], 4: [0, 255], 8: [0, 255], 16: [0, 255]}
rows = {1: (b"\x40", 0), 2: (b"\x60", 1), 4: (b"\x5f", 5), 8: (b"\x05\xff", 5)}
rows[16] = (b"\x05\x01\xff\xff", 0x501)
found = {}
for depth, (row, key) in rows.items():
    image = Image.open(png(depth, row, key))
    alpha = list(image.convert("RGBA").getchannel("A").tobytes())[:2]
    found[depth] = alpha
    print(f"{depth:2} bits: key {key}, Pillow says {image.info['transparency']}, alpha {alpha}")
assert [d for d in found if found[d] == expected[d]] == [1, 8], "other depths are right now"
print("Right are 1 and 8 bits only; the first pixel is the transparent one in every file.")
PYTHON
