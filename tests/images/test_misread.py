"""What Pillow reads without an error, and not as the file means it: GIF, TGA, BMP, PNG."""

import struct

import numpy as np
import pytest
from picture_samples import png

from codec.errors import UnsupportedImageError
from codec.images.load import load


def gif(screen, size, place, indices, key=None):
    """A GIF file of a picture of four colours that lies somewhere on its screen."""
    palette = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255])
    bits = "".join(f"{code:03b}"[::-1] for index in indices for code in (4, index)) + "101"
    data = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    control = b"" if key is None else b"!\xf9\4\1\0\0" + bytes([key, 0])
    return (
        b"GIF89a" + struct.pack("<2HBBB", *screen, 0x81, 2, 0) + palette + control
        + b"," + struct.pack("<4HB", *place, *size, 0) + bytes([2, len(data)]) + data + b"\0;"
    )  # fmt: skip


@pytest.mark.parametrize("key", [None, 3])
def test_outside_of_the_picture_of_a_gif_is_transparent(key):
    """Pillow gives it the first colour of the palette."""
    picture = load(gif((4, 3), (2, 1), (1, 1), [0, 2], key))
    alpha = np.zeros((3, 4), np.uint8)
    alpha[1, 1:3] = 255
    assert np.array_equal(picture.alpha, alpha)
    assert picture.rgb[1, 1:3].tolist() == [[255, 0, 0], [0, 0, 255]]
    assert load(gif((2, 1), (2, 1), (0, 0), [0, 2])).alpha is None


def tga(samples, attributes):
    """A TGA file of 32 bits a pixel."""
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, len(samples), 1, 32, attributes)
    return head + np.array(samples, np.uint8).tobytes()


def bmp(samples):
    """A BMP file of 32 bits a pixel, with a mask for alpha."""
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000).ljust(68, b"\0")
    head = struct.pack("<IiiHHIIiiII", 108, len(samples), 1, 1, 32, 3, 0, 0, 0, 0, 0) + masks
    return (
        b"BM"
        + struct.pack("<IHHI", 0, 0, 0, 14 + len(head))
        + head
        + np.array(samples, np.uint8).tobytes()
    )


def test_alpha_that_no_program_has_set_is_none():
    """Of TGA and BMP files with room for alpha; else the whole picture would be invisible."""
    unset, some = [[3, 2, 1, 0], [6, 5, 4, 0]], [[3, 2, 1, 0], [6, 5, 4, 9]]
    for file in (tga(unset, 0), bmp(unset)):
        picture = load(file)
        assert picture.alpha is None
        assert picture.rgb.tolist() == [[[1, 2, 3], [4, 5, 6]]]
    for file in (tga(some, 8), bmp(some)):
        assert load(file).alpha.tolist() == [[0, 9]]
    assert load(tga(unset, 8)).alpha.tolist() == [[0, 0]]  # this one says that it has alpha


def test_a_kind_that_nothing_reads_is_not_called_damage():
    file = bmp([[3, 2, 1, 0]])
    at = file.index(struct.pack("<I", 0xFF0000))
    file = file[:at] + struct.pack("<I", 0x3FF00000) + file[at + 4 :]
    with pytest.raises(UnsupportedImageError, match="of a kind that is not read here.*save it as"):
        load(file)


@pytest.mark.parametrize("late", [False, True])
def test_a_palette_that_is_missing_makes_no_black_picture(late):
    """Pillow takes every index for black; behind the pixels, a palette does not count."""
    chunks = [(b"PLTE", bytes(range(9)))] if late else []
    with pytest.raises(UnsupportedImageError, match="its palette is missing"):
        load(png([[0, 1, 2]], 3, 8, late=chunks))
