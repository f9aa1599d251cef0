#!/bin/sh
# Pillow reads a PNG file whose pixels end early as a whole picture, with black or transparent rows.
#
# Where the chunks are whole and the compressed pixels in them end well but too early, no error is
# raised: rows that were never there keep the zeros that memory was filled with. Of a file that is
# cut off in the middle of a chunk, the same library says "image file is truncated".
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


def png(rows, height):
    """A white PNG file, 4 pixels wide, that says it has a height and has some rows."""
    head = struct.pack(">IIBBBBB", 4, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\xff" * 12) * rows)
    file = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b"")):
        file += struct.pack(">I", len(data)) + kind + data
        file += struct.pack(">I", zlib.crc32(kind + data))
    return file


whole = Image.open(io.BytesIO(png(8, 8))).getchannel("R").tobytes()
short = Image.open(io.BytesIO(png(2, 8))).getchannel("R").tobytes()
print("first pixels of 8 rows:               ", list(whole[::4]))
print("of 2 rows in a file that says 8:      ", list(short[::4]))
assert list(short[::4]) == [255, 255, 0, 0, 0, 0, 0, 0], "missing rows are read otherwise now"
try:
    Image.open(io.BytesIO(png(8, 8)[:-24])).load()
    raise SystemExit("a file that is cut can be read now")
except OSError as error:
    print("of a file that is cut in the middle:  ", error)
PYTHON
