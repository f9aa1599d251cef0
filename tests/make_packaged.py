"""Write files of the packaged model, and what they decode to; again whenever its weights change.

python tests/make_packaged.py
"""

import json
from pathlib import Path

import numpy as np
from golden import DATA, PACKAGED, means
from PIL import Image

import codec
from codec.models.loading import load_model

ROOT = Path(__file__).parent.parent
REALISMS = (0, 1)


def cases(photo):
    """Name -> (image, options of encode)."""
    alpha = photo.copy()
    alpha.putalpha(Image.fromarray(np.indices((192, 256)).sum(axis=0).astype(np.uint8)))
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "golden", 6
    alpha.info |= {"exif": exif.tobytes(), "xmp": b"<x/>", "icc_profile": bytes(range(256))}
    return {
        "rgb_q5": (photo, {"quality": 5}),
        "rgb_q50": (photo, {"quality": 50}),
        "rgb_q100": (photo, {"quality": 100}),
        "grey_q30": (photo.convert("L"), {"quality": 30}),
        "rgba_metadata_q40": (alpha, {"quality": 40}),
        "seed_q60": (photo, {"quality": 60, "seed": 2**64 - 1}),
        "odd_q70": (photo.crop((0, 0, 77, 31)), {"quality": 70}),
        "one_pixel_q50": (photo.crop((9, 9, 10, 10)), {"quality": 50}),
    }


def main():
    model = load_model("default", "cpu")
    with Image.open(ROOT / "examples" / "kodim23.png") as image:
        photo = image.convert("RGB").crop((256, 160, 512, 352))
    index = {}
    for name, (image, options) in cases(photo).items():
        data = codec.encode(image, model=model, **options)
        (DATA / f"packaged_{name}.bibc").write_bytes(data)
        decoded = {r: codec.decode(data, model=model, realism=r) for r in REALISMS}
        index[f"packaged_{name}.bibc"] = {
            "mode": decoded[0].mode,
            "size": decoded[0].size,
            "means": {str(realism): means(image) for realism, image in decoded.items()},
        }
    PACKAGED.write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
