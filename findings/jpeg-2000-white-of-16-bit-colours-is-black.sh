#!/bin/sh
# Pillow reads white as black in JPEG 2000 files whose colours have more than 8 bits.
#
# Samples are made 8-bit ones by adding half a step and shifting to the right. The largest (from
# 0xFF80 on, of 16 bits) round to 256, and the low byte of that is kept: 0. There is neither an error
# nor a warning. An alpha channel that is opaque everywhere becomes transparent in the same way. Grey
# files of one channel are right, as they are opened as 16-bit images.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io

import PIL
from PIL import Image, features

print("Pillow", PIL.__version__, "OpenJPEG", features.version("jpg_2000"))

# Two pixels, 65535 65535 65535 and 30000 20000 10000: written by OpenJPEG, reversible.
FILE = bytes.fromhex(
    "ff4fff51002f0000000000020000000100000000000000000000000200000001000000000000000000030f01010f0101"
    "0f0101ff52000c00000001010004040001ff5c00044080ff90000a0000000000250001ff93cffc301002bb350dc7fe0c"
    "060c4fa6c7fe0c080b96157fffd9"
)
image = Image.open(io.BytesIO(FILE))
white, brown = image.getpixel((0, 0)), image.getpixel((1, 0))
print("samples in the file, as 8 bits: (255, 255, 255) (117, 78, 39)")
print("read by Pillow:                ", white, brown)
assert brown == (117, 78, 39), "brown is read otherwise now"
assert white == (0, 0, 0), "white is read right now"
PYTHON
