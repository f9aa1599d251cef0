"""Pixels of any kind -> 8-bit samples: grey, RGB, with or without alpha."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from codec.errors import UnsupportedImageError
from codec.images.strips import Samples

BAND = 256  # rows converted at once


def image_samples(image: Image.Image, name: str) -> Iterator[Samples]:
    """Bands uint8 [rows, W, C] of an image of any mode that has a faithful 8-bit form."""
    mode = image.mode
    if mode == "I" or mode.startswith("I;16"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise UnsupportedImageError(
                f"{name}: 32-bit samples from {values.min()} to {values.max()}: expected 0..65535"
            )
        yield to_8_bits(values)[:, :, None]
        return
    if mode == "P":
        target = "RGBA" if "transparency" in image.info else "RGB"
    elif "transparency" in image.info and mode in ("L", "RGB"):  # a colour that means transparent
        target = mode[:-1] + "LA" if mode == "L" else "RGBA"
    else:
        target = _TARGET.get(mode, "")
    if not target:
        raise UnsupportedImageError(
            f"{name}: images of mode {mode} are not supported: convert to 8-bit RGB first"
        )
    for top in range(0, image.height, BAND):  # at once, Pillow would hold three copies
        band = image.crop((0, top, image.width, min(top + BAND, image.height))).convert(target)
        yield np.asarray(band).reshape(band.height, band.width, -1)


_TARGET = {
    "1": "L",
    "L": "L",
    "LA": "LA",
    "La": "LA",
    "PA": "RGBA",
    "RGB": "RGB",
    "RGBA": "RGBA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
}


def to_8_bits(values: NDArray[Any]) -> Samples:
    """0..65535 -> 0..255, to the nearest."""
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def cmyk_to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A CMYK image as sRGB: by its ICC profile, or without one as Pillow does it."""
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            return cast(Image.Image, converted)
        except ImageCms.PyCMSError:  # a broken profile says nothing about the colours
            pass
    return image.convert("RGB")
