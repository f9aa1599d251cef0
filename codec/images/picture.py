"""`Picture`: an image as the codec sees it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from codec.images.metadata import to_info
from codec.images.strips import Samples


@dataclass(frozen=True)
class Picture:
    """An upright image as the codec sees it.

    Attributes:
        bands: uint8 [rows, W, 3] each, top to bottom; the three channels are equal where `grey` is
            set.
        grey: the image has no colour, and decodes to mode L or LA.
        alpha: uint8 [H, W], or None for an opaque image.
        metadata: verbatim bytes under "icc", "exif" and "xmp", those that the image has.
    """

    bands: list[Samples]
    grey: bool = False
    alpha: Samples | None = None
    metadata: dict[str, bytes] = field(default_factory=dict)

    @property
    def rgb(self) -> Samples:
        """The bands together, uint8 [H, W, 3]."""
        return self.bands[0] if len(self.bands) == 1 else np.concatenate(self.bands)

    def to_image(self) -> Image.Image:
        """The picture as a Pillow image of mode L, LA, RGB or RGBA.

        Example:
            >>> Picture([np.zeros((2, 3, 3), np.uint8)], grey=True).to_image().mode
            'L'
        """
        rgb = self.rgb
        colour = rgb[:, :, 0] if self.grey else rgb
        image = Image.fromarray(np.ascontiguousarray(colour))
        if self.alpha is not None:
            image.putalpha(Image.fromarray(self.alpha))
        image.info.update(to_info(self.metadata))
        return image


def from_samples(bands: Iterable[Samples], metadata: dict[str, bytes]) -> Picture:
    """`bands`: uint8 [rows, W, C] each, C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA."""
    rgb, alpha, grey = [], [], False
    for band in bands:
        channels = band.shape[2]
        grey = channels < 3
        colour = np.repeat(band[:, :, :1], 3, axis=2) if grey else band[:, :, :3]
        rgb.append(np.ascontiguousarray(colour))
        if channels in (2, 4):
            alpha.append(np.ascontiguousarray(band[:, :, -1]))
    return Picture(rgb, grey, np.concatenate(alpha) if alpha else None, metadata)
