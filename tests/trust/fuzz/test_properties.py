"""What holds for every image, every prefix and every damage (hypothesis); seeds of the fuzzer."""

import native
import numpy as np
import pytest
import targets
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import codec
from bitstream import parse, write
from bitstream.errors import CodecError

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


@st.composite
def images(draw):
    """An image of any small size and mode, smooth or noisy, with any metadata."""
    mode = draw(st.sampled_from(sorted(CHANNELS)))
    width, height = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples = rng.integers(0, 256, (height, width, CHANNELS[mode]), np.uint8)
    if draw(st.booleans()):
        samples[:] = samples[:1, :1]
    image = Image.fromarray(samples[:, :, 0] if mode == "L" else samples, mode)
    for name in ("icc_profile", "xmp"):
        if content := draw(st.binary(max_size=60)):
            image.info[name] = content
    if draw(st.booleans()):
        exif = Image.Exif()
        exif[0x010F] = draw(
            st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1)
        )
        image.info["exif"] = exif.tobytes()
    return image


@settings(deadline=None, max_examples=60)
@given(image=images(), quality=st.integers(0, 100), seed=st.integers(0, 2**64 - 1))
def test_decode_gives_back_what_encode_promises(image, quality, seed, model):
    data = codec.encode(image, quality=quality, seed=seed, model=model)
    about, out = codec.info(data), codec.decode(data, model=model)
    assert (out.mode, out.size) == (image.mode, image.size)
    assert (about.quality, about.seed, about.mode) == (quality, seed, image.mode)
    for name in ("icc_profile", "exif"):
        assert out.info.get(name) == image.info.get(name)
    kept, given = (i.info.get("xmp", b"").replace(b"\0", b" ") for i in (out, image))
    assert kept.split() == given.split()  # without padding
    if "A" in image.mode:
        assert out.getchannel("A").tobytes() == image.getchannel("A").tobytes()
    assert codec.encode(image, quality=quality, seed=seed, model=model) == data
    file = parse(data)
    assert write(file.header, file.payload, file.chunks) == data


@pytest.fixture(scope="module")
def whole(model, photo):
    """A file with all there is, its image, and the same without metadata."""
    image = photo.copy()
    image.putalpha(photo.convert("L"))
    image.info |= {"icc_profile": bytes(200), "xmp": b"<x/>"}
    data = codec.encode(image, model=model, seed=5)
    return data, codec.decode(data, model=model).tobytes()


@settings(deadline=None, max_examples=150)
@given(data=st.data(), partial=st.booleans())
def test_any_prefix(data, partial, whole, model):
    """Refused, or, if asked for, a coarser image of the same size."""
    end = data.draw(st.integers(0, len(whole[0]) - 1))
    try:
        out = codec.decode(whole[0][:end], model=model, allow_partial=partial)
    except CodecError:
        return
    assert partial
    assert out.size == (75, 50)
    assert 0 < out.info["stages"][0] < 4


@settings(deadline=None, max_examples=300)
@given(data=st.data(), kind=st.sampled_from(["flip", "set", "insert", "remove", "swap"]))
def test_any_single_damage(data, kind, whole, model):
    """Refused, or nothing was damaged: no such file decodes to other pixels or metadata."""
    original, pixels = whole
    out = bytearray(original)
    at = data.draw(st.integers(0, len(out) - 1))
    if kind == "flip":
        out[at] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "set":
        out[at] = data.draw(st.integers(0, 255))
    elif kind == "insert":
        out[at:at] = data.draw(st.binary(min_size=1, max_size=20))
    elif kind == "remove":
        del out[at : at + data.draw(st.integers(1, 20))]
    else:
        other = data.draw(st.integers(0, len(out) - 1))
        out[at], out[other] = out[other], out[at]
    try:
        image = codec.decode(bytes(out), model=model)
    except CodecError as error:
        assert str(error).isprintable()
        return
    assert bytes(out) == original
    assert image.tobytes() == pixels


@pytest.mark.parametrize("name", targets.TARGETS)
def test_the_fuzzers_seeds_pass(name):
    """The targets of the fuzzer and its repairs, on its first corpus, without atheris."""
    outcomes = set()
    for seed in targets.seeds(name):
        outcomes.add(targets.TARGETS[name](seed))
        targets.TARGETS[name](targets.repair(seed[: len(seed) * 2 // 3]))
    implementations = {"coded, numpy"} | ({"coded, C"} if native.compiler() else set())
    expected = {
        "bitstream": {"decode: whole"},
        "symbols": {"read to the end"},
        "priors": {"ValueError"} | implementations,
        "command": {"decoded"},
    }
    assert expected[name] <= outcomes


def test_repairs_make_checks_right():
    """A mutation of the fields or of a chunk gets as far as one with right checks would."""
    for data in targets.golden_files():
        assert targets.repair(data) == data
        for at in (*range(5, 13), *range(15, len(data), 7)):
            damaged = bytearray(data)
            damaged[at] ^= 0x11
            try:
                parse(targets.repair(bytes(damaged)), targets.LIMITS)
            except CodecError as error:
                assert "CRC32" not in str(error)
                assert "header is damaged" not in str(error)
