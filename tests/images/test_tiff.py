"""TIFF files are read as their own tags say: depth, sign, polarity, planes, alpha, subfiles."""

import io
import struct
import zlib

import numpy as np
import pytest
from picture_samples import directory, header, stored, tiff, waves
from PIL import Image

from codec.errors import LeftOutWarning, UnsupportedImageError
from codec.images.load import load

GREY = np.array([0, 64, 128, 255], np.uint8)


def read(*arguments, **tags):
    picture = load(tiff(*arguments, **tags))
    return picture.rgb[0].tolist() if not picture.grey else picture.rgb[0, :, 0].tolist()


@pytest.mark.parametrize("order", "<>")
def test_16_bits(order):
    wide = (GREY.astype(order + "u2") * 257).astype(order + "u2").tobytes()
    assert read(4, 1, [16], 1, wide, order) == GREY.tolist()


def test_white_is_zero():
    assert read(4, 1, [8], 0, GREY.tobytes()) == (255 - GREY).tolist()
    assert read(4, 1, [16], 0, (GREY.astype("<u2") * 257).tobytes()) == (255 - GREY).tolist()
    assert read(8, 1, [1], 0, b"\xf0") == [0] * 4 + [255] * 4


def test_12_bits():
    assert read(4, 1, [12], 1, bytes([0x00, 0x08, 0x00, 0xFF, 0xF4, 0x00])) == [0, 128, 255, 64]


@pytest.mark.parametrize("depth", [2, 4])
def test_few_bits(depth):
    assert read(2, 1, [depth], 1, {2: b"\x70", 4: b"\x5f"}[depth]) == [85, 255]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [8, 16])
def test_signed_samples_are_refused(bits, order):
    data = np.array([0, 5, 100, 127], f"{order}i{bits // 8}").tobytes()
    with pytest.raises(UnsupportedImageError, match=f"signed {bits}-bit samples"):
        load(tiff(4, 1, [bits], 1, data, order, t339=(3, [2])))


def test_samples_of_32_bits_that_are_too_large_are_refused():
    data = np.array([5, 4_000_000_000], "<u4").tobytes()
    with pytest.raises(UnsupportedImageError, match="32-bit samples from"):
        load(tiff(2, 1, [32], 1, data))


@pytest.mark.parametrize("order", "<>")
def test_planes(order):
    planes = bytes([1, 2, 11, 12, 21, 22])
    assert read(2, 1, [8] * 3, 2, planes, order, t284=(3, [2])) == [[1, 11, 21], [2, 12, 22]]
    wide = np.array([1, 2, 11, 12, 21, 22], order + "u2").tobytes()
    with pytest.raises(UnsupportedImageError, match="separate planes"):
        load(tiff(2, 1, [16] * 3, 2, wide, order, t284=(3, [2])))


@pytest.mark.parametrize(
    ("kind", "colour", "alpha"),
    [(0, [50, 50, 50], None), (1, [127, 127, 127], 100), (2, [50, 50, 50], 100)],
)
@pytest.mark.parametrize("samples", [2, 4])
def test_kinds_of_alpha(kind, colour, alpha, samples):
    data = bytes([50] * (samples - 1) + [100])
    file = tiff(1, 1, [8] * samples, {2: 1, 4: 2}[samples], data, t338=(3, [kind]))
    picture = load(file)
    assert picture.rgb[0, 0].tolist() == colour
    assert (None if picture.alpha is None else picture.alpha[0, 0]) == alpha


@pytest.mark.parametrize("factor", [1, 257])
def test_palettes_of_8_and_16_bits(factor):
    colours = [(n * factor) for n in range(256)] * 3
    assert read(2, 1, [8], 3, bytes([7, 200]), t320=(3, colours)) == [7, 200]


# ---- subfiles


def test_a_raw_file_is_refused():
    """imgproxy/imgproxy#885, libvips/libvips#1933, photopea/UTIF.js#93."""
    dng = stored(Image.new("RGB", (160, 120)), "TIFF", tiffinfo={254: 1, 50706: b"\1\4\0\0"})
    for file in (dng, tiff(2, 1, [8], 1, b"ab", t33421=(3, [2, 2]))):
        with pytest.raises(UnsupportedImageError, match="a camera's RAW file"):
            load(file)
    canon = bytearray(tiff(2, 1, [8], 1, b"ab"))
    canon = (
        canon[:4]
        + struct.pack("<I", 16)
        + b"CR\2\0"
        + bytes(4)
        + directory(
            {
                256: (3, [2]),
                257: (3, [1]),
                258: (3, [8]),
                262: (3, [1]),
                273: (4, [8]),
                279: (4, [2]),
            },
            16,
        )
    )
    with pytest.raises(UnsupportedImageError, match="a camera's RAW file"):
        load(bytes(canon))


def with_subdirectory(first, below):
    """A TIFF file whose first directory points to another one (tag 330)."""
    place = 8 + len(directory(first | {330: (4, [0])}, 8))
    data_at = place + len(directory(below, place))
    first = first | {330: (4, [place]), 273: (4, [data_at])}
    below = below | {273: (4, [data_at])}
    return header() + directory(first, 8) + directory(below, place) + bytes(range(64))


def described(width, height, photometric=1, **more):
    tags = {256: (3, [width]), 257: (3, [height]), 258: (3, [8]), 259: (3, [1])}
    tags |= {262: (3, [photometric]), 273: (4, [0]), 277: (3, [1]), 278: (3, [height])}
    return tags | {279: (4, [width * height])} | {int(k[1:]): v for k, v in more.items()}


@pytest.mark.parametrize("photometric", [32803, 34892])
def test_a_preview_of_a_sensors_samples_is_refused(photometric):
    file = with_subdirectory(described(4, 4), described(8, 8, photometric))
    with pytest.raises(UnsupportedImageError, match="a camera's RAW file"):
        load(file)


@pytest.mark.parametrize("mark", [{"t254": (4, [1])}, {"t255": (3, [2])}])
def test_a_preview_of_a_full_picture_below_it_is_refused(mark):
    file = with_subdirectory(described(4, 4, **mark), described(8, 8))
    with pytest.raises(UnsupportedImageError, match="a preview of another one"):
        load(file)
    full = with_subdirectory(described(8, 8), described(4, 4, **mark))
    assert load(full).rgb.shape == (8, 8, 3)


def pages(*kinds):
    """A TIFF file of a page for each kind (NewSubfileType) and width."""
    file, buffer = [Image.fromarray(waves(20, width)) for _, width in kinds], io.BytesIO()
    file[0].save(buffer, "TIFF", save_all=True, append_images=file[1:])
    image = Image.open(io.BytesIO(buffer.getvalue()))
    result, at = bytearray(buffer.getvalue()), 4
    for number, (kind, _) in enumerate(kinds):
        image.seek(number)
        at = int.from_bytes(result[at : at + 4], "little")
        count = int.from_bytes(result[at : at + 2], "little")
        tags = {
            int.from_bytes(result[at + 2 + 12 * n :][:2], "little"): at + 2 + 12 * n
            for n in range(count)
        }
        spare = tags[278]  # RowsPerStrip of a single strip is not needed
        rows = sorted(
            [bytes(result[tags[tag] : tags[tag] + 12]) for tag in tags if tag != 278]
            + [struct.pack("<HHII", 254, 4, 1, kind)],
            key=lambda row: int.from_bytes(row[:2], "little"),
        )
        assert spare
        result[at + 2 : at + 2 + 12 * count] = b"".join(rows)
        at = at + 2 + 12 * count
    return bytes(result)


def test_pyramids_are_one_picture():
    """python-pillow/Pillow Tests/images/tiff_strip_planar_raw_with_overviews.tif is one."""
    assert load(pages((0, 64), (1, 32), (1, 16))).rgb.shape == (20, 64, 3)
    assert load(pages((1, 16), (0, 64))).rgb.shape == (20, 64, 3)


def test_pages_are_not_one_picture():
    with pytest.raises(UnsupportedImageError, match="holds 2 pictures"):
        load(pages((0, 64), (2, 64)))


def test_a_mask_is_named():
    with pytest.warns(UserWarning, match="left out: a transparency mask"):
        assert load(pages((0, 64), (4, 64))).rgb.shape == (20, 64, 3)


def test_orientation_of_tiff_counts_before_that_of_xmp():
    xmp = b'<a xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    file = stored(Image.new("RGB", (6, 4)), "TIFF", tiffinfo={274: 1, 700: xmp})
    assert load(file).rgb.shape == (4, 6, 3)


def planes(file_bits, photometric, samples, compressed, **tags):
    """A TIFF file of separate planes, 4 x 1 pixels."""
    parts = [zlib.compress(plane) if compressed else plane for plane in samples]
    longest = max(map(len, parts))
    data = b"".join(part.ljust(longest, b"\0") for part in parts)
    kind = {"t259": (3, [8 if compressed else 1]), "t284": (3, [2])}
    return tiff(4, 1, file_bits, photometric, data, **kind, **tags)


@pytest.mark.parametrize("compressed", [False, True])
def test_planes_of_grey_and_alpha_are_refused(compressed):
    """By libtiff, Pillow puts the alpha elsewhere: all is transparent."""
    file = planes([8, 8], 1, [b"abcd", b"efgh"], compressed, t338=(3, [2]))
    with pytest.raises(UnsupportedImageError, match="separate planes of this kind"):
        load(file)


@pytest.mark.parametrize("kind", ["ycbcr", "premultiplied", "five"])
def test_planes_that_pillow_cannot_unpack_are_no_damage(kind):
    count, photometric, extra = {
        "ycbcr": (3, 6, {"t530": (3, [1, 1])}),
        "premultiplied": (4, 2, {"t338": (3, [1])}),
        "five": (5, 2, {"t338": (3, [2, 0])}),
    }[kind]
    with pytest.raises(UnsupportedImageError, match="separate planes of this kind"):
        load(planes([8] * count, photometric, [b"abcd"] * count, False, **extra))


def test_other_inks_are_refused():
    inks = bytes(range(16))
    assert load(tiff(4, 1, [8] * 4, 5, inks)).rgb.shape == (1, 4, 3)
    with pytest.raises(UnsupportedImageError, match="inks that are not cyan"):
        load(tiff(4, 1, [8] * 4, 5, inks, t332=(3, [2])))


def test_subsampled_ycbcr_that_is_not_compressed_is_refused():
    """Pillow would take the next bytes of the file for its samples."""
    file = tiff(4, 2, [8] * 3, 6, bytes(12), t530=(3, [2, 2])) + bytes(99)
    with pytest.raises(UnsupportedImageError, match="subsampled YCbCr"):
        load(file)
    assert load(tiff(4, 2, [8] * 3, 6, bytes(24), t530=(3, [1, 1]))).rgb.shape == (2, 4, 3)


def test_a_narrow_range_is_ignored_and_said():
    narrow = (5, [(15, 1), (235, 1), (128, 1), (240, 1), (128, 1), (240, 1)])
    file = tiff(4, 2, [8] * 3, 6, bytes(24), t530=(3, [1, 1]), t532=narrow)
    with pytest.warns(LeftOutWarning, match="ignored: a narrow range of samples .TIFF tag 532"):
        load(file)


def test_a_place_on_the_map_is_named():
    file = tiff(4, 1, [8], 1, b"abcd", t34735=(3, [1, 1, 0, 0]))
    with pytest.warns(LeftOutWarning, match="left out: a place on the map .GeoTIFF.$"):
        load(file)
