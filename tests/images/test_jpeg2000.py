"""JPEG 2000 files are read as they say: depth, ICC profile, EXIF and XMP."""

import numpy as np
import pytest
from picture_samples import corner, exif, stored
from PIL import Image

from codec.errors import UnsupportedImageError
from codec.images.load import load

# Bare codestreams of OpenJPEG, one resolution, reversible.
WHITE_AND_BROWN_16 = bytes.fromhex(
    "ff4fff51002f0000000000020000000100000000000000000000000200000001000000000000000000030f01010f0101"
    "0f0101ff52000c00000001010004040001ff5c00044080ff90000a0000000000250001ff93cffc301002bb350dc7fe0c"
    "060c4fa6c7fe0c080b96157fffd9"
)
GREY_AND_BROWN_16 = bytes.fromhex(
    "ff4fff51002f0000000000020000000100000000000000000000000200000001000000000000000000030f01010f0101"
    "0f0101ff52000c00000001010004040001ff5c00044080ff90000a0000000000260001ff93cffc301402ce1f9ebfc7fe"
    "0c060c4fa6c7fe0c080b96157fffd9"
)
GREYS_4 = bytes.fromhex(
    "ff4fff510029000000000004000000010000000000000000000000040000000100000000000000000001030101ff5200"
    "0c00000001000004040001ff5c00044020ff90000a0000000000150001ff93df204006c9803fffd9"
)
GREYS_12 = bytes.fromhex(
    "ff4fff5100290000000000040000000100000000000000000000000400000001000000000000000000010b0101ff5200"
    "0c00000001000004040001ff5c00044060ff90000a0000000000180001ff93dfe01c06b85e44bf28afffd9"
)
COLOURS_4 = bytes.fromhex(
    "ff4fff51002f000000000001000000010000000000000000000000010000000100000000000000000003030101030101"
    "030101ff52000c00000001010004040001ff5c00044020ff90000a0000000000190001ff93c74107df201002cf841005"
    "ffd9"
)


@pytest.mark.parametrize(
    ("file", "samples"),
    [
        (GREYS_4, [0, 85, 170, 255]),
        (GREYS_12, [0, 128, 255, 62]),
        (COLOURS_4, [0, 85, 255]),
        (GREY_AND_BROWN_16, [234, 234, 234, 117, 78, 39]),
    ],
)
def test_samples_of_any_depth(file, samples):
    picture = load(file)
    found = picture.rgb[0, :, 0] if picture.channels == 1 else picture.rgb[0].ravel()
    assert np.abs(found.astype(int) - samples).max() <= (picture.channels == 3)


def test_colours_of_16_bits_in_which_white_became_black_are_refused():
    with pytest.raises(UnsupportedImageError, match="16-bit colours of JPEG 2000, in which white"):
        load(WHITE_AND_BROWN_16)


def box(kind, data):
    return (len(data) + 8).to_bytes(4) + kind + data


def with_boxes(file, *before_the_pixels, profile=b""):
    """A JP2 file with boxes more, and an ICC profile in place of its colour space."""
    if profile:
        head, colr = file.find(b"jp2h") - 4, file.find(b"colr") - 4
        end = colr + int.from_bytes(file[colr : colr + 4])
        new = box(b"colr", b"\2\0\0" + profile)
        length = int.from_bytes(file[head : head + 4]) - (end - colr) + len(new)
        file = file[:head] + length.to_bytes(4) + file[head + 4 : colr] + new + file[end:]
    at = file.find(b"jp2c") - 4
    return file[:at] + b"".join(before_the_pixels) + file[at:]


PROFILE = bytes(16) + b"RGB " + bytes(16) + b"acsp" + bytes(99)
XMP = b'<a xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Make="Maker"/>'
EXIF = exif({0x0112: (3, [6]), 0x010F: (2, b"Maker\0")})
BOXES = (
    box(b"uuid", bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC") + XMP),
    box(b"uuid", b"JpgTiffExif->JP2" + EXIF),
)


@pytest.mark.parametrize("opened_by_pillow", [False, True])
def test_metadata_in_boxes_are_kept(opened_by_pillow, tmp_path):
    path = tmp_path / "photo.jp2"
    path.write_bytes(with_boxes(stored(corner(60, 40), "JPEG2000"), *BOXES, profile=PROFILE))
    picture = load(Image.open(path) if opened_by_pillow else path)
    assert picture.rgb.shape == (60, 40, 3)
    assert picture.rgb[2, 37, 0] > 200
    assert picture.metadata["icc"] == PROFILE
    assert picture.metadata["xmp"] == XMP
    found = Image.Exif()
    found.load(picture.metadata["exif"])
    assert (found[0x010F], found[0x0112]) == ("Maker", 1)


@pytest.mark.filterwarnings("ignore")
def test_boxes_that_lie_are_passed_over():
    whole = with_boxes(stored(corner(), "JPEG2000"), *BOXES, profile=PROFILE)
    for place in (whole.find(kind) - 4 for kind in (b"jp2h", b"colr", b"uuid", b"jp2c")):
        for length in (0, 1, 7, 9, 2**31, 2**32 - 1):
            file = whole[:place] + length.to_bytes(4) + whole[place + 4 :]
            try:
                assert load(file).rgb.size == 60 * 40 * 3
            except UnsupportedImageError as error:
                assert str(error).startswith("input: ")
