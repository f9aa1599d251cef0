#!/bin/sh
# Pillow takes the fourth byte of a TGA file's pixels for alpha where the file says it is none.
#
# The last byte of a TGA header says how many bits of a pixel are attributes. Of a file of 32 bits a
# pixel that says 0, the fourth byte means nothing, and many programs leave it 0. Pillow does not
# look at the number: the picture is of mode RGBA, and all of it is transparent.
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


def tga(attribute_bits):
    """One red pixel of 32 bits whose fourth byte is 0."""
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 1, 1, 32, attribute_bits)
    return head + bytes([0, 0, 255, 0])


for bits in (8, 0):
    image = Image.open(io.BytesIO(tga(bits)))
    print(f"attribute bits {bits}: mode {image.mode}, pixel {image.getpixel((0, 0))}")
    assert image.getpixel((0, 0)) == (255, 0, 0, 0), "it is read otherwise now"
PYTHON
