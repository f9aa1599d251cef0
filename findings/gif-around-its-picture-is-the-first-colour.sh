#!/bin/sh
# Pillow shows what is around the picture of a GIF file in the first colour of its palette.
#
# A GIF file's picture may be smaller than its screen. Without a transparent colour, the rest is the
# background colour that the file names (GIF89a, 18c), or transparent, as browsers show it. Pillow
# leaves it at index 0, whatever the background is; with a transparent colour it is transparent.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import struct

import PIL
from PIL import Image

print("Pillow", PIL.__version__)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def gif(control=b""):
    """One green pixel at (1, 0) on a screen of 3 x 1 whose background is blue, index 2."""
    palette = bytes(sum((RED, GREEN, BLUE, WHITE), ()))
    screen = struct.pack("<2HBBB", 3, 1, 0x81, 2, 0)
    picture = b"," + struct.pack("<4HB", 1, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00"
    return b"GIF89a" + screen + palette + control + picture + b";"


image = Image.open(io.BytesIO(gif()))
print("background stated by the file: index", image.info["background"])
seen = [image.convert("RGBA").getpixel((x, 0)) for x in range(3)]
print("without a transparent colour:", seen)
keyed = Image.open(io.BytesIO(gif(b"!\xf9\4\1\0\0\3\0"))).convert("RGBA")
print("with one:                    ", [keyed.getpixel((x, 0)) for x in range(3)])
assert seen == [(*RED, 255), (*GREEN, 255), (*RED, 255)], "it is shown otherwise now"
assert keyed.getpixel((0, 0))[3] == 0
PYTHON
