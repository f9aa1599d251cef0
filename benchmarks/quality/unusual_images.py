"""Images that are no photographs, made from a seed: noise, text, screenshots, cartoons and more.

Nothing here is redistributed: fonts are matplotlib's, the elevation model and the head scan are
matplotlib's sample data, everything else is drawn.
"""

import gzip
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZES = ((480, 320), (320, 480), (512, 352), (448, 448))  # as the photographs of the model
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Italic")
WORDS = (
    "the image is coded from coarse to fine and every stage adds a vector to the latent of its "
    "cell so that a file that is cut short is a coarser image while the context decides which "
    "table of frequencies prices the next symbol in whole numbers and never in floating point "
    "Total 1,024 2019 Figure Settings File Edit View Help Cancel OK Save Open Search Inbox"
).split()
DATA = Path(matplotlib.get_data_path())
Rng = np.random.Generator
Pixels = NDArray[np.uint8]


@lru_cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(DATA / "fonts" / "ttf" / f"{name}.ttf", size)


def size_of(rng: Rng) -> tuple[int, int]:
    return SIZES[rng.integers(len(SIZES))]


def colour(rng: Rng, low: int = 0, high: int = 256) -> tuple[int, int, int]:
    r, g, b = rng.integers(low, high, 3).tolist()
    return r, g, b


def sentence(rng: Rng, words: int) -> str:
    return " ".join(rng.choice(WORDS, words))


def noise(rng: Rng) -> Image.Image:
    """White, grey or coloured noise; Gaussian, uniform or salt and pepper; of pixels or blocks."""
    width, height = size_of(rng)
    block = int(rng.choice([1, 1, 2, 3]))
    shape = (-(-height // block), -(-width // block), 1 if rng.random() < 0.4 else 3)
    kind = rng.integers(3)
    x: NDArray[np.floating[Any]]
    if kind == 0:
        x = rng.normal(rng.uniform(80, 176), rng.uniform(15, 80), shape)
    elif kind == 1:
        x = rng.uniform(0, 256, shape)
    else:
        x = 255.0 * (rng.random(shape) < rng.uniform(0.2, 0.8))
    x = x.repeat(block, 0).repeat(block, 1)[:height, :width] + np.zeros(3)
    return Image.fromarray(np.clip(x, 0, 255).astype(np.uint8))


def text(rng: Rng) -> Image.Image:
    """A page: paragraphs of one font, dark on light or light on dark."""
    width, height = size_of(rng)
    light, dark = colour(rng, 220), colour(rng, 0, 70)
    back, ink = (light, dark) if rng.random() < 0.8 else (dark, light)
    page = Image.new("RGB", (width, height), back)
    draw = ImageDraw.Draw(page)
    size = int(rng.integers(9, 25))
    face = font(str(rng.choice(FONTS)), size)
    margin, y = int(rng.integers(8, 40)), int(rng.integers(8, 40))
    while y < height - size:
        line = sentence(rng, 40)
        while line and draw.textlength(line, face) > width - 2 * margin:
            line = line.rpartition(" ")[0]
        if rng.random() < 0.12:
            line = line[: len(line) // 3]
        draw.text((margin, y), line, ink, face)
        y += int(size * (2.2 if rng.random() < 0.08 else 1.3))
    return page


def screenshot(rng: Rng) -> Image.Image:
    """A desktop: windows with title, menu, side bar, list, buttons, text, and a chart."""
    width, height = size_of(rng)
    screen = Image.new("RGB", (width, height), colour(rng))
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, height - 22, width, height), colour(rng, 20, 80))
    for left in range(6, width // 2, 28):
        draw.rounded_rectangle((left, height - 19, left + 16, height - 3), 4, colour(rng))
    for _ in range(int(rng.integers(1, 4))):
        window(rng, draw, width, height)
    return screen


def window(rng: Rng, draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
    light = rng.random() < 0.7
    back, ink = ((250, 250, 250), (30, 30, 30)) if light else ((36, 38, 42), (220, 220, 220))
    w, h = int(rng.integers(width // 2, width)), int(rng.integers(height // 2, height - 20))
    x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - 20 - h))
    face = font("DejaVuSans", int(rng.integers(9, 13)))
    draw.rectangle((x, y, x + w, y + h), back, (120, 120, 120))
    draw.rectangle((x, y, x + w, y + 18), colour(rng, 60, 200))
    draw.text((x + 6, y + 3), sentence(rng, 3), (255, 255, 255), face)
    for k, tint in enumerate(((237, 106, 94), (245, 191, 79), (98, 197, 84))):
        draw.ellipse((x + w - 16 * (k + 1), y + 4, x + w - 16 * (k + 1) + 10, y + 14), tint)
    draw.text((x + 6, y + 22), "File   Edit   View   Tools   Help", ink, face)
    side = x + w // 4
    bar_colour = (236, 236, 236) if light else (50, 52, 56)
    draw.rectangle((x + 1, y + 38, side, y + h - 1), bar_colour)
    row = y + 42
    while row < y + h - 16:
        draw.rectangle((x + 6, row + 1, x + 16, row + 11), colour(rng))
        draw.text((x + 20, row), sentence(rng, 1), ink, face)
        row += 17
    row = y + 44
    while row < y + h - 60:
        line = sentence(rng, 12)
        while line and draw.textlength(line, face) > x + w - side - 16:
            line = line.rpartition(" ")[0]
        draw.text((side + 8, row), line, ink, face)
        row += 15
    for k in range(8):
        left, foot, bar = side + 10 + 14 * k, y + h - 8, int(rng.integers(4, 44))
        draw.rectangle((left, foot - bar, left + 10, foot), colour(rng))
    draw.rounded_rectangle((x + w - 66, y + h - 26, x + w - 8, y + h - 8), 5, (40, 110, 220))
    draw.text((x + w - 50, y + h - 24), "OK", (255, 255, 255), face)


def cartoon(rng: Rng) -> Image.Image:
    """Flat shapes with dark outlines on a plain or striped ground, drawn large and reduced."""
    width, height = size_of(rng)
    scene = Image.new("RGB", (2 * width, 2 * height), colour(rng, 120))
    draw = ImageDraw.Draw(scene)
    horizon = int(rng.integers(height // 2, 2 * height))
    draw.rectangle((0, horizon, 2 * width, 2 * height), colour(rng, 60, 220))
    for _ in range(int(rng.integers(8, 40))):
        x, y = float(rng.integers(0, 2 * width)), float(rng.integers(0, 2 * height))
        r = int(rng.integers(12, 160))
        fill, line, edge = colour(rng, 30), (20, 20, 30), int(rng.integers(2, 9))
        shape = rng.integers(3)
        if shape == 0:
            draw.ellipse((x - r, y - r, x + r, y + r * 0.8), fill, line, edge)
        elif shape == 1:
            draw.rounded_rectangle((x - r, y - r / 2, x + r, y + r), r / 4, fill, line, edge)
        else:
            angles = sorted(rng.uniform(0, 6.3, 5))
            corners = [(float(x + r * np.cos(a)), float(y + r * np.sin(a))) for a in angles]
            draw.polygon(corners, fill, line, edge)
    return scene.resize((width, height), Image.Resampling.LANCZOS)


@lru_cache
def head() -> NDArray[np.float64]:
    """Matplotlib's sample scan of a head, 256x256, 0..1."""
    raw = gzip.decompress((DATA / "sample_data" / "s1045.ima.gz").read_bytes())
    scan = np.frombuffer(raw, np.uint16).reshape(256, 256)
    return np.divide(scan, scan.max(), dtype=np.float64)


def medical(rng: Rng) -> Image.Image:
    """A head scan, turned and windowed, or ellipses inside each other; grey, with Rician noise."""
    width, height = size_of(rng)
    if rng.random() < 0.5:
        side = int(rng.integers(240, 420))
        x = Image.fromarray((255 * head()).astype(np.uint8))
        x = x.resize((side, side), Image.Resampling.BICUBIC)
        x = x.rotate(float(rng.uniform(-180, 180)), Image.Resampling.BICUBIC)
    else:
        side = int(rng.integers(240, 420))
        x = Image.new("L", (side, side))
        draw = ImageDraw.Draw(x)
        draw.ellipse((0.1 * side, 0.03 * side, 0.9 * side, 0.97 * side), 230)
        draw.ellipse((0.14 * side, 0.07 * side, 0.86 * side, 0.93 * side), 70)
        for _ in range(int(rng.integers(4, 14))):
            a, b = rng.uniform(0.25, 0.75, 2) * side
            r, s = rng.uniform(0.02, 0.16, 2) * side
            draw.ellipse((a - r, b - s, a + r, b + s), int(rng.integers(30, 200)))
        x = x.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2)))
    plane = np.zeros((height, width))
    y, z = (height - side) // 2, (width - side) // 2
    inside = np.asarray(x, float)[max(0, -y) : max(0, -y) + height, max(0, -z) : max(0, -z) + width]
    plane[max(0, y) : max(0, y) + len(inside), max(0, z) : max(0, z) + inside.shape[1]] = inside
    sigma = rng.uniform(2, 12)
    real, imaginary = rng.normal(0, sigma, (2, height, width))
    plane = np.hypot(plane * rng.uniform(0.6, 1.1) + real, imaginary)
    return Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8)).convert("RGB")


@lru_cache
def elevation() -> NDArray[np.float64]:
    """Matplotlib's sample elevation model, in metres."""
    with np.load(DATA / "sample_data" / "jacksboro_fault_dem.npz") as dem:
        return np.asarray(dem["elevation"], np.float64)


def fractal(rng: Rng, height: int, width: int, slope: float) -> NDArray[np.float64]:
    """Noise of a power spectrum 1/f^slope, of unit variance."""
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    f[0, 0] = 1
    spectrum = np.fft.rfft2(rng.normal(size=(height, width))) * f ** (-slope / 2)
    x = np.fft.irfft2(spectrum, (height, width))
    return (x - x.mean()) / x.std()


def satellite(rng: Rng) -> Image.Image:
    """Seen from above: fields, roads and water, or shaded relief of a real elevation model."""
    width, height = size_of(rng)
    if rng.random() < 0.5:
        dem = elevation()
        y, x = (int(rng.integers(0, max(1, side - 160))) for side in dem.shape)
        part = Image.fromarray(dem[y : y + 160, x : x + 160].astype(np.float32))
        relief = np.asarray(part.resize((width, height), Image.Resampling.BICUBIC), float)
        ground = relief + 0.02 * relief.std() * fractal(rng, height, width, 1.5)
        tint = rng.uniform((40, 70, 30), (150, 150, 110))
    else:
        ground = 3 * fractal(rng, height, width, 2.2)
        cells = rng.uniform(0, 1, (int(rng.integers(20, 70)), 2)) * (height, width)
        grid = np.moveaxis(np.mgrid[:height, :width], 0, 2)
        owner = np.abs(grid[:, :, None] - cells).max(3).argmin(2)
        tint = rng.uniform((60, 80, 30), (180, 160, 120), (len(cells), 3))[owner]
    slope_y, slope_x = np.gradient(ground)
    shade = 1 + 0.5 * np.tanh((slope_x - slope_y) / (np.std(slope_x) * 3))
    picture = np.clip(tint * shade[..., None], 0, 255) + rng.normal(0, 4, (height, width, 3))
    picture[ground < np.quantile(ground, rng.uniform(0, 0.2))] = (30, 60, 80)
    result = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(result)
    for _ in range(int(rng.integers(1, 5))):
        ends = [(float(rng.uniform(0, width)), float(rng.uniform(0, height))) for _ in range(3)]
        draw.line(ends, (190, 185, 175), int(rng.integers(1, 4)))
    return result


KINDS: dict[str, Callable[[Rng], Image.Image]] = {
    "noise": noise,
    "text": text,
    "screenshot": screenshot,
    "cartoon": cartoon,
    "medical": medical,
    "satellite": satellite,
}


def images(kind: str, count: int) -> list[Pixels]:
    """So many images of a kind, (H, W, 3) uint8; number k depends on (kind, k) only."""
    number = list(KINDS).index(kind)
    return [np.asarray(KINDS[kind](np.random.default_rng((number, k)))) for k in range(count)]
