"""How a picture is turned upright, and what follows from it for its metadata."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

UPRIGHT = {  # by orientation; 1 is upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Upright:
    """A picture as it is coded.

    Attributes:
        width, height: in pixels, upright.
        orientation: 1..8, the one that was applied to the pixels (1: they were upright).
        became_srgb: the colours were converted to sRGB.
        in_memory: the pixels are no longer those of the file that the metadata describe.
    """

    width: int
    height: int
    orientation: int = 1
    became_srgb: bool = False
    in_memory: bool = False


def turned_point(values: Sequence[int], upright: Upright) -> list[int]:
    """A point (and a diameter, or a width and a height) where it is in the upright picture.

    Example:
        >>> turned_point([10, 0, 4, 2], Upright(height=30, width=20, orientation=6))
        [19, 10, 2, 4]
    """
    x, y, *extent = values
    right, bottom = upright.width - 1, upright.height - 1
    x, y = {
        2: (right - x, y),
        3: (right - x, bottom - y),
        4: (x, bottom - y),
        5: (y, x),
        6: (right - y, x),
        7: (right - y, bottom - x),
        8: (y, bottom - x),
    }.get(upright.orientation, (x, y))
    if upright.orientation >= 5:
        extent = extent[::-1]
    return [x, y, *extent]
