#!/bin/sh
# JPEG XL: a larger distance can take more than twice the bytes.
#
# From a Butteraugli distance of 20 on, libjxl halves the resolution by default and codes the half
# at a smaller distance. A texture then takes more bytes at every distance from 20 to 25, the largest
# there is, than at 19.75. A search for a file size by bisection over the distance ends wrong.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==1.26.4 imagecodecs==2026.1.14
"$folder/venv/bin/python" - <<'PYTHON'
import imagecodecs
import numpy as np

print("imagecodecs", imagecodecs.__version__, "with", imagecodecs.jpegxl_version())
image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
sizes = {}
for distance in (25, 22, 20, 19.75, 15, 10):
    sizes[distance] = len(imagecodecs.jpegxl_encode(image, distance=distance, effort=7))
    print(f"96x96 pixels of noise at distance {distance}: {sizes[distance]} bytes")
assert min(sizes[25], sizes[22], sizes[20]) > 2 * sizes[19.75], "distances from 20 on are small now"
assert sizes[19.75] < sizes[15] < sizes[10], "sizes below 20 do not grow with the quality"
print("A distance of 20 to 25 takes more than twice the bytes of 19.75.")
PYTHON
