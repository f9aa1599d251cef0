"""Write the golden files of format 1 with the default model; never again once they are committed.

python tests/make_golden.py
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from golden import DATA, INDEX, PRIOR, hash_of, means
from PIL import Image

import codec
from bitstream import container, stream
from codec.loading import load_model

ROOT = Path(__file__).parent.parent


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
    if INDEX.exists():
        sys.exit(f"{INDEX} exists: golden files are not made twice")
    model = load_model("default", "cpu")
    with Image.open(ROOT / "examples" / "kodim23.png") as image:
        photo = image.convert("RGB").crop((256, 160, 512, 352))
    index = {}
    DATA.mkdir(exist_ok=True)
    for name, (image, options) in cases(photo).items():
        data = codec.encode(image, model=model, **options)
        file = container.parse(data)
        indices = stream.decode_indices(file.payload, model.prior, file.header)
        out = codec.decode(data, model=model)
        (DATA / f"v1_{name}.bibc").write_bytes(data)
        index[f"v1_{name}.bibc"] = {
            "indices_sha256": hash_of(indices),
            "mode": out.mode,
            "size": out.size,
            "means": means(out),
        }
    shutil.copyfile(Path(codec.__file__).parent / "models/default/prior.safetensors", PRIOR)
    INDEX.write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
