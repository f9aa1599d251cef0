"""What samples of another depth than 8 bits mean."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codec.images.strips import Samples


@dataclass(frozen=True)
class Scale:
    """The scale of an image's samples, as its file states it.

    Attributes:
        largest: the sample that is white (or black, if `inverted`), of samples with more than 8
            bits.
        inverted: 0 is white.
        key_factor, key_shift: make a colour that means transparent, which the file gives at its own
            depth, one of 8 bits.
    """

    largest: int = 65535
    inverted: bool = False
    key_factor: int = 1
    key_shift: int = 0

    def to_8_bits(self, values: NDArray[Any]) -> Samples:
        """0..largest -> 0..255, to the nearest.

        >>> Scale(4095).to_8_bits(np.array([0, 2048, 4095])).tolist()
        [0, 128, 255]
        """
        wide: NDArray[Any] = values.astype(np.uint32)
        samples: Samples = ((wide * 255 + self.largest // 2) // self.largest).astype(np.uint8)
        return np.invert(samples) if self.inverted else samples

    def key_of_8_bits(self, key: int | tuple[int, ...]) -> int | tuple[int, ...]:
        """A colour that means transparent, among 8-bit samples."""
        if isinstance(key, tuple):
            return tuple(value * self.key_factor >> self.key_shift for value in key)
        return key * self.key_factor >> self.key_shift


SCALE_16 = Scale()
