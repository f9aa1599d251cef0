"""`Picture`: an image as the codec sees it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from codec.images.strips import Samples


@dataclass(frozen=True)
class Picture:
    """An upright image as the codec sees it.

    Attributes:
        strips: uint8 [rows, W, 3] each, top to bottom; the three channels are equal where `grey` is
            set.
        grey: no pixel that can be seen has any colour.
        channels: 1 or 3, of the colours as they came and as they are going to be shown; 1 only if
            `grey` is set.
        alpha: uint8 [H, W], or None for an opaque image.
        metadata: verbatim bytes under "icc", "exif" and "xmp", those that the image has.
    """

    strips: list[Samples]
    grey: bool = False
    channels: int = 3
    alpha: Samples | None = None
    metadata: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of_samples(cls, strips: Iterable[Samples], metadata: dict[str, bytes]) -> Self:
        """The picture of samples; whether it is grey is read from them.

        Args:
            strips: uint8 [rows, W, C] each, C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA.
            metadata: see the class.
        """
        rgb, alpha, grey, channels = [], [], True, 3
        for strip in strips:
            channels = 1 if strip.shape[2] < 3 else 3
            colour = np.repeat(strip[:, :, :1], 3, axis=2) if channels == 1 else strip[:, :, :3]
            rgb.append(np.ascontiguousarray(colour))
            if strip.shape[2] in (2, 4):
                alpha.append(np.ascontiguousarray(strip[:, :, -1]))
            grey = grey and is_grey(rgb[-1] if len(alpha) < len(rgb) else rgb[-1][alpha[-1] > 0])
        if grey and not all(map(is_grey, rgb)):  # colours where alpha is 0
            grey = any(map(np.any, alpha))
            for strip, mask in zip(rgb, alpha, strict=True) if grey else ():
                strip[mask == 0] = strip[mask == 0][:, 1:2]
        return cls(rgb, grey, channels, np.concatenate(alpha) if alpha else None, metadata)

    @property
    def rgb(self) -> Samples:
        """The strips together, uint8 [H, W, 3]."""
        return self.strips[0] if len(self.strips) == 1 else np.concatenate(self.strips)


def is_grey(rgb: Samples) -> bool:
    """Whether the three channels of samples [..., 3] are equal everywhere.

    Example:
        >>> is_grey(np.array([[7, 7, 7]], np.uint8)), is_grey(np.array([[7, 7, 8]], np.uint8))
        (True, False)
    """
    red = rgb[..., 0]
    return bool(np.array_equal(red, rgb[..., 1]) and np.array_equal(red, rgb[..., 2]))
