"""Alpha planes: the same bytes back, small for soft masks, and nothing of hostile ones."""

import lzma
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw, ImageFilter

from bitstream.alpha import alpha_chunk, alpha_plane, pack_alpha, pack_filtered, unpack_filtered
from bitstream.errors import BitstreamError

PLANE = np.arange(6, dtype=np.uint8).reshape(2, 3)


def soft_masks():
    """Masks that people have: feathered, faded, cut-outs with smooth edges, letters."""
    shape = Image.new("L", (384, 256))
    draw = ImageDraw.Draw(shape)
    draw.ellipse((75, 50, 300, 200), fill=255)
    draw.polygon([(10, 250), (150, 150), (175, 240)], fill=255)
    y, x = np.mgrid[:256, :384]
    fading = 255 * np.exp(-(((x - 192) ** 2 + (y - 128) ** 2) / 150**2))
    return {
        "feathered": shape.filter(ImageFilter.GaussianBlur(2)),
        "smooth edges": shape.resize((768, 512)).resize((384, 256), Image.Resampling.BOX),
        "fading out": Image.fromarray(fading.astype(np.uint8)),
        "a gradient": Image.linear_gradient("L").resize((384, 256)),
        "a circle of light": Image.radial_gradient("L").resize((384, 256)),
    }


def test_soft_masks_take_half_of_what_deflate_takes():
    before, now = {}, {}
    for name, mask in soft_masks().items():
        alpha = np.asarray(mask)
        chunk = alpha_chunk(alpha)
        assert np.array_equal(alpha_plane(chunk, *alpha.shape), alpha)
        before[name], now[name] = len(pack_alpha(alpha)), len(next(iter(chunk.values())))
    assert sum(now.values()) <= sum(before.values()) / 2
    assert all(now[name] <= 0.65 * before[name] for name in now)


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_every_plane_comes_back(alpha):
    assert np.array_equal(unpack_filtered(pack_filtered(alpha), *alpha.shape), alpha)
    assert np.array_equal(alpha_plane(alpha_chunk(alpha), *alpha.shape), alpha)


@pytest.mark.parametrize("number", range(5))
def test_filters_are_those_of_the_format(number):
    """Written out as FORMAT.md has them."""
    rng = np.random.default_rng(number)
    plane = rng.integers(0, 256, (7, 9)).astype(np.uint8)
    wide = np.pad(plane.astype(int), ((1, 0), (2, 0)))
    a, b, c, d = wide[1:, 1:-1], wide[:-1, 2:], wide[:-1, 1:-1], wide[1:, :-2]
    prediction = [0 * a, a, b, a + b - c, 2 * a - d][number]
    filtered = ((plane - prediction) % 256).astype(np.uint8).tobytes()
    coder = {"id": lzma.FILTER_LZMA1, "lc": 0, "lp": 0, "pb": 0, "dict_size": 2**22}
    data = bytes([number]) + lzma.compress(filtered, lzma.FORMAT_RAW, filters=[coder])
    assert np.array_equal(unpack_filtered(data, 7, 9), plane)


def test_a_file_without_alpha_has_no_plane():
    assert alpha_plane({"grey": b""}, 2, 3) is None


GOOD = pack_filtered(PLANE)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "its filter is unknown"),
        (b"\5" + GOOD[1:], "its filter is unknown"),
        (b"\0junk" * 9, "damaged|does not hold"),
        (GOOD[:-1], "does not hold 3x2 bytes exactly"),
        (GOOD[:3], "does not hold 3x2 bytes exactly"),
        (GOOD + b"x", "does not hold 3x2 bytes exactly"),
        (pack_filtered(PLANE[:1]), "does not hold 3x2 bytes exactly"),
        (pack_filtered(np.vstack([PLANE, PLANE])), "does not hold 3x2 bytes exactly"),
    ],
)
def test_bad_planes_are_refused(data, says):
    with pytest.raises(BitstreamError, match=f"^alpha chunk: {says}"):
        alpha_plane({"Alpl": data}, 2, 3)


def test_a_bomb_takes_no_more_than_the_plane():
    data = pack_filtered(np.zeros((8000, 8000), np.uint8))
    assert len(data) < 20000
    tracemalloc.start()
    with pytest.raises(BitstreamError, match="does not hold"):
        unpack_filtered(data, 10, 10)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5 * 10**6  # the dictionary
    with pytest.raises(BitstreamError, match="damaged"):
        alpha_plane({"alph": zlib.compress(bytes(6))[:1] + b"junk"}, 2, 3)
