"""Pictures to judge by eye: crops at 1:1 of the original, other codecs and our decoder.

    python -m benchmarks.figures.contact_sheet KODAK_FOLDER

docs/detail.jpg is at 0.1 bits a pixel; docs/limits.jpg shows what goes wrong at 0.05: faces, text
and a screenshot (drawn here, of no program in particular). Peers get the largest file within as
many bytes as ours, or their smallest; each caption has the bytes.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import codec
from codec.evaluation.peers import Peer, opened, pillow
from codec.runtime.model import CodecModel

CROP = (256, 192)
LABEL = 18
DETAIL = {  # image -> left, top of its crop
    "kodim05": (200, 130),
    "kodim08": (300, 180),
    "kodim13": (250, 300),
    "kodim20": (180, 180),
    "kodim22": (250, 150),
    "kodim24": (350, 150),
}
LIMITS = {
    "kodim04": (170, 250),
    "kodim15": (300, 90),
    "kodim20": (180, 200),
    "screenshot": (40, 30),
}


def cells(
    image: Image.Image, bpp: float, model: CodecModel, seeds: Sequence[int]
) -> list[tuple[str, Image.Image]]:
    """Captions and whole images of a row."""
    ours = codec.encode(image, target_bpp=bpp, model=model)
    row = [("original", image)]
    for name in ("AVIF", "WebP"):
        peer = Peer(name, "Pillow's defaults", pillow(name), opened, range(101))
        [(_, data, _)] = peer.within(image, [len(ours)])
        row.append((f"{name}, {len(data):,} bytes", peer.decode(data)))
    row.append((f"ours, {len(ours):,} bytes", codec.decode(ours, model=model, realism=0.0)))
    row += [
        (f"realism 1, seed {seed}", codec.decode(ours, model=model, seed=seed)) for seed in seeds
    ]
    return [(caption, picture.convert("RGB")) for caption, picture in row]


def sheet(rows: Sequence[tuple[Sequence[tuple[str, Image.Image]], tuple[int, int]]]) -> Image.Image:
    """The crops of all rows, with captions."""
    width, height = CROP
    columns = len(rows[0][0])
    page = Image.new("RGB", (columns * width, len(rows) * (height + LABEL)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for y, (row, (left, top)) in enumerate(rows):
        for x, (caption, picture) in enumerate(row):
            corner = (x * width, y * (height + LABEL))
            draw.text((corner[0] + 4, corner[1] + 2), caption, "black", font)
            crop = picture.crop((left, top, left + width, top + height))
            page.paste(crop, (corner[0], corner[1] + LABEL))
    return page


def screenshot() -> Image.Image:
    """A drawn window with a title bar, lines of text and a table."""
    page = Image.new("RGB", (768, 512), "#f4f4f6")
    draw = ImageDraw.Draw(page)
    draw.rectangle((20, 16, 747, 495), "white", "#b8b8c0")
    draw.rectangle((20, 16, 747, 44), "#3c5a8c")
    draw.text((34, 22), "Quarterly report - draft 3", "white", ImageFont.load_default(14))
    rng = np.random.default_rng(0)
    words = "rate distortion latent codebook noise sample image stage prior table seed".split()
    for line in range(12):
        text = " ".join(rng.choice(words, 9))
        draw.text((40, 60 + 19 * line), text, "#202020", ImageFont.load_default(13))
    for row in range(9):
        for column in range(6):
            box = (40 + 110 * column, 300 + 20 * row, 150 + 110 * column, 320 + 20 * row)
            draw.rectangle(box, "#e8eef8" if row == 0 else "white", "#c0c0c8")
            text = f"{rng.integers(10_000) / 100:.2f}"
            draw.text((box[0] + 8, box[1] + 3), text, "black", ImageFont.load_default(11))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-m", "--model", default="default")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    model = codec.load_model(arguments.model, "cpu")

    def open_image(name: str) -> Image.Image:
        if name == "screenshot":
            return screenshot()
        return Image.open(arguments.folder / f"{name}.png").convert("RGB")

    def make(crops: dict[str, tuple[int, int]], bpp: float, seeds: Sequence[int]) -> Image.Image:
        return sheet([(cells(open_image(n), bpp, model, seeds), at) for n, at in crops.items()])

    options: dict[str, Any] = {"quality": 90, "subsampling": 0, "optimize": True}
    make(DETAIL, 0.1, (1, 2, 3)).save(arguments.output / "detail.jpg", **options)
    make(LIMITS, 0.05, (1, 2)).save(arguments.output / "limits.jpg", **options)


if __name__ == "__main__":
    main()
