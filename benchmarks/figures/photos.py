"""Draws the pictures of docs/pictures/ that show photographs at 1:1: ours beside other codecs.

first.jpg and detail.jpg are at 0.1 bits per pixel. limits.jpg shows what goes wrong at 0.05: faces,
text and a screenshot (drawn here, of no program in particular). Other codecs get the largest file
within as many bytes as ours, or their smallest; each caption has the bytes. noise.jpg is a
photograph beside the standard deviation over seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import codec
from benchmarks import schema
from benchmarks.harness import Benchmark, Nothing, Run
from benchmarks.inputs import PACKAGED, Model, Photographs
from benchmarks.quality import noise
from codec.evaluation.peers import Peer, opened, pillow
from codec.runtime.model import CodecModel

PICTURES = schema.ROOT / "docs" / "pictures"
CROP = (256, 192)
LABEL = 18
FIRST = {"kodim22": (250, 150), "kodim13": (250, 300)}  # image -> left, top of its crop
DETAIL = {
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
SPREAD = "kodim21"  # the photograph of noise.jpg
WHITE = 16 / 255  # the standard deviation that is shown as white
AS_JPEG: dict[str, Any] = {"quality": 90, "subsampling": 0, "optimize": True}


@dataclass(frozen=True)
class Inputs:
    """What is shown.

    Attributes:
        photographs: folder of Kodak's images.
        model: name or folder of a model.
    """

    photographs: Photographs
    model: Model = PACKAGED


def cells(
    image: Image.Image, bpp: float, model: CodecModel, seeds: Sequence[int], peers: Sequence[str]
) -> list[tuple[str, Image.Image]]:
    """Captions and whole images of a row."""
    ours = codec.encode(image, target_bpp=bpp, model=model)
    row = [("original", image)]
    for name in peers:
        peer = Peer(name, "Pillow's defaults", pillow(name), opened, range(101))
        [(_, data, _)] = peer.within(image, [len(ours)])
        row.append((f"{name}, {len(data):,} bytes", peer.decode(data)))
    row.append(
        (f"bibcodec, realism 0, {len(ours):,} bytes", codec.decode(ours, model=model, realism=0.0))
    )
    for seed in seeds:
        caption = f"realism 1, seed {seed}" if len(seeds) > 1 else "the same file, realism 1"
        row.append((caption, codec.decode(ours, model=model, seed=seed)))
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


def spread_beside(image: Image.Image, spread: NDArray[np.float64]) -> Image.Image:
    """An image beside a map of the standard deviation (H, W) over seeds."""
    grey = np.rint(np.clip(spread / WHITE, 0, 1) * 255).astype(np.uint8)
    both = Image.new("RGB", (2 * image.width + 8, image.height), "white")
    both.paste(image, (0, 0))
    both.paste(Image.fromarray(grey).convert("RGB"), (image.width + 8, 0))
    return both


def measure(run: Run, inputs: Inputs, settings: Nothing) -> None:
    """Draw them."""
    model = inputs.model.load()
    names = [path.stem for path in inputs.photographs.paths]
    photographs = dict(zip(names, inputs.photographs.images(), strict=True))
    photographs["screenshot"] = screenshot()
    sheets: dict[str, tuple[dict[str, tuple[int, int]], float, tuple[int, ...], tuple[str, ...]]]
    sheets = {
        "first": (FIRST, 0.1, (1,), ("AVIF",)),
        "detail": (DETAIL, 0.1, (1, 2, 3), ("AVIF", "WebP")),
        "limits": (LIMITS, 0.05, (1, 2), ("AVIF", "WebP")),
    }
    for name, (crops, bpp, seeds, peers) in sheets.items():
        rows = [(cells(photographs[n], bpp, model, seeds, peers), at) for n, at in crops.items()]
        sheet(rows).save(PICTURES / f"{name}.jpg", **AS_JPEG)
        run.say(name)
    photograph = photographs[SPREAD]
    spread = noise.of_image(model, photograph, 0.1)[1]
    spread_beside(photograph, spread).save(PICTURES / "noise.jpg", quality=90)


BENCHMARK = Benchmark(Inputs, Nothing, measure, result=None)
