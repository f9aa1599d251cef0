"""Grey is what the pixels are, whatever an image's mode says."""

from io import BytesIO

import numpy as np
import pytest
from picture_samples import stored, waves
from PIL import Image

import codec
from codec.images.load import load
from codec.images.picture import is_grey

GREY = Image.fromarray(waves(96, 128))
THREE = Image.merge("RGB", (GREY,) * 3)


def alpha(image):
    image = image.copy()
    image.putalpha(GREY.rotate(180))
    return image


SOURCES = {
    "an RGB image": THREE,
    "RGBA": alpha(THREE),
    "LA": alpha(GREY),
    "an array": np.asarray(THREE),
    "an array of 16 bits": np.asarray(THREE).astype(np.uint16) * 257,
    "an array with alpha": np.asarray(alpha(THREE)),
    "a palette": GREY.quantize(64),
    "a PNG file": stored(THREE, "PNG"),
    "a JPEG file of three components": stored(THREE, "JPEG", quality=95),
    "a GIF file": stored(GREY.quantize(32), "GIF"),
    "a WebP file": stored(THREE, "WEBP", lossless=True),
    "a TIFF file": stored(THREE, "TIFF"),
    "CMYK": Image.merge("CMYK", [Image.new("L", GREY.size)] * 3 + [GREY]),
    "YCbCr": Image.merge("YCbCr", [GREY, *[Image.new("L", GREY.size, 128)] * 2]),
}


@pytest.mark.parametrize("name", SOURCES)
def test_grey_pixels_come_back_without_any_colour(model, name):
    """mozilla/mozjpeg#61, RawTherapee/RawTherapee#2259."""
    source = SOURCES[name]
    data = codec.encode(source, model=model)
    shown = np.asarray(codec.decode(data, model=model).convert("RGB")).astype(int)
    assert (shown.max(2) - shown.min(2)).max() == 0
    as_grey = load(source).rgb[:, :, 0]
    plain = Image.fromarray(as_grey)
    if (mask := load(source).alpha) is not None:
        plain.putalpha(Image.fromarray(mask))
    assert len(data) <= len(codec.encode(plain, model=model)) + 8


def test_what_came_with_three_channels_goes_with_three(model):
    out = codec.decode(codec.encode(THREE, model=model), model=model)
    grey = codec.decode(codec.encode(GREY, model=model), model=model)
    assert (out.mode, grey.mode) == ("RGB", "L")
    assert np.array_equal(np.asarray(out)[:, :, 0], np.asarray(grey))
    assert codec.info(codec.encode(alpha(THREE), model=model)).mode == "RGBA"


def test_an_rgb_profile_stays_with_an_rgb_picture(model):
    from PIL import ImageCms

    image = THREE.copy()
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    out = codec.decode(codec.encode(image, model=model), model=model)
    assert out.mode == "RGB"
    assert out.info["icc_profile"] == image.info["icc_profile"]


@pytest.mark.parametrize("tint", [(1.0, 0.9, 0.7), (1.0, 1.0, 0.99)])
def test_a_tint_stays(tint):
    sepia = (np.asarray(THREE) * np.array(tint)).astype(np.uint8)
    picture = load(sepia)
    assert not picture.grey
    assert np.array_equal(picture.rgb, sepia)


def test_colours_that_nobody_sees_are_no_colours():
    image = np.array(alpha(THREE))
    image[:20, :, 3] = 0
    image[:20, :, 2] = 99
    picture = load(image)
    assert picture.grey
    assert is_grey(picture.rgb)
    assert np.array_equal(picture.rgb[20:], image[20:, :, :3])
    assert np.array_equal(picture.alpha, image[:, :, 3])
    assert image[0, 0, 2] == 99  # the caller's array is as it was
    image[:, :, 3] = 0
    assert not load(image).grey  # there is nothing else
    assert np.array_equal(load(image).rgb, image[:, :, :3])


def test_one_pixel_of_colour_is_colour():
    samples = np.array(THREE)
    samples[-1, -1] = 10, 10, 11
    assert not load(BytesIO(stored(Image.fromarray(samples), "PNG"))).grey
