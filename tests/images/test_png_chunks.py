"""PNG files are read as their chunks say: transparent colours of any depth, large texts, cuts."""

import io
import struct
import zlib

import numpy as np
import pytest
from picture_samples import png, stored, waves, with_chunk
from PIL import Image, ImageFile, PngImagePlugin

import codec
from codec.errors import LeftOutWarning, UnsupportedImageError
from codec.images.load import load

PLAIN = stored(Image.fromarray(waves(64, 96)).convert("RGB"), "PNG")


@pytest.mark.parametrize(
    ("depth", "row", "key", "alpha"),
    [
        (1, b"\xa0", 1, [0, 255, 0, 255, 255, 255, 255, 255]),
        (1, b"\xa0", 0, [255, 0, 255, 0, 0, 0, 0, 0]),
        (2, b"\x1b", 2, [255, 255, 0, 255]),
        (4, b"\x5f", 5, [0, 255]),
        (8, b"\x05\xff", 5, [0, 255]),
        (16, b"\x05\x00\x05\x01", 0x501, [255, 0]),
    ],
)
def test_a_transparent_grey_of_any_depth(depth, row, key, alpha):
    picture = load(png([row], 0, depth, (b"tRNS", struct.pack(">H", key))))
    assert picture.alpha.tolist() == [alpha]
    assert picture.channels == 1


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour(depth):
    pixels = [(10, 20, 30), (10, 20, 31)]
    row = np.array(pixels, ">u2" if depth == 16 else np.uint8) * (257 if depth == 16 else 1)
    row = row.astype(">u2") if depth == 16 else row
    key = [value * (257 if depth == 16 else 1) for value in pixels[1]]
    picture = load(png([row.tobytes()], 2, depth, (b"tRNS", struct.pack(">3H", *key))))
    assert picture.alpha.tolist() == [[255, 0]]
    assert picture.rgb[0].tolist() == [list(pixel) for pixel in pixels]


@pytest.mark.parametrize(
    ("kind", "head", "size"),
    [
        (b"zTXt", b"workflow\0\0", 1_800_000),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0", 1_400_000),
        (b"iCCP", b"display\0\0", 1_500_000),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_large_side_data_is_left_out_with_a_warning(kind, head, size, late, model):
    """python-pillow/Pillow#2445, #8363, KatherLab/STAMP#76, Nandaka/PixivUtil2#269."""
    file = with_chunk(PLAIN, kind, head + zlib.compress(b"x" * size), late=late)
    file = with_chunk(file, b"tEXt", b"Title\0kept by Pillow")
    with pytest.warns(LeftOutWarning, match="input: left out: .*too large"):
        picture = load(file)
    assert np.array_equal(picture.rgb, load(PLAIN).rgb)


def test_many_texts_that_are_too_large_together(monkeypatch):
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_MEMORY", 3000)
    file = PLAIN
    for number in range(9):
        file = with_chunk(file, b"zTXt", b"text%d\0\0" % number + zlib.compress(bytes(500)))
    with pytest.warns(LeftOutWarning, match="too large"):
        load(file)


def test_control_characters_are_not_shown():
    file = with_chunk(PLAIN, b"zTXt", b"a\x1b[2J\0\0" + zlib.compress(b"x" * 2_000_000))
    with pytest.warns(LeftOutWarning) as caught:
        load(file)
    assert str(caught[0].message).isprintable()


# ---- files that are cut off


def cut(file_format, amount):
    image = Image.fromarray(waves(64, 96)).convert("RGB")
    whole = stored(image, file_format, **({"quality": 95} if file_format == "JPEG" else {}))
    return whole[:-amount] if isinstance(amount, int) else whole[: int(len(whole) * amount)]


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
@pytest.mark.parametrize("amount", [1, 2, 13, 100, 0.7])
def test_a_file_that_is_cut_off_is_refused(file_format, amount, model):
    data = cut(file_format, amount)
    with pytest.raises(UnsupportedImageError, match="--allow-truncated"):
        codec.encode(data, model=model)
    out = codec.decode(codec.encode(data, model=model, allow_truncated=True), model=model)
    assert out.size == (96, 64)


@pytest.mark.parametrize(
    "file_format", ["GIF", "BMP", "TIFF", "PPM", "TGA", "SGI", "PCX", "JPEG2000"]
)
def test_other_formats_name_the_flag_too(file_format):
    data = cut(file_format, 0.7)
    with pytest.raises(UnsupportedImageError, match="ends before its picture does.*--allow-trunc"):
        load(data)
    assert load(data, allow_truncated=True).rgb.shape == (64, 96, 3)


@pytest.mark.parametrize("file_format", ["WEBP", "AVIF", "QOI"])
@pytest.mark.parametrize("amount", [20, 0.7])
def test_a_cut_file_that_nothing_takes_names_no_flag(file_format, amount):
    with pytest.raises(UnsupportedImageError, match="ends before its picture does.*get it again$"):
        load(cut(file_format, amount))
    with pytest.raises(UnsupportedImageError):
        load(cut(file_format, amount), allow_truncated=True)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Truncated File")
@pytest.mark.parametrize("amount", [20, 0.7])
def test_a_tiff_file_without_its_directory_is_cut(amount):
    image = Image.fromarray(waves(64, 96)).convert("RGB")
    whole = stored(image, "TIFF", compression="tiff_lzw")
    data = whole[:-amount] if isinstance(amount, int) else whole[: int(len(whole) * amount)]
    with pytest.raises(UnsupportedImageError, match="ends before its picture does"):
        load(data)


def test_what_is_there_is_taken():
    image = Image.fromarray(waves(64, 96)).convert("RGB")
    whole = stored(image, "PNG", compress_level=0)
    picture = load(whole[: len(whole) // 2], allow_truncated=True)
    assert np.array_equal(picture.rgb[:25], np.asarray(image)[:25])


def test_the_switch_of_pillow_is_left_as_it_was():
    load(cut("PNG", 13), allow_truncated=True)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    with pytest.raises(UnsupportedImageError):
        load(cut("PNG", 13))


def test_bytes_behind_a_whole_file_are_no_cut():
    for file_format in ("JPEG", "PNG"):
        assert load(stored(Image.new("RGB", (9, 9)), file_format) + b"trailing").rgb.size
    twice = stored(Image.new("RGB", (9, 9)), "JPEG")
    assert load(twice[:2] + b"\xff\xff" + twice[3:]).rgb.size  # a fill byte
    assert load(io.BytesIO(twice[:20] + b"\0\0" + twice[20:])).rgb.size
