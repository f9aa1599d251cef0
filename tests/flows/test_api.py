"""codec.encode, decode, info, verify."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import codec
from codec import encoding
from codec.errors import LimitExceeded, ModelMismatchError, RateTargetError, Truncated
from codec.models.files import EARLIER
from codec.options import DecodeLimits
from codec.rate_search import best_within

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_round_trip_keeps_mode_size_and_alpha(model, photo, mode):
    image = photo.copy()
    if mode.endswith("A"):
        image.putalpha(photo.convert("L"))
    image = image.convert(mode)
    data = codec.encode(image, model=model)
    out = codec.decode(data, model=model)
    assert (out.mode, out.size) == (mode, image.size)
    assert codec.info(data).mode == mode
    if mode.endswith("A"):
        assert out.getchannel("A").tobytes() == image.getchannel("A").tobytes()
    assert out.info["stages"] == (4, 4)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 1), (7, 65), (64, 32)])
def test_any_size(model, size):
    data = codec.encode(Image.new("RGB", size, "teal"), model=model)
    assert codec.decode(data, model=model).size == size
    assert codec.verify(data, model=model).width == size[0]


def test_sources_are_equal(model, photo, tmp_path):
    path = tmp_path / "photo.png"
    photo.save(path)
    files = {
        codec.encode(source, model=model)
        for source in (photo, np.asarray(photo), path, str(path), BytesIO(path.read_bytes()))
    }
    assert len(files) == 1
    data = files.pop()
    coded = tmp_path / "photo.bibc"
    coded.write_bytes(data)
    images = {
        codec.decode(source, model=model).tobytes()
        for source in (data, bytearray(data), memoryview(data), coded, BytesIO(data))
    }
    assert len(images) == 1


def test_info_says_what_was_asked_for(model, photo):
    data = codec.encode(photo, model=model, quality=30, seed=2**64 - 1)
    about = codec.info(data)
    assert (about.width, about.height, about.quality, about.seed) == (75, 50, 30, 2**64 - 1)
    assert about.model == model.fingerprint.hex()
    assert about.file_bytes == len(data)
    assert about.bpp == pytest.approx(8 * len(data) / (75 * 50))
    assert about.chunks == {"seed": 8}


def test_integers_of_numpy_are_integers(model, photo):
    data = codec.encode(photo, model=model, quality=np.int64(30), seed=np.int64(7))
    assert data == codec.encode(photo, model=model, quality=30, seed=7)
    image = codec.decode(data, model=model, seed=np.uint64(2**64 - 1))
    assert image.info["seed"] == 2**64 - 1


def test_nothing_is_encoded_that_would_not_decode(photo, monkeypatch):
    """Before the model is looked for."""
    image = photo.copy()
    image.info["xmp"] = bytes(100)
    for limit in ({"max_side": 74}, {"max_pixels": 3749}, {"max_chunk_bytes": 99}):
        monkeypatch.setattr(encoding, "DEFAULT_LIMITS", DecodeLimits(**limit))
        with pytest.raises(LimitExceeded, match="limit is"):
            codec.encode(image, model="no such model")


def test_plain_image_has_no_chunks(model, photo):
    assert codec.info(codec.encode(photo, model=model)).chunks == {}


def test_metadata_survives_and_can_be_left_out(model, photo):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 1
    image = photo.copy()
    image.info |= {"icc_profile": b"profile", "exif": exif.tobytes(), "xmp": b"<x/>"}
    info = codec.decode(codec.encode(image, model=model), model=model).info
    assert {key: info[key] for key in image.info} == image.info
    chunks = codec.info(codec.encode(image, model=model, keep=["xmp"])).chunks
    assert chunks == {"xmp_": 4}


def test_orientation_is_applied_once(model, photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = BytesIO()
    photo.save(file, "PNG", exif=exif)
    out = codec.decode(codec.encode(file, model=model), model=model)
    assert out.size == (50, 75)
    assert out.getexif()[0x0112] == 1
    again = codec.decode(codec.encode(out, model=model), model=model)
    assert again.size == (50, 75)


def test_same_input_same_bytes(model, photo):
    assert codec.encode(photo, model=model) == codec.encode(photo, model=model)


@pytest.mark.parametrize(
    "wrong",
    [
        {"quality": 101},
        {"quality": -1},
        {"quality": 50.5},
        {"quality": None},
        {"target_bpp": 0.0},
        {"target_bpp": float("nan")},
        {"target_size": -5},
        {"target_size": 500, "target_bpp": 0.1},
        {"seed": -1},
        {"seed": 2**64},
        {"seed": "stored"},
        {"keep": ["iptc"]},
    ],
)
def test_wrong_arguments(model, photo, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)).split("_")[0]):
        codec.encode(photo, model=model, **wrong)


def test_limits_come_before_the_model(coded):
    with pytest.raises(LimitExceeded, match="75x50"):
        codec.decode(coded, model="no such model", limits=DecodeLimits(max_pixels=3749))
    with pytest.raises(LimitExceeded, match="75x50"):
        codec.verify(coded, model="no such model", limits=DecodeLimits(max_side=74))


def test_wrong_model_is_named(coded, model):
    for use in (codec.decode, codec.verify):
        with pytest.raises(ModelMismatchError, match=codec.info(coded).model):
            use(coded, model=model)


def test_a_file_of_an_earlier_model_says_where_that_is():
    first = ROOT / "models" / "first"
    data = codec.encode(Image.new("RGB", (64, 40), "teal"), model=str(first))
    assert codec.info(data).model in EARLIER
    with pytest.raises(ModelMismatchError, match=r"file, models/first of bibcodec's repository$"):
        codec.decode(data)
    assert codec.decode(data, model=str(first)).size == (64, 40)


def test_partial_decode(coded, model_dir):
    cut = coded[: int(0.8 * len(coded))]
    with pytest.raises(Truncated):
        codec.decode(cut, model=model_dir)
    image = codec.decode(cut, model=model_dir, allow_partial=True)
    have, of = image.info["stages"]
    assert 0 < have < of == 4
    assert image.size == (75, 50)
    assert image.tobytes() != codec.decode(coded, model=model_dir).tobytes()


def sized(*sizes):
    """A stand-in for an image: sizes[q] bytes at quality q, 3 % more for each step of λ."""
    tried = []

    def file_at(quality, offset):
        tried.append((quality, offset))
        return bytes(int(sizes[quality] * 1.03**offset))

    return file_at, tried


def test_rate_search_fills_the_budget_in_few_trials():
    sizes = [int(1000 * 1.03**q * 1.12 ** (q // 12)) for q in range(101)]  # jumps of 15 %
    file_at, tried = sized(*sizes)
    budgets = range(1000, sizes[-1], 97)
    for budget in budgets:
        assert 0.95 * budget <= len(best_within(file_at, budget)) <= budget
    whole = sum(offset == 0 for _, offset in tried)
    assert whole / len(budgets) < 5
    assert (len(tried) - whole) / len(budgets) < 2


def test_rate_search_finds_the_highest_quality_that_fits():
    knots = [790, 1033, 1482, 2052, 2816, 3798, 5089, 6283, 7502, 8542, 9451]  # of a photograph
    sizes = np.interp(range(101), range(0, 101, 10), knots).astype(int)
    for budget in range(790, 9500, 61):
        file_at, tried = sized(*sizes)
        best_within(file_at, budget)
        highest = max(q for q in range(101) if sizes[q] <= budget)
        assert all(q == highest for q, offset in tried if offset)
        assert (highest, 0.0) in tried
        assert highest == 100 or (highest + 1, 0.0) in tried


def test_rate_search_goes_to_the_finest_at_once():
    file_at, tried = sized(*range(1000, 1101))
    assert len(best_within(file_at, 10**6)) == int(1100 * 1.03**8)
    assert len(tried) == 3


def test_rate_search_says_what_is_out_of_reach():
    file_at, _ = sized(*range(1000, 1101))
    with pytest.raises(RateTargetError, match="1,000 bytes"):
        best_within(file_at, 999)


def test_rate_search_never_exceeds_on_a_bumpy_scale():
    sizes = np.random.default_rng(0).integers(500, 1500, 101)
    file_at, _ = sized(*sizes)
    for budget in range(600, 1600, 50):
        try:
            assert len(best_within(file_at, budget)) <= budget
        except RateTargetError:
            assert sizes[0] > budget


def test_effort_is_checked(model, photo):
    with pytest.raises(ValueError, match=r"effort is 10: expected 1\.\.9"):
        codec.encode(photo, model=model, effort=10)
