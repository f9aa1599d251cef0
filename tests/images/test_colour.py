"""Colours that a file describes without an ICC profile become sRGB, or are said to be ignored."""

import io
import struct
import warnings

import numpy as np
import pytest
from picture_samples import exif, png_chunk, stored, tiff, waves, with_chunk
from PIL import Image, ImageCms

from codec.errors import LeftOutWarning
from codec.images import colour
from codec.images.colour import ADOBE_RGB, ColourSpace, by_code_points, by_gamma, profile
from codec.images.load import load

SRGB = ImageCms.createProfile("sRGB")
REDDISH = Image.new("RGB", (8, 8), (200, 100, 60))
GREY = Image.fromarray(waves(16, 16))
P3 = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def gama(value):
    return b"gAMA", struct.pack(">I", round(value * 100000))


def chrm(values):
    return b"cHRM", struct.pack(">8I", *(round(v * 100000) for v in values))


def coded(light):
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def in_srgb(rgb, primaries, exponent):
    """sRGB of one colour by the textbook: linear light, XYZ, linear sRGB; no white adaptation."""

    def matrix(xy):
        xy = np.reshape(xy, (4, 2))
        xyz = np.column_stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(1)) / xy[:, 1]])
        return xyz[1:].T * np.linalg.solve(xyz[1:].T, xyz[0])

    srgb = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
    sample = np.array(rgb) / 255
    decoded = np.where(sample <= 0.04045, sample / 12.92, ((sample + 0.055) / 1.055) ** 2.4)
    light = sample**exponent if exponent else decoded
    out = np.linalg.solve(matrix(srgb), matrix(primaries) @ light)
    return 255 * coded(out.clip(0, 1))


def shown(file):
    return load(file).rgb[0, 0].astype(float)


@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8, 0.7])
def test_gamma_of_a_png(gamma):
    file = with_chunk(stored(REDDISH, "PNG"), *gama(gamma))
    expected = 255 * coded((np.array([200, 100, 60]) / 255) ** (1 / gamma))
    assert np.abs(shown(file) - expected).max() <= 1
    grey = load(with_chunk(stored(GREY, "PNG"), *gama(gamma)))
    expected = 255 * coded((np.asarray(GREY) / 255) ** (1 / gamma))
    assert grey.channels == 1
    assert np.abs(grey.rgb[:, :, 0] - expected).max() <= 0.51


def test_grey_of_three_channels_stays_grey():
    file = with_chunk(stored(Image.merge("RGB", (GREY,) * 3), "PNG"), *gama(1.0))
    assert load(with_chunk(file, *chrm(P3))).grey


def test_alpha_is_not_converted():
    image = REDDISH.copy()
    image.putalpha(77)
    picture = load(with_chunk(stored(image, "PNG"), *gama(1.0)))
    assert picture.alpha.tolist() == [[77] * 8] * 8
    assert picture.rgb[0, 0, 0] > 220


@pytest.mark.parametrize("name", ["cHRM", "cICP"])
def test_wide_primaries_of_a_png(name):
    chunks = [gama(0.45455), chrm(P3)] if name == "cHRM" else [(b"cICP", bytes([12, 13, 0, 1]))]
    file = stored(REDDISH, "PNG")
    for chunk in chunks:
        file = with_chunk(file, *chunk)
    expected = in_srgb((200, 100, 60), P3, 1 / 0.45455 if name == "cHRM" else 0)
    assert np.abs(expected - (200, 100, 60)).max() > 5
    assert np.abs(shown(file) - expected).max() <= 1.6


def test_what_is_srgb_stays_to_the_bit():
    plain = load(stored(REDDISH, "PNG")).rgb
    srgb = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
    file = with_chunk(with_chunk(stored(REDDISH, "PNG"), *chrm(srgb)), *gama(0.45455))
    marked = with_chunk(with_chunk(stored(REDDISH, "PNG"), *gama(1.0)), b"sRGB", b"\0")
    points = with_chunk(stored(REDDISH, "PNG"), b"cICP", bytes([1, 13, 0, 1]))
    nothing = with_chunk(stored(REDDISH, "PNG"), *gama(0))
    for data in (file, marked, points, nothing):
        assert np.array_equal(load(data).rgb, plain)


def test_a_profile_counts_more_than_chunks():
    icc = ImageCms.ImageCmsProfile(SRGB).tobytes()
    file = with_chunk(stored(REDDISH, "PNG", icc_profile=icc), *gama(1.0))
    picture = load(file)
    assert picture.rgb[0, 0].tolist() == [200, 100, 60]
    assert picture.metadata["icc"] == icc


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_one_warning(transfer, name):
    file = with_chunk(stored(REDDISH, "PNG"), b"cICP", bytes([9, transfer, 0, 1]))
    with pytest.warns(LeftOutWarning) as caught:
        picture = load(file)
    assert [str(one.message) for one in caught] == [f"input: ignored: HDR colours ({name})"]
    assert picture.rgb[0, 0].tolist() == [200, 100, 60]


def test_what_pillow_opened_is_converted_as_the_file_is(tmp_path):
    path = tmp_path / "p3.png"
    path.write_bytes(with_chunk(stored(REDDISH, "PNG"), b"cICP", bytes([12, 13, 0, 1])))
    with Image.open(path) as image:
        assert np.array_equal(load(image).rgb, load(path).rgb)


def test_unknown_code_points_are_one_warning():
    file = with_chunk(stored(REDDISH, "PNG"), b"cICP", bytes([10, 99, 0, 1]))
    with pytest.warns(LeftOutWarning, match="ignored: colours by the code points 10 and 99"):
        load(file)
    assert by_code_points(2, 2)[0].is_srgb
    assert by_code_points(9, 8)[0] == ColourSpace(colour._PRIMARIES[9], 1.0)


def nclx(primaries, transfer):
    """An AVIF file whose colours are described by code points."""
    file = bytearray(stored(REDDISH.resize((64, 64)), "AVIF", quality=95))
    at = file.find(b"colrnclx")
    file[at + 8 : at + 12] = struct.pack(">HH", primaries, transfer)
    return bytes(file)


def test_code_points_of_avif():
    assert np.abs(shown(nclx(1, 13)) - (200, 100, 60)).max() < 6
    assert np.abs(shown(nclx(12, 13)) - in_srgb(shown(nclx(1, 13)), P3, 0)).max() < 2
    with pytest.warns(LeftOutWarning, match=r"ignored: HDR colours \(PQ\)"):
        load(nclx(9, 16))


@pytest.mark.parametrize("stated", [2, 0xFFFF])
def test_adobe_rgb_that_cameras_say_by_exif(stated):
    details = {0xA001: (3, [stated]), 0xA005: (4, [0])}
    block = bytearray(exif({0x010F: (2, b"Maker\0")}, details))
    interop = len(block)
    block[block.find(struct.pack("<HHII", 0xA005, 4, 1, 0)) + 8 :][:4] = b""
    at = bytes(block).find(struct.pack("<HHII", 0xA005, 4, 1, 0)) + 8
    block[at : at + 4] = struct.pack("<I", interop)
    block += struct.pack("<HHHI4sI", 1, 1, 2, 4, b"R03\0", 0)
    file = stored(REDDISH, "JPEG", exif=b"Exif\0\0" + bytes(block), quality=100, subsampling=0)
    plain = np.asarray(Image.open(io.BytesIO(file)))[0, 0]
    picture = load(file)
    expected = in_srgb(plain, ADOBE_RGB.primaries, ADOBE_RGB.exponent)
    assert np.abs(expected - plain).max() > 5
    assert np.abs(picture.rgb[0, 0] - expected).max() <= 1.6
    found = Image.Exif()
    found.load(picture.metadata["exif"])
    assert found.get_ifd(0x8769)[0xA001] == 1
    assert b"R98" in picture.metadata["exif"]


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_adobe_rgb_by_exif_in_every_format(file_format):
    block = b"Exif\0\0" + exif({0x010F: (2, b"Maker\0")}, {0xA001: (3, [2])})
    best = {"JPEG": {"quality": 100}, "WEBP": {"lossless": True}}.get(file_format, {})
    file = stored(REDDISH, file_format, exif=block, **best)
    plain = np.asarray(Image.open(io.BytesIO(file)))[0, 0]
    expected = in_srgb(plain, ADOBE_RGB.primaries, ADOBE_RGB.exponent)
    assert np.abs(expected - plain).max() > 5
    assert np.abs(load(file).rgb[0, 0] - expected).max() <= 1.6


def test_a_png_that_says_srgb_is_srgb_whatever_exif_says():
    block = exif({0x010F: (2, b"Maker\0")}, {0xA001: (3, [2])})
    file = with_chunk(stored(REDDISH, "PNG", exif=block), b"sRGB", b"\0")
    assert load(file).rgb[0, 0].tolist() == [200, 100, 60]


def test_a_narrow_range_is_one_warning():
    with pytest.warns(LeftOutWarning, match=r"ignored: a narrow range of samples \(cICP\)$"):
        load(with_chunk(stored(REDDISH, "PNG"), b"cICP", bytes([1, 13, 0, 0])))


@pytest.mark.parametrize("space", [b"GRAY", b"CMYK"])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_a_profile_of_other_colours_is_left_out(space, file_format):
    icc = bytearray(profile(ADOBE_RGB))
    icc[16:20] = space
    file = stored(REDDISH, file_format, icc_profile=bytes(icc))
    with pytest.warns(LeftOutWarning, match=f"left out: an ICC profile of {space.decode()} colo"):
        assert not load(file).metadata
    icc[16:20] = b"RGB "
    assert load(stored(REDDISH.convert("L"), file_format, icc_profile=bytes(icc))).metadata["icc"]


def test_the_profile_in_a_bmp_file():
    icc = profile(ADOBE_RGB)
    plain = stored(REDDISH, "BMP")
    pixels = plain[struct.unpack_from("<I", plain, 10)[0] :]
    head = struct.pack("<IiiHHI", 124, *REDDISH.size, 1, 24, 0).ljust(56, b"\0") + b"DEBM"
    head = head.ljust(108, b"\0") + struct.pack("<IIII", 4, 124 + len(pixels), len(icc), 0)
    file = struct.pack("<2sIHHI", b"BM", 138 + len(pixels) + len(icc), 0, 0, 138) + head
    assert load(file + pixels + icc).metadata["icc"] == icc
    assert np.array_equal(load(file + pixels + icc).rgb, np.asarray(REDDISH))
    assert "icc" not in load(file + pixels + icc[:-1]).metadata
    huge = bytearray(file + pixels + icc)
    huge[14 + 116 : 14 + 120] = b"\xff" * 4
    assert "icc" not in load(bytes(huge)).metadata


def test_uncalibrated_colours_without_r03_stay():
    block = exif({0x010F: (2, b"Maker\0")}, {0xA001: (3, [0xFFFF])})
    file = stored(REDDISH, "PNG", exif=block)
    assert load(file).rgb[0, 0].tolist() == [200, 100, 60]


def test_primaries_of_tiff():
    fractions = [(round(v * 10000), 10000) for v in P3]
    tags = {"t318": (5, fractions[:2]), "t319": (5, fractions[2:])}
    file = tiff(1, 1, [8] * 3, 2, bytes([200, 100, 60]), **tags)
    assert np.abs(shown(file) - in_srgb((200, 100, 60), P3, 0)).max() <= 1.6
    curve = tiff(1, 1, [8] * 3, 2, bytes([200, 100, 60]), t301=(3, list(range(256)) * 3))
    with pytest.warns(LeftOutWarning, match="ignored: a transfer function"):
        assert shown(curve).tolist() == [200, 100, 60]


@pytest.mark.parametrize("space", [ADOBE_RGB, ColourSpace(P3), ColourSpace(exponent=1.0)])
def test_profiles_are_what_littlecms_reads(space):
    made = ImageCms.ImageCmsProfile(io.BytesIO(profile(space)))
    assert (made.profile.xcolor_space, made.profile.is_matrix_shaper) == ("RGB ", True)
    assert ImageCms.getProfileDescription(made).strip() == "RGB"


def test_broken_chromaticities_are_srgb():
    assert by_gamma(None, [0.0] * 8).is_srgb
    assert by_gamma(None, [0.3] * 3).is_srgb
    file = with_chunk(stored(REDDISH, "PNG"), *chrm([0.0] * 8))
    assert load(file).rgb[0, 0].tolist() == [200, 100, 60]
    line = with_chunk(stored(REDDISH, "PNG"), *chrm([0.3, 0.3] * 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert load(line).rgb.size
    assert png_chunk(*gama(1.0))
