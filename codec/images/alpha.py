"""Alpha that means nothing: formats in which many programs leave its place filled with zeros."""

from typing import BinaryIO

from PIL import Image

_ATTRIBUTES_AT, _ATTRIBUTE_BITS = 17, 15  # of the header of a TGA file


def without_unset(image: Image.Image, file: BinaryIO | None) -> Image.Image:
    """The image without an alpha that is zero everywhere, if its format may have such a one.

    A BMP file has room for alpha in every pixel of 32 bits. A TGA file says how many bits of it are
    alpha; where it says none, Pillow takes them for alpha all the same.

    Args:
        image: loaded.
        file: of the image, if it is at hand.

    >>> without_unset(Image.new("RGBA", (1, 1)), None).mode
    'RGBA'
    """
    if image.format not in ("BMP", "TGA") or image.mode != "RGBA":
        return image
    if image.getchannel("A").getextrema() != (0, 0):
        return image
    if image.format == "TGA" and (file is None or _states_alpha(file)):
        return image
    return image.convert("RGB")


def _states_alpha(file: BinaryIO) -> bool:
    file.seek(_ATTRIBUTES_AT)
    return bool(file.read(1)[0] & _ATTRIBUTE_BITS)
