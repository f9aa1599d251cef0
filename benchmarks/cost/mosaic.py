"""Large photographs, and many: mosaics of given ones, no two tiles of which are equal."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

TILE = (768, 512)  # width and height


def varied(path: Path, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A photograph cropped to a size, perhaps mirrored or upside down, darker or lighter."""
    with Image.open(path) as image:
        photo = ImageOps.fit(image.convert("RGB"), size)
    if rng.integers(2):
        photo = ImageOps.mirror(photo)
    if rng.integers(2):
        photo = ImageOps.flip(photo)
    return ImageEnhance.Brightness(photo).enhance(rng.uniform(0.7, 1.2))


def mosaic(paths: Sequence[Path], megapixels: int) -> Image.Image:
    """A photograph of so many megapixels, 3:2."""
    width = round((megapixels * 1e6 * 1.5) ** 0.5)
    height = round(megapixels * 1e6 / width)
    rng = np.random.default_rng(megapixels)
    photo = Image.new("RGB", (width, height))
    for top in range(0, height, TILE[1]):
        for left in range(0, width, TILE[0]):
            photo.paste(varied(paths[int(rng.integers(len(paths)))], TILE, rng), (left, top))
    return photo
