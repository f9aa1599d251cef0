#!/bin/sh
# AVIF and HEIC: of the 101 qualities 0 to 100, many give the same file, and some a smaller one.
#
# libavif maps the quality to AV1's 64 quantizers and x265 to its 52, so that the next quality often
# changes nothing. And a size need not grow with the quality: WebP's files of a small picture become
# smaller at one step in six. JPEG (libjpeg-turbo) has 100 files, each larger than the one before.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==1.26.4 pillow==13.0.0 pillow-heif==1.8.1
"$folder/venv/bin/python" - <<'PYTHON'
import io

import numpy as np
import PIL
import pillow_heif
from PIL import Image

print("Pillow", PIL.__version__, "and pillow-heif", pillow_heif.__version__)
pillow_heif.register_heif_opener()
y, x = np.mgrid[:64, :64].astype(float)
ramps = [128 + 80 * np.sin(x / 37) + y / 8, 60 + x / 2 + 40 * np.cos(y / 23), 200 - y * 2 / 3]
noise = np.random.default_rng(1).normal(0, 8, (64, 64, 3))
image = Image.fromarray((np.stack(ramps, 2) + noise).clip(0, 255).astype(np.uint8))
different, shrinking = {}, {}
for kind, options in (("JPEG", {}), ("WEBP", {}), ("AVIF", {"max_threads": 1}), ("HEIF", {})):
    files = []
    for quality in range(101):
        file = io.BytesIO()
        image.save(file, kind, quality=quality, **options)
        files.append(file.getvalue())
    different[kind] = len(set(files))
    shrinking[kind] = sum(len(b) < len(a) for a, b in zip(files, files[1:]))
    print(f"{kind}: {different[kind]} different files, {shrinking[kind]} steps to a smaller file")
assert different["AVIF"] == 64, "libavif has another number of qualities now"
assert 40 <= different["HEIF"] <= 52, "x265 has another number of qualities now"
assert different["JPEG"] == 100 and shrinking["JPEG"] == 0
assert shrinking["WEBP"] >= 5, "WebP's sizes grow with the quality now"
PYTHON
