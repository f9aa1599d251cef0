"""JPEG files that decode without an error although a part of their picture is not in them."""

import io
import struct

import numpy as np
import pytest
from picture_samples import stored
from PIL import Image

from codec.errors import UnsupportedImageError
from codec.images import jpeg_scans
from codec.images.load import load

END = b"\xff\xd9"
y, x = np.mgrid[:90, :120]
SAMPLES = np.stack([x * 2, y * 2, 127 + 100 * np.sin(x / 5) * np.cos(y / 4)], 2).astype(np.uint8)
COLOUR = Image.fromarray(SAMPLES)
WAYS = {
    "baseline": {},
    "fine": {"quality": 95, "subsampling": 0},
    "optimized": {"optimize": True},
    "restarts": {"restart_marker_blocks": 4},
    "rows": {"restart_marker_rows": 1},
    "progressive": {"progressive": True},
}
PICTURES = {"RGB": COLOUR, "L": COLOUR.convert("L"), "CMYK": COLOUR.convert("CMYK")}


def scan_of(file):
    """Where the data of the first scan begin."""
    at = file.index(b"\xff\xda")
    return at + 2 + int.from_bytes(file[at + 2 : at + 4])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", PICTURES)
def test_an_end_marker_that_comes_early(mode, way):
    whole = stored(PICTURES[mode], "JPEG", **WAYS[way])
    load(whole)
    begin = scan_of(whole)
    for share in (0.1, 0.5) if way == "progressive" else (0.1, 0.5, 0.8):
        cut = whole[: begin + int(share * (len(whole) - begin))].rstrip(b"\xff") + END
        with pytest.raises(UnsupportedImageError, match=r"ends before its picture.*allow-trunc"):
            load(cut)
        assert load(cut, allow_truncated=True).rgb.shape == (90, 120, 3)


def test_a_cut_exactly_where_a_restart_stands():
    whole = stored(COLOUR, "JPEG", restart_marker_blocks=4)
    with pytest.raises(UnsupportedImageError, match="ends before its picture does"):
        load(whole[: whole.index(b"\xff\xd3")] + END)


def test_a_header_that_claims_more_rows_than_there_are():
    whole = stored(COLOUR, "JPEG")
    at = whole.index(b"\xff\xc0")
    with pytest.raises(UnsupportedImageError, match="ends before its picture does"):
        load(whole[: at + 5] + struct.pack(">H", 200) + whole[at + 7 :])


def test_zeros_that_a_broken_disk_left():
    whole = stored(COLOUR, "JPEG", quality=95)
    begin = scan_of(whole)
    with pytest.raises(UnsupportedImageError, match="ends before its picture does"):
        load(whole[: begin + 900] + bytes(len(whole) - begin - 902) + END)


def test_components_of_which_there_is_no_scan():
    """Of a file with a scan for each component, the last one is missing."""
    whole = stored(COLOUR, "JPEG", progressive=True)
    frame, scans = jpeg_scans._described(whole)
    assert {c for scan in scans for c in scan.components} == {1, 2, 3}
    assert not jpeg_scans._is_coarse(frame, scans)
    without = [scan for scan in scans if 3 not in scan.components]
    assert jpeg_scans._is_coarse(frame, without)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (17, 9), (120, 90), (64, 64)])
def test_whole_pictures_that_end_flat_are_whole(size, way):
    """A white border is no missing part, whatever the size is."""
    image = COLOUR.resize(size)
    white = Image.new("RGB", (size[0] + 40, size[1] + 40), "white")
    white.paste(image, (10, 10))
    for whole in (image, white, Image.new("RGB", size, "teal")):
        load(stored(whole, "JPEG", **WAYS[way]))


def test_what_stands_behind_the_picture_is_no_part_of_it():
    whole = stored(COLOUR, "JPEG")
    load(whole + bytes(3000))
    load(whole + whole[: len(whole) // 2])
    load(whole[:2] + b"\xff\xe5\0\4ab" * 2000 + whole[2:])


@pytest.mark.parametrize("seed", range(200))
def test_damage_is_a_sentence_or_a_picture(seed):
    draw = np.random.default_rng(seed)
    file = bytearray(stored(COLOUR, "JPEG", **list(WAYS.values())[seed % len(WAYS)]))
    for place in draw.integers(2, len(file) - 2, 3):
        file[place] = draw.integers(256)
    try:
        jpeg_scans.are_missing(COLOUR, io.BytesIO(bytes(file)))
        load(bytes(file))
    except (UnsupportedImageError, OSError) as error:
        assert isinstance(error, UnsupportedImageError) or "truncated" in str(error)
