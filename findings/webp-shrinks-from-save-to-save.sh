#!/bin/sh
# WebP: a photograph that is opened and saved again at the same quality gets smaller every time.
#
# A JPEG saved again at its own quality has the size of the first save at once: its quantized
# coefficients come back. A lossy WebP never settles: at quality 10 the file loses a third of its
# bytes and the picture 4 dB in ten saves. Nothing but the number of saves differs.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==1.26.4 pillow==13.0.0
"$folder/venv/bin/pip" download -q --disable-pip-version-check --no-deps -d "$folder" scikit-image==0.26.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, features

print("Pillow", PIL.__version__, "with libwebp", features.version("webp"))
[wheel] = Path(sys.argv[1]).glob("scikit_image*.whl")
photo = zipfile.ZipFile(wheel).read("skimage/data/coffee.png")
original = Image.open(io.BytesIO(photo)).convert("RGB")


def saves(kind, quality, count=10):
    """Bytes and PSNR after every save."""
    image, sizes, psnr = original, [], []
    for _ in range(count):
        file = io.BytesIO()
        image.save(file, kind, quality=quality)
        image = Image.open(file).convert("RGB")
        error = np.square(np.asarray(image, float) - np.asarray(original, float)).mean()
        sizes.append(len(file.getvalue()))
        psnr.append(10 * np.log10(255**2 / error))
    print(f"{kind} at {quality}: {sizes} bytes, {psnr[0]:.2f} to {psnr[-1]:.2f} dB")
    return sizes, psnr


sizes, psnr = saves("JPEG", 10)
assert max(sizes) - min(sizes) < 0.01 * sizes[0] and psnr[0] - psnr[-1] < 0.2
sizes, psnr = saves("WEBP", 10)
assert all(after < before for before, after in zip(sizes, sizes[1:])), "a save did not shrink it"
assert sizes[-1] < 0.8 * sizes[0] and psnr[0] - psnr[-1] > 3, "WebP shrinks less now"
print("WebP gets smaller and worse with every save; JPEG stays as it is.")
PYTHON
