"""Pixels of any kind -> 8-bit samples: grey, RGB, with or without alpha."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from codec.errors import UnsupportedImageError
from codec.images.scale import SCALE_16, Scale
from codec.images.strips import Samples

STRIP_ROWS = 256  # rows converted at once


def image_samples(image: Image.Image, name: str, scale: Scale = SCALE_16) -> Iterator[Samples]:
    """Strips uint8 [rows, W, C] of an image of any mode that has a faithful 8-bit form.

    Args:
        image: of any mode; C is 1 for grey, 2 for grey + alpha, 3 for RGB, 4 for RGBA.
        name: of the image, for errors.
        scale: what samples of more than 8 bits mean.

    Raises:
        UnsupportedImageError: there is no such form, or a sample is beyond the scale.
    """
    mode, key = image.mode, colour_key(image)
    if mode == "I" or mode.startswith("I;16"):
        yield from _wide_samples(image, name, scale)
        return
    if mode == "1" and key is not None:
        image, mode = image.convert("L"), "L"
    if mode == "P" and image.palette is None:
        raise UnsupportedImageError(f"{name}: damaged image: its palette is missing")
    if mode == "P":
        target = "RGBA" if key is not None or _palette_has_alpha(image) else "RGB"
    elif mode in ("L", "RGB") and key is not None:  # a colour that means transparent
        target = mode
    else:
        target = _TARGET.get(mode, "")
    if not target:
        raise UnsupportedImageError(
            f"{name}: images of mode {mode} are not supported: convert to 8-bit RGB first"
        )
    for top in range(0, image.height, STRIP_ROWS):  # at once, Pillow would hold three copies
        strip = image.crop((0, top, image.width, min(top + STRIP_ROWS, image.height)))
        if mode in ("L", "RGB") and key is not None:
            strip.info.pop("transparency", None)
            samples = np.asarray(strip).reshape(strip.height, strip.width, -1)
            yield with_key(samples, samples, scale.key_of_8_bits(key))
        else:
            if key is None:
                strip.info.pop("transparency", None)
            yield np.asarray(strip.convert(target)).reshape(strip.height, strip.width, -1)


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


def _wide_samples(image: Image.Image, name: str, scale: Scale) -> Iterator[Samples]:
    values = np.asarray(image)
    least, most = values.min(), values.max()
    if least < 0 or most > scale.largest:
        raise UnsupportedImageError(
            f"{name}: {'32' if image.mode == 'I' else '16'}-bit samples from {least} to {most}: "
            f"expected 0..{scale.largest}"
        )
    samples = scale.to_8_bits(values)[:, :, None]
    key = colour_key(image)
    yield samples if key is None else with_key(samples, values[:, :, None], key)


def _palette_has_alpha(image: Image.Image) -> bool:
    """Whether a palette has alpha of its own, and it is seen."""
    if image.palette is None or image.palette.mode != "RGBA":
        return False
    alpha = (image.getpalette("RGBA") or [])[3::4]
    return any(a < 255 and count for a, count in zip(alpha, image.histogram(), strict=False))


def colour_key(image: Image.Image) -> Any:
    """What the pixels of an image that are transparent have, or None: of its mode's kind only.

    Example:
        >>> image = Image.new("RGB", (2, 2))
        >>> image.info["transparency"] = b"left by a palette"
        >>> colour_key(image) is None
        True
    """
    key = image.info.get("transparency")
    if image.mode == "P":  # an index, or the alpha of each
        return key if isinstance(key, int | bytes) else None
    if isinstance(key, tuple):
        return key if image.mode == "RGB" and len(key) == 3 else None
    return key if isinstance(key, int) and image.mode != "RGB" else None


def with_key(samples: Samples, values: NDArray[Any], key: int | tuple[int, ...]) -> Samples:
    """Samples [H, W, C] with an alpha channel more: 0 where the values are the key, else 255."""
    opaque = (values != np.asarray(key)).any(axis=2, keepdims=True)
    return np.concatenate([samples, opaque * np.uint8(255)], axis=2)


def cmyk_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
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
