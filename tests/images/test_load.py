"""Every kind of image in, the same picture and metadata out."""

import random
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from picture_samples import to_image
from PIL import Image, ImageCms, ImageOps

from bitstream.alpha import pack_alpha, unpack_alpha
from codec.errors import BitstreamError, LeftOutWarning, UnsupportedImageError
from codec.images.load import load, suffixes
from codec.images.picture import Picture
from codec.images.save import format_name, save

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6" note="kept"/></x:xmpmeta>'


def gradient(height=20, width=30, channels=3):
    rows, columns, planes = np.indices((height, width, channels))
    return ((rows * 7 + columns * 3 + planes * 50) % 256).astype(np.uint8)


def stored(image, file_format, **options):
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize(
    ("mode", "result"),
    [
        ("1", "L"),
        ("L", "L"),
        ("LA", "LA"),
        ("P", "RGB"),
        ("PA", "RGBA"),
        ("RGB", "RGB"),
        ("RGBA", "RGBA"),
        ("RGBX", "RGB"),
        ("YCbCr", "RGB"),
        ("HSV", "RGB"),
        ("CMYK", "RGB"),
    ],
)
def test_modes_keep_what_they_show(mode, result):
    image = Image.fromarray(gradient(channels=4), "RGBA").convert("RGB").convert("RGBA")
    image = image.convert("L").convert(mode) if mode == "PA" else image.convert(mode)
    out = to_image(load(image))
    assert out.mode == result
    if mode not in ("CMYK",):
        assert out.tobytes() == image.convert(result).tobytes()


def test_alpha_is_kept_to_the_bit():
    samples = gradient(channels=4)
    picture = load(Image.fromarray(samples, "RGBA"))
    assert np.array_equal(picture.alpha, samples[:, :, 3])
    assert np.array_equal(unpack_alpha(pack_alpha(picture.alpha), 20, 30), picture.alpha)
    assert np.asarray(to_image(picture)).tobytes() == samples.tobytes()


def test_transparent_palette_entry_and_colour_key_become_alpha():
    palette = Image.fromarray(gradient()).quantize(8)
    alpha = load(stored(palette, "PNG", transparency=0)).alpha
    assert set(np.unique(alpha)) == {0, 255}
    key = load(stored(Image.new("RGB", (3, 2), (1, 2, 3)), "PNG", transparency=(1, 2, 3)))
    assert key.alpha.max() == 0
    assert to_image(load(stored(Image.new("L", (3, 2), 9), "PNG", transparency=9))).mode == "LA"


@pytest.mark.parametrize("by", ["hand", "quantize", "TGA"])
def test_alpha_of_a_palette_is_alpha(by):
    colours = np.array([[1, 2, 3, 0], [4, 5, 6, 128], [7, 8, 9, 255]], np.uint8)
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette(colours.tobytes(), "RGBA")
    if by == "quantize":
        image = image.convert("RGBA").quantize(3)
    picture = load(stored(image, "TGA") if by == "TGA" else image)
    assert picture.alpha.tolist() == [[0, 128, 255]]
    assert picture.rgb[0, 1:].tolist() == colours[1:, :3].tolist()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "P"])
@pytest.mark.parametrize("key", ["red", (1, 2, 3, 4), 1.5])
def test_a_transparent_colour_of_another_kind_of_image_means_nothing(mode, key):
    image = Image.new(mode, (4, 4))
    plain = load(image).rgb
    image.info["transparency"] = key
    picture = load(image)
    assert np.array_equal(picture.rgb, plain)
    assert picture.alpha is None


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_16_bit_grey_rounds_to_8(dtype):
    wide = np.array([[0, 128, 129, 65535 - 129, 65535 - 128, 65535]], dtype)
    assert load(Image.fromarray(wide)).rgb[0, :, 0].tolist() == [0, 0, 1, 254, 255, 255]


def test_16_bit_png_file():
    wide = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    picture = load(stored(Image.fromarray(wide), "PNG"))
    assert picture.grey
    assert picture.rgb[:, :, 0].ravel().tolist() == list(range(256))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_arrays(channels):
    samples = gradient(channels=channels)
    for array in (samples, samples.astype(np.uint16) * 257):
        assert np.asarray(to_image(load(array))).tobytes() == samples.tobytes()
    assert load(samples[:, :, 0]).grey


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((4, 4, 5), np.uint8), "(4, 4, 5)"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((4,), np.uint8), "(4,): expected [H, W] or .* pass array.tobytes()"),
        (np.zeros((3, 9, 9), np.uint8), "(3, 9, 9): .* pass array.transpose(1, 2, 0)"),
        (Image.new("F", (3, 3)), "mode F"),
        (Image.new("LAB", (3, 3)), "mode LAB"),
        (Image.new("RGB", (0, 3)), "no pixels"),
        (Image.fromarray(np.full((2, 2), 70000, np.int32)), "70000"),
        (BytesIO(b"not an image"), "not an image"),
        (BytesIO(b""), "the file is empty"),
        (BytesIO(b"GIF89a" + bytes(99)), "begins as GIF, but cannot be read"),
        (BytesIO(b"II*\0\x08\0\0\0" + bytes(99)), "begins as TIFF, but cannot be read"),
        (BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"), "not an im"),
        (BytesIO(b"\x89HDF\r\n\x1a\n" + bytes(99)), "not an image"),
    ],
)
def test_what_cannot_be_coded_is_said(bad, word):
    pattern = word.replace("(", r"\(").replace(")", r"\)").replace("[", r"\[")
    with pytest.raises(UnsupportedImageError, match=pattern):
        load(bad)


def test_damaged_files_are_refused():
    whole = stored(Image.fromarray(gradient(200, 300)), "PNG").getvalue()
    for data in (whole[:200], whole[: len(whole) // 2]):
        with pytest.raises(UnsupportedImageError, match=r"damaged image|not an image"):
            load(BytesIO(data))


def test_animation_is_refused_and_mpo_is_not():
    frames = [Image.fromarray(gradient() + k) for k in range(3)]
    with pytest.raises(UnsupportedImageError, match="3 pictures"):
        load(stored(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    photo = stored(frames[0], "MPO", save_all=True, append_images=frames[1:], quality=100)
    with pytest.warns(LeftOutWarning, match="left out: 2 further pictures"):
        assert load(photo).rgb.shape == (20, 30, 3)


def test_pillow_bomb_limit_is_one_sentence(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UnsupportedImageError, match="exceeds limit"):
        load(stored(Image.new("L", (30, 30)), "PNG"))
    assert load(stored(Image.new("L", (15, 10)), "PNG")).grey  # above a warning is not a refusal


def test_threads_leave_the_filters_of_warnings_alone(monkeypatch):
    files = [stored(Image.new("L", (2, 2)), "PNG") for _ in range(2)]
    before, opened, waits = list(warnings.filters), Image.open, iter((0.05, 0.15))

    def slow(*arguments, **options):  # the second thread opens while the first does, and ends later
        time.sleep(next(waits))
        return opened(*arguments, **options)

    monkeypatch.setattr(Image, "open", slow)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(load, files))
    assert warnings.filters == before


def test_folders_are_searched_for_what_can_be_read():
    assert {".png", ".jpg", ".webp", ".tif", ".avif", ".ppm"} <= suffixes()
    assert not {".eps", ".ps", ".mpg", ".h5", ".wmf", ".bibc"} & suffixes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied_and_reset(orientation, file_format):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    options = {"lossless": True} if file_format == "WEBP" else {"quality": 100}
    if file_format in ("PNG", "TIFF"):
        options = {}
    file = stored(Image.fromarray(gradient()), file_format, exif=exif, **options)
    picture = load(file)
    upright = ImageOps.exif_transpose(Image.open(file))
    assert np.array_equal(picture.rgb, np.asarray(upright))
    result = to_image(picture).getexif()
    assert result.get(0x0112, 1) == 1
    assert result[0x010F] == "Maker"


def test_exif_is_verbatim_but_for_the_orientation():
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a photo"
    exif.get_ifd(0x8769)[0x927C] = b"maker note \x00\x01\x02"
    image = Image.fromarray(gradient())
    for endian in ("<", ">"):
        exif.endian = endian
        data = exif.tobytes()
        image.info["exif"] = data
        kept = load(image).metadata["exif"]
        assert len(kept) == len(data) - 6
        assert sum(a != b for a, b in zip(kept, data[6:], strict=True)) == 1


def test_orientation_in_xmp_is_reset():
    image = Image.fromarray(gradient())
    for xmp in (
        XMP,
        XMP.replace(b'="6"', b">6<").replace(b"<r ", b"<r><"),
        XMP.replace(b'"', b"'"),
    ):
        image.info["xmp"] = xmp
        kept = load(image).metadata["xmp"]
        assert len(kept) == len(xmp)
        assert b"6" not in kept
        assert b"kept" in kept


@pytest.mark.filterwarnings("ignore")
def test_hostile_exif_passes_through():
    image = Image.fromarray(gradient())
    for exif in (b"II*\0\xff\xff\xff\xff", b"MM", b"II*\0\x08\0\0\0\xff\xff", b"junk", b"Exif\0\0"):
        image.info["exif"] = exif
        assert load(image).metadata.get("exif", b"") == exif.removeprefix(b"Exif\0\0")


@pytest.mark.filterwarnings("ignore")
def test_damaged_exif_does_not_lose_the_picture():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    exif.get_ifd(0x8769)[0x927C] = bytes(30)
    whole, random_ = exif.tobytes(), random.Random(0)  # noqa: S311
    image = Image.fromarray(gradient())
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[random_.randrange(6, len(whole))] = random_.randrange(256)
        file = stored(image, "JPEG", exif=bytes(damaged[: random_.randrange(7, len(whole))]))
        assert load(file).rgb.size == image.width * image.height * 3


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_damaged_files_give_one_kind_of_error(file_format):
    image = Image.fromarray(gradient(40, 60))
    image.info["exif"] = b"Exif\0\0II*\0\x08\0\0\0\0\0"
    whole, random_ = stored(image, file_format).getvalue(), random.Random(0)  # noqa: S311
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(random_.choice([1, 3, 9])):
            damaged[random_.randrange(len(whole))] = random_.randrange(256)
        try:
            load(BytesIO(damaged))
        except UnsupportedImageError as error:
            assert str(error).startswith("input: ")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_damaged_metadata_is_written_or_refused(file_format):
    metadata = {"icc": b"profile", "exif": b"II*\0\x08\0\0\0\xff\xff", "xmp": b"\xff\0<"}
    image = to_image(Picture([gradient()], metadata=metadata))
    try:
        save(image, BytesIO(), file_format)
    except UnsupportedImageError as error:
        assert "cannot hold" in str(error)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_metadata_survives_each_format(file_format):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    metadata = {"icc": SRGB, "exif": exif.tobytes()[6:], "xmp": XMP.replace(b"6", b"1")}
    buffer = BytesIO()
    save(to_image(Picture([gradient()], metadata=metadata)), buffer, file_format)
    buffer.seek(0)
    found = load(buffer).metadata
    assert found["icc"] == SRGB
    assert found["xmp"] == metadata["xmp"]
    reread = Image.Exif()
    reread.load(found["exif"])
    assert reread[0x010F] == "Maker"
    assert load(buffer, keep=("icc",)).metadata.keys() == {"icc"}


def test_cmyk_takes_its_profile_out():
    image = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    image.info["icc_profile"] = b"not a profile"
    picture = load(image)
    assert "icc" not in picture.metadata
    assert picture.rgb[0, 0, 0] > 200
    assert picture.rgb[0, 0, 1] < 60


def test_formats_that_cannot_hold_the_image_say_so():
    picture = load(gradient(channels=4))
    with pytest.raises(UnsupportedImageError, match="JPEG cannot hold"):
        save(to_image(picture), BytesIO(), "JPEG")
    with pytest.raises(UnsupportedImageError, match="cannot write"):
        save(to_image(picture), BytesIO(), "NONE")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"junk",
        zlib.compress(bytes(5)),
        zlib.compress(bytes(7)),
        zlib.compress(bytes(1 << 24)),
        pack_alpha(np.zeros((2, 3), np.uint8))[:-1],
        pack_alpha(np.zeros((2, 3), np.uint8)) + b"x",
    ],
)
def test_bad_alpha_is_refused(data):
    with pytest.raises(BitstreamError, match="alpha chunk"):
        unpack_alpha(data, 2, 3)


@pytest.mark.parametrize(
    ("wanted", "path", "name"),
    [
        (None, "a.tif", "TIFF"),
        (None, "-", "PNG"),
        ("jpg", "a.png", "JPEG"),
        ("JPEG2000", "-", "JPEG2000"),
        ("Webp", "-", "WEBP"),
    ],
)
def test_format_names(wanted, path, name):
    assert format_name(wanted, Path(path)) == name


def test_unknown_formats_are_refused():
    for wanted, path in ((None, "a.xyz"), ("xyz", "a.png")):
        with pytest.raises(UnsupportedImageError, match="xyz"):
            format_name(wanted, Path(path))
