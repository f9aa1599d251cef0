"""How many bytes do alpha planes take, beside other lossless coders?

"before" is zlib over differences to the left (chunk `alph`), "now" the smaller of that and LZMA
over one of five filters (`Alpl`); WebP and JPEG XL are lossless at their most patient. The masks
are drawn here, 768 x 512 pixels each; the last two have noise, which no coder can leave out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.harness import Benchmark, Nothing, Run
from bitstream.alpha import alpha_chunk, pack_alpha
from codec.images.strips import Samples

SIZE = (768, 512)
EFFORT = 9  # of JPEG XL


@dataclass(frozen=True)
class Inputs:
    """Nothing: the masks are drawn here."""


def masks() -> dict[str, Samples]:
    """Soft masks by name, uint8 [512, 768]."""
    twice = shapes(2).resize(SIZE, Image.Resampling.BOX)
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    away = np.hypot(x - SIZE[0] / 2, y - SIZE[1] / 2)
    soft = np.asarray(shapes(1).filter(ImageFilter.GaussianBlur(8)), np.float64)
    noise = np.random.default_rng(0).normal(0, 3, soft.shape)
    drawn = {
        "smooth edges": twice,
        "feathered by 2": twice.filter(ImageFilter.GaussianBlur(2)),
        "feathered by 4": twice.filter(ImageFilter.GaussianBlur(4)),
        "feathered by 30": twice.filter(ImageFilter.GaussianBlur(30)),
        "letters": letters(),
        "letters, feathered by 2": letters().filter(ImageFilter.GaussianBlur(2)),
        "gradient": Image.linear_gradient("L").resize(SIZE),
        "circle of light": Image.radial_gradient("L").resize(SIZE),
        "fading out": Image.fromarray((255 * np.exp(-((away / 300) ** 2))).astype(np.uint8)),
        "noise on feathers": noisy(soft, noise * (soft % 255 > 0)),
        "noise everywhere": noisy(soft, noise),
    }
    return {name: np.asarray(image) for name, image in drawn.items()}


def shapes(scale: int) -> Image.Image:
    """An ellipse and a triangle."""
    image = Image.new("L", (SIZE[0] * scale, SIZE[1] * scale))
    draw = ImageDraw.Draw(image)
    draw.ellipse([scale * at for at in (150, 100, 600, 400)], fill=255)
    draw.polygon([scale * at for at in (20, 500, 300, 300, 350, 480)], fill=255)
    return image


def letters() -> Image.Image:
    """Twelve lines of text."""
    image = Image.new("L", SIZE)
    font = ImageFont.load_default(28)
    for line in range(12):
        text = "Soft masks of letters 0123456789 " * 2
        ImageDraw.Draw(image).text((10, 10 + 40 * line), text, fill=255, font=font)
    return image


def noisy(mask: np.ndarray[Any, Any], noise: np.ndarray[Any, Any]) -> Image.Image:
    """A mask with noise added, rounded and clipped."""
    return Image.fromarray(np.clip(np.rint(mask + noise), 0, 255).astype(np.uint8))


def by_webp(mask: Samples) -> int:
    """Bytes of a WebP file whose three colours are the mask."""
    file = BytesIO()
    image = Image.fromarray(mask).convert("RGB")
    image.save(file, "WEBP", lossless=True, quality=100, method=6)
    return len(file.getvalue())


def by_jpeg_xl(mask: Samples) -> int:
    """Bytes of a grey JPEG XL file."""
    import imagecodecs  # noqa: PLC0415  (an extra)

    return len(imagecodecs.jpegxl_encode(mask, lossless=True, effort=EFFORT))


CODERS: dict[str, Callable[[Samples], int]] = {
    "before": lambda mask: len(pack_alpha(mask)),
    "now": lambda mask: len(next(iter(alpha_chunk(mask).values()))),
    "webp": by_webp,
    "jxl": by_jpeg_xl,
}


def measure(run: Run, inputs: Inputs, settings: Nothing) -> dict[str, Any]:
    """Bytes of every mask by every coder, and the sums of the masks without noise."""
    sizes = {
        name: {coder: bytes_of(mask) for coder, bytes_of in CODERS.items()}
        for name, mask in masks().items()
    }
    smooth = [one for name, one in sizes.items() if not name.startswith("noise")]
    return {
        "bytes": sizes,
        "sum_without_noise": {coder: sum(one[coder] for one in smooth) for coder in CODERS},
    }


BENCHMARK = Benchmark(Inputs, Nothing, measure, result="masks.json")
