"""The colour space that a file declares without an ICC profile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from PIL import Image

from codec.images import colour, exif
from codec.images.colour import ColourSpace
from codec.images.metadata import Metadata
from codec.images.strips import Samples
from codec.images.unread import Unread

_TRANSFER_FUNCTION, _WHITE_POINT, _PRIMARIES, _BLACK_AND_WHITE = 301, 318, 319, 532  # of TIFF
_FULL_RANGE = (0, 255)


@dataclass(frozen=True)
class Declared:
    """What a file says of its colours besides ICC.

    Attributes:
        space: what the samples mean, if they are not sRGB and are going to be converted.
        ignored: what cannot be converted, in words.
    """

    space: ColourSpace | None = None
    ignored: str = ""

    @property
    def converts(self) -> bool:
        """Whether samples change."""
        return self.space is not None

    def to_srgb(self, strips: Iterable[Samples]) -> Iterator[Samples]:
        """Strips of samples, converted if there is something to convert."""
        return iter(strips) if self.space is None else colour.to_srgb(strips, self.space)


def declared(image: Image.Image, metadata: Metadata, beyond: Unread) -> Declared:
    """What a file that Pillow opened declares; an ICC profile counts more than all but HDR."""
    points = beyond.code_points
    space: ColourSpace | None = None
    ignored = ""
    if points is not None:
        space, ignored = colour.by_code_points(*points[:2])
        if points[2:] == (0,) and not ignored:
            ignored = "a narrow range of samples (cICP)"
    elif image.format == "PNG":
        gamma, primaries = image.info.get("gamma"), image.info.get("chromaticity")
        if "srgb" in image.info:
            space = ColourSpace()
        elif gamma or primaries:
            space = colour.by_gamma(gamma, primaries)
    elif image.format == "TIFF":
        space, ignored = _of_tiff(image)
    if metadata.icc:
        return Declared(None, ignored if ignored.startswith("HDR") else "")
    if space is None and not ignored and exif.is_adobe_rgb(metadata.exif):
        space = colour.ADOBE_RGB
    return Declared(None if space is None or space.is_srgb else space, ignored)


def _of_tiff(image: Image.Image) -> tuple[ColourSpace | None, str]:
    tags = getattr(image, "tag_v2", {})
    white, primaries = tags.get(_WHITE_POINT), tags.get(_PRIMARIES)
    if _TRANSFER_FUNCTION in tags:
        return None, "a transfer function (TIFF tag 301)"
    if image.mode == "YCbCr" and tuple(tags.get(_BLACK_AND_WHITE, _FULL_RANGE)[:2]) != _FULL_RANGE:
        return None, "a narrow range of samples (TIFF tag 532)"
    if image.mode not in ("RGB", "RGBA") or primaries is None or len(primaries) != 6:
        return None, ""
    chromaticities = [float(value) for value in (*(white or (0.3127, 0.3290)), *primaries)]
    return colour.by_gamma(None, chromaticities), ""
