"""The image data: round trips, golden bytes, prefixes, damage, overhead and hostile claims."""

import itertools
import tracemalloc

import numpy as np
import pytest
from bitstream_samples import (
    CELLS,
    FINGERPRINT,
    any_indices,
    neighbour_prior,
    sample_indices,
    static_prior,
)
from effort import Effort
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream import Header, Prior, StaticPrior, ideal_bits, parse, stream, write
from bitstream.compiled import new_decoder
from bitstream.errors import BitstreamError, Checksum, CodecError, ModelMismatchError, Truncated
from bitstream.header import major_of
from bitstream.stream import CHECK, decode_indices, encode_indices
from bitstream.tables import frequencies_from_counts

pytestmark = pytest.mark.usefixtures("implementation")

PRIORS = {"static": static_prior(), "neighbour": neighbour_prior()}


def header(width, height, stages=10, quality=40):
    return Header(width, height, quality, stages, FINGERPRINT, major=major_of(stages))


def equal(some, others):
    return len(some) == len(others) and all(map(np.array_equal, some, others))


@pytest.mark.parametrize("name", PRIORS)
@settings(deadline=None, max_examples=60)
@given(
    width=st.integers(1, 150),
    height=st.integers(1, 150),
    stages=st.integers(1, len(CELLS)),
    quality=st.integers(0, 100),
    seed=st.integers(0, 2**32 - 1),
    likely=st.booleans(),
)
def test_indices_come_back(name, width, height, stages, quality, seed, likely):
    prior, head = PRIORS[name], header(width, height, stages, quality)
    indices = (sample_indices if likely else any_indices)(prior, head, seed)
    parsed = parse(write(head, encode_indices(indices, prior, head)))
    decoded = decode_indices(parsed.payload, prior, parsed.header)
    assert equal(decoded, indices)
    assert all(grid.dtype == np.int32 for grid in decoded)


@pytest.mark.parametrize(
    ("stages", "cells", "symbols"), [(1, (1,), 2), (15, (64,) * 15, 65536), (64, (64,) * 64, 4096)]
)
def test_extreme_models(stages, cells, symbols):
    prior = static_prior(1, cells, symbols)
    head = header(130, 65, stages)
    indices = any_indices(prior, head)
    assert equal(decode_indices(encode_indices(indices, prior, head), prior, head), indices)


def test_golden_file():
    prior = StaticPrior(
        (16, 8),
        [
            frequencies_from_counts([[5, 3, 2, 1], [1, 1, 1, 1]]),
            frequencies_from_counts([[90, 5, 5], [8, 1, 1]]),
        ],
        [int(quality >= 50) for quality in range(101)],
    )
    head = header(20, 9, 2, quality=75)
    indices = [np.array([[3, 0]], np.int32), np.array([[0, 0, 2], [1, 0, 0]], np.int32)]
    data = write(head, encode_indices(indices, prior, head))
    assert data == bytes.fromhex("42494243 12 02 4b 0102feff 14 09 fa 1efd24c86145")


@pytest.mark.parametrize("name", PRIORS)
def test_every_prefix_holds_the_first_stages_or_is_refused(name):
    prior, head = PRIORS[name], header(200, 136)
    indices = sample_indices(prior, head, seed=3)
    data = write(head, encode_indices(indices, prior, head))
    ends = [ideal_bits(indices[:n], prior, head) / 8 + 16 for n in range(1, len(indices))]
    held = 0
    for end in range(len(data)):
        with pytest.raises(BitstreamError):
            decode_indices(parse(data[:end]).payload, prior, head)
        try:
            some = decode_indices(parse(data[:end]).payload, prior, head, allow_partial=True)
        except Truncated:
            some = []
        assert held <= len(some) < len(indices)
        assert equal(some, indices[: len(some)])
        held = len(some)
        # A stage counts at the latest 10 bytes (two words, the checks) after its last bit.
        assert held >= sum(stage_end + 10 <= end for stage_end in ends)
    assert held == len(indices) - 1
    assert equal(decode_indices(parse(data).payload, prior, head), indices)


@pytest.mark.parametrize("name", PRIORS)
def test_damage_in_a_stage_never_changes_earlier_stages(name):
    prior, head = PRIORS[name], header(200, 136)
    indices = sample_indices(prior, head, seed=4)
    payload = encode_indices(indices, prior, head)
    for at in range(0, len(payload), 3):
        damaged = bytearray(payload)
        damaged[at] ^= 0x10
        with pytest.raises(BitstreamError):
            decode_indices(bytes(damaged), prior, head)
        # Read on past every failing check: what the bytes before the damage say is still right.
        decoder, state = (
            new_decoder(bytes(damaged)),
            prior.begin(head.height, head.width, head.quality),
        )
        for stage, expected in enumerate(indices):
            bits = ideal_bits(indices[: stage + 1], prior, head) + 2 * (stage + 1)
            if bits / 8 + 8 > at:  # this stage may have seen the damage
                break
            np.testing.assert_array_equal(state.code_stage(stage, decoder.code, None), expected)
            decoder.code(np.zeros(1, np.int32), CHECK)


def test_part_of_a_word_is_dropped_from_a_partial_image_only():
    prior, head = PRIORS["static"], header(100, 100)
    indices = sample_indices(prior, head)
    payload = encode_indices(indices, prior, head)
    assert equal(decode_indices(payload + b"x", prior, head, allow_partial=True), indices)
    torn = "^the image data is no whole number of words: the file is cut or lengthened$"
    empty = "^the file holds no image data: it is cut$"
    for data, partial, says in ((b"xyz", 0, torn), (b"xyz", 1, empty), (b"", 0, empty)):
        with pytest.raises(Truncated, match=says):
            decode_indices(data, prior, head, allow_partial=bool(partial))


@pytest.mark.parametrize(("wrong", "kept"), [(0, 0), (3, 0), (4, 1), (8, 5)])
def test_a_wrong_check_takes_three_stages_with_it(wrong, kept, monkeypatch):
    prior, head = PRIORS["static"], header(64, 64)
    indices = sample_indices(prior, head)
    code_check, count = stream._code_check, itertools.count()

    def lie(code, value):
        return code_check(code, (value + (next(count) == wrong)) % 4)

    with monkeypatch.context() as patch:
        patch.setattr(stream, "_code_check", lie)
        payload = encode_indices(indices, prior, head)
    says = f"^a check fails in stage {wrong + 1} of 10: the file is cut or damaged$"
    with pytest.raises(Checksum, match=says):
        decode_indices(payload, prior, head)
    if kept:
        assert equal(decode_indices(payload, prior, head, allow_partial=True), indices[:kept])
    else:
        with pytest.raises(Checksum, match=says):
            decode_indices(payload, prior, head, allow_partial=True)


def test_a_wrong_seal_is_named():
    prior, head = PRIORS["static"], header(64, 64, stages=1)
    payload = encode_indices(sample_indices(prior, head), prior, head)
    says = "^the seal does not match in stage 1 of 1: the file is cut or damaged$"
    with pytest.raises(Truncated, match=says):
        decode_indices(payload, prior, Header(**vars(head) | {"minor": 1}))
    with pytest.raises(Checksum, match=says):
        decode_indices(payload + b"more", prior, head)


def test_a_cut_takes_the_last_stage_only():
    prior, head = PRIORS["static"], header(64, 64)
    indices = sample_indices(prior, head)
    payload = encode_indices(indices, prior, head)
    assert equal(decode_indices(payload[:-8], prior, head, allow_partial=True), indices[:9])


def test_the_smallest_image_data_is_a_word():
    prior, head = StaticPrior((8,), [[[2**24 - 1, 1]]]), header(8, 8, stages=1)
    indices = [np.zeros((1, 1), np.int32)]
    payload = encode_indices(indices, prior, head)
    assert len(payload) == 4
    assert equal(decode_indices(payload, prior, head), indices)


def test_appended_bytes_are_refused():
    prior, head = PRIORS["static"], header(100, 100)
    payload = encode_indices(sample_indices(prior, head), prior, head)
    for count in range(1, 10):
        with pytest.raises(BitstreamError):
            decode_indices(payload + bytes(count), prior, head)
        with pytest.raises(BitstreamError):
            decode_indices(payload + b"\xa5" * count, prior, head)


@pytest.mark.parametrize(
    "wrong", [{"width": 761}, {"height": 513}, {"quality": 41}, {"stages": 9}, {"minor": 1}]
)
def test_the_seal_covers_the_header(wrong):
    """Even where the symbols stay the same (761 and 768 pixels are 96 cells of 8)."""
    prior, head = PRIORS["static"], header(768, 512)
    payload = encode_indices(sample_indices(prior, head), prior, head)
    with pytest.raises(BitstreamError):
        decode_indices(payload, prior, Header(**(vars(head) | wrong)))


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("stages", [4, 6, 8, 10])
def test_overhead_is_at_most_24_bytes_and_half_a_percent(name, stages):
    """On 768x512 and smaller images: the seals and checks, the header, and the coder's own loss."""
    zeros = {"static": 0.75, "neighbour": None}
    prior = static_prior(5, zero=zeros[name]) if zeros[name] else PRIORS[name]
    for width, height in ((768, 512), (512, 300), (97, 61)):
        overheads = []
        for seed in range(8):
            head = header(width, height, stages)
            indices = sample_indices(prior, head, seed)
            ideal = ideal_bits(indices, prior, head) / 8
            real = len(write(head, encode_indices(indices, prior, head)))
            assert real <= ideal * 1.005 + 24
            overheads.append(real - ideal)
        print(
            f"{name} {stages} stages {width}x{height}: ideal {ideal:.0f} bytes, overhead "
            f"{min(overheads):.1f}..{max(overheads):.1f}, mean {np.mean(overheads):.2f} bytes"
        )
        assert max(overheads) <= 24.1


def test_a_small_file_that_claims_100_megapixels_is_refused_cheaply():
    prior, head = PRIORS["static"], header(12_000, 9_000)
    tracemalloc.start()
    try:
        with Effort() as refusing, pytest.raises(Truncated, match="ran out"):
            decode_indices(b"\1" * 12, prior, head, allow_partial=True)
        assert tracemalloc.get_traced_memory()[1] < 2 * 16 * 12_000 * 9_000 / 32**2
    finally:
        tracemalloc.stop()
    assert refusing.units < 1000


def test_indices_that_do_not_fit_are_refused():
    prior, head = PRIORS["static"], header(64, 64)
    indices = sample_indices(prior, head)
    with pytest.raises(ValueError, match="got 9 stages"):
        encode_indices(indices[:9], prior, head)
    with pytest.raises(ValueError, match="stage 1 is int64"):
        encode_indices([indices[0], indices[1].astype(np.int64), *indices[2:]], prior, head)
    with pytest.raises(ValueError, match=r"stage 0 is int32 \(1, 2\)"):
        encode_indices([indices[0][:1], *indices[1:]], prior, head)
    with pytest.raises(ValueError, match="outside 0..255"):
        encode_indices([*indices[:9], indices[9] + 256], prior, head)
    with pytest.raises(ModelMismatchError, match="11 stages, the model has 10"):
        decode_indices(bytes(8), prior, header(64, 64, stages=11))


@pytest.mark.parametrize("name", PRIORS)
def test_priors_come_back_from_disk(name, tmp_path):
    prior, head = PRIORS[name], header(99, 64, quality=70)
    prior.save(tmp_path / "prior.safetensors")
    loaded = Prior.load(tmp_path / "prior.safetensors")
    assert (type(loaded), loaded.cells, loaded.codes) == (type(prior), prior.cells, prior.codes)
    indices = sample_indices(prior, head)
    assert encode_indices(indices, loaded, head) == encode_indices(indices, prior, head)


def test_ideal_code_lengths():
    prior, head = PRIORS["static"], header(300, 300)
    indices = any_indices(prior, head)
    bits = [table.bits[0].astype(float) for table in prior.tables]
    total = sum(bits[stage][grid].sum() for stage, grid in enumerate(indices))
    assert ideal_bits(indices, prior, head) == pytest.approx(total, rel=1e-12)
    assert ideal_bits([], prior, head) == 0
    with pytest.raises(ValueError, match="^an ideal code length needs the symbols$"):
        ideal_bits([None], prior, head)


def test_a_prior_of_one_bucket_comes_back(tmp_path):
    StaticPrior((8,), [[[2**23, 2**23]]]).save(tmp_path / "prior.safetensors")
    bucket = Prior.load(tmp_path / "prior.safetensors").bucket
    assert bucket.tolist() == [0] * 101
    assert StaticPrior((8,), [[[2**23, 2**23]]], [0] * 101).bucket.dtype == bucket.dtype == np.int32


def test_a_prior_file_has_a_largest_size(tmp_path, monkeypatch):
    path = tmp_path / "prior.safetensors"
    PRIORS["static"].save(path)
    size = path.stat().st_size
    monkeypatch.setattr("bitstream.prior.MAX_PRIOR_BYTES", size)
    assert Prior.load(path)
    monkeypatch.setattr("bitstream.prior.MAX_PRIOR_BYTES", size - 1)
    says = f"^{path} has {size} bytes, a prior has at most {size - 1}$"
    with pytest.raises(CodecError, match=says):
        Prior.load(path)


@pytest.mark.parametrize("array", [np.zeros(1, np.int64), np.zeros((1, 1), np.int32)])
def test_arrays_have_types(array):
    shape = r"\(1, 1\)" if array.ndim == 2 else r"\(1,\)"
    says = f"^cells is {array.dtype} {shape}, expected int32 in 1 dimensions$"
    with pytest.raises(ValueError, match=says):
        StaticPrior.from_arrays({"cells": array})


def test_bad_prior_files_are_refused(tmp_path):
    path = tmp_path / "prior.safetensors"
    path.write_bytes(b"nonsense")
    with pytest.raises(CodecError, match="not a safetensors file"):
        Prior.load(path)
    PRIORS["static"].save(path)
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"static"', b'"sta7ic"'))
    with pytest.raises(CodecError, match="kind 'sta7ic'"):
        Prior.load(path)
    path.write_bytes(good.replace(b'"I32"', b'"F32"'))
    with pytest.raises(CodecError, match="is F32, a prior holds integers only"):
        Prior.load(path)
    path.write_bytes(good.replace(b"tables.3", b"tables.x"))
    with pytest.raises(CodecError, match="tables.3"):
        Prior.load(path)
    middle = len(good) // 2  # in the tables
    path.write_bytes(good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :])
    with pytest.raises(CodecError, match="not a valid static prior"):
        Prior.load(path)


@pytest.mark.parametrize(
    ("cells", "tables", "bucket", "says"),
    [
        ((), [], None, "expected 1..64 stages, got 0 cells and 0 codes"),
        ((8, 8), [[[2**23, 2**23]]], None, "expected 1..64 stages, got 2 cells and 1 codes"),
        (
            (0,),
            [[[2**23, 2**23]]],
            None,
            "expected cells of 1 pixel or more, got (0,)",
        ),
        ((8,), [[[2**23, 2**23]]], [0] * 100, "expected a bucket >= 0 for each of 101 qualities"),
        (
            (8,),
            [[[2**23, 2**23]]],
            [0] * 100 + [-1],
            "expected a bucket >= 0 for each of 101 qualities",
        ),
        ((8,), [[[2**23, 2**23]]], [0] * 100 + [1], "a quality has bucket 1, which has no tables"),
        (
            (8, 8),
            [[[2**23, 2**23]], [[2**23, 2**23]] * 2],
            None,
            "the stages have [1, 2] buckets, expected equally many",
        ),
    ],
)
def test_static_priors_that_do_not_fit_are_refused(cells, tables, bucket, says):
    with pytest.raises(ValueError) as caught:
        StaticPrior(cells, tables, bucket)
    assert str(caught.value) == says
