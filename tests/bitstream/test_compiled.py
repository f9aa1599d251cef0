"""The C extension: the same as numpy for the priors that it takes, numpy for others, optional."""

import copy
import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import native
import numpy as np
import pytest
from bitstream_samples import FINGERPRINT, any_indices, context_prior
from golden import DATA, INDEX, PRIOR, VERSIONS, hash_of, version_of
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream import ContextPrior, Header, Prior, compiled, parse
from bitstream.context import CLIP, MAX_CONTEXT, MAX_FEATURES
from bitstream.stream import decode_indices, encode_indices
from bitstream.tables import frequencies_from_counts

GOLDEN = {name: entry for v in VERSIONS for name, entry in json.loads(INDEX[v].read_text()).items()}
GOLDEN_PRIORS = {version: Prior.load(PRIOR[version]) for version in VERSIONS}

needs_compiler = pytest.mark.skipif(native.compiler() is None, reason="there is no C compiler")


@pytest.fixture(scope="module", params=native.KINDS)
def extension(request):
    """The extension of each kind, in place."""
    if native.compiler() is None:
        pytest.skip("there is no C compiler")
    with pytest.MonkeyPatch.context() as patch:
        module = native.extension(request.param)
        patch.setattr(compiled, "extension", module)
        yield module


def random_prior(rng, cells, length, dim, symbols, tables, most):
    """A prior of any sizes whose features are within `most` and whose sums fill 31 bits."""

    def draw(bound, *shape):
        return rng.integers(-bound, bound + 1, shape).astype(np.int32)

    levels = sorted(set(cells), reverse=True)
    weight = min(32767, 2**30 // (4 * len(cells) * most * length * (5 + 3 * len(levels))))
    arrays = {"cells": np.array(cells, np.int32), "shift": rng.integers(0, 25, 1, dtype=np.int32)}
    for s, cell in enumerate(cells):
        level, side = levels.index(cell), cells[0] // cell
        arrays |= {
            f"features.{s}": draw(most, symbols, length),
            f"own.{s}": draw(weight, 5, length, dim),
            f"coarse.{s}": draw(weight, level, 3, length, dim),
            f"place.{s}": draw(2**28, side, side, dim),
            f"quality.{s}": draw(2**28, 101, dim),
            f"centres.{s}": draw(rng.integers(1, CLIP + 1), tables, dim),
            f"tables.{s}": frequencies_from_counts(rng.integers(0, 999, (tables, symbols))),
        }
    return ContextPrior.from_arrays(arrays)


def both(prior, head, indices):
    """The payload, by C and by numpy, each decoded by the other."""
    assert prior.is_compiled
    payload = encode_indices(indices, prior, head)
    by_c = decode_indices(payload, prior, head)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "extension", None)
        assert not prior.is_compiled
        assert encode_indices(indices, prior, head) == payload
        by_numpy = decode_indices(payload, prior, head)
    for grid, c, n in zip(indices, by_c, by_numpy, strict=True):
        np.testing.assert_array_equal(c, grid)
        np.testing.assert_array_equal(n, grid)
    return payload


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    cells=st.sampled_from(
        [(1,), (8, 4), (9, 3, 3, 1), (30, 10, 5, 5), (4,) * 5, (64, 32, 16, 8, 4), (7, 7, 1)]
    ),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    length=st.integers(1, MAX_FEATURES),
    dim=st.integers(1, MAX_CONTEXT),
    symbols=st.integers(2, 300),
    tables=st.integers(1, 140),
    most=st.integers(1, 1600),
)
def test_priors_of_any_sizes(extension, seed, cells, size, length, dim, symbols, tables, most):
    rng = np.random.default_rng(seed)
    prior = random_prior(rng, cells, length, dim, symbols, tables, most)
    head = Header(*size, int(rng.integers(101)), len(cells), FINGERPRINT)
    both(prior, head, any_indices(prior, head, seed))


@pytest.mark.parametrize(
    ("symbols", "tables"), [(2**16, 2), (2, 2**16), (65535, 3)], ids=["codes", "tables", "odd"]
)
def test_the_most_symbols_and_tables(extension, symbols, tables):
    prior = random_prior(np.random.default_rng(1), (8, 4), 3, 5, symbols, tables, 9)
    head = Header(20, 30, 3, 2, FINGERPRINT)
    both(prior, head, any_indices(prior, head))


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_files(extension, name):
    file, prior = parse((DATA / name).read_bytes()), GOLDEN_PRIORS[version_of(name)]
    indices = decode_indices(file.payload, prior, file.header)
    assert hash_of(indices) == GOLDEN[name]["indices_sha256"]
    assert both(prior, file.header, indices) == file.payload


def test_equal_distances_take_the_lowest_table(extension):
    """All centres alike, and pairs of them, in any lane of a vector."""
    for tables in (1, 2, 3, 4, 5, 8, 11):
        prior = context_prior(3, (8, 4), symbols=9, tables=tables)
        for context in prior.contexts:
            context.centres[:] = context.centres[-1]
        head = Header(30, 40, 20, 2, FINGERPRINT)
        payload = both(prior, head, any_indices(prior, head))
        seen = []

        def look(ids, tables, symbols, seen=seen):
            seen.append(ids)
            return np.zeros_like(ids)

        prior.begin(40, 30, 20).code_stage(0, look, None)
        assert not np.concatenate(seen).any()
        assert payload


PARTS = ["own", "coarse", "features"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_beyond_16_bits_are_numpys(extension, part, sign):
    """At the bound C takes a prior, beyond it numpy does, and both code alike."""
    edge = {"own": 32767, "coarse": 32767, "features": 8191}[part]
    for value, fits in ((edge, True), (edge + 1, False)):
        arrays = dict(context_prior(4, (8, 8, 4), symbols=7, tables=5).to_arrays())
        for s in range(3):
            for name in PARTS:
                arrays[f"{name}.{s}"] = np.clip(arrays[f"{name}.{s}"], -2, 2)
        if part == "features":  # two stages of a level reach it together
            arrays["features.0"].flat[3] = sign * 5000
            arrays["features.1"].flat[1] = sign * (value - 5000)
        else:
            arrays[f"{part}.2"].flat[-1] = sign * value
        prior = ContextPrior.from_arrays(arrays)
        assert prior.is_compiled is fits
        head = Header(50, 40, 30, 3, FINGERPRINT)
        indices = any_indices(prior, head)
        payload = encode_indices(indices, prior, head)
        for grid, back in zip(indices, decode_indices(payload, prior, head), strict=True):
            np.testing.assert_array_equal(grid, back)
        if fits:
            assert both(prior, head, indices) == payload


def test_numbers_of_another_type_are_numpys(extension):
    prior = context_prior(5, (8, 4))
    prior.features[1] = prior.features[1].astype(np.int64)
    assert not prior.is_compiled


def test_a_used_prior_can_be_copied(extension):
    prior, head = context_prior(6, (8, 4)), Header(40, 30, 50, 2, FINGERPRINT)
    indices = any_indices(prior, head)
    payload = both(prior, head, indices)
    for other in (copy.deepcopy(prior), pickle.loads(pickle.dumps(prior))):  # noqa: S301
        assert both(other, head, indices) == payload


def test_many_threads_share_a_prior(extension):
    prior = context_prior(7)
    heads = [Header(100 + n, 90 - n, 5 * n, 10, FINGERPRINT) for n in range(8)]
    images = [any_indices(prior, head, seed) for seed, head in enumerate(heads)]
    payloads = [encode_indices(i, prior, h) for i, h in zip(images, heads, strict=True)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            again = pool.map(lambda p, h: decode_indices(p, prior, h), payloads, heads)
            for indices, decoded in zip(images, again, strict=True):
                assert all(map(np.array_equal, indices, decoded))


def test_a_coder_that_invents_symbols_is_stopped(extension):
    """Symbols that the prior does not have would be looked up outside of its features."""
    prior = context_prior(8, (8, 4), symbols=9)
    for bad in (9, -1):
        state = prior.begin(16, 16, 0)
        with pytest.raises(ValueError, match=r"^a symbol lies outside 0\.\.8$"):
            state.code_stage(0, lambda ids, *_, bad=bad: np.full_like(ids, bad), None)


def test_arguments_that_do_not_match_are_refused(extension):
    """What only a mistake in `compiled.py` could pass."""
    prior = context_prior(9, (8, 4), symbols=9)
    packed, image = prior.packed, prior.begin(20, 30, 0)._image
    tables, other = prior.contexts[0].tables, prior.begin(20, 40, 0)._image
    grid, ids = np.zeros((3, 4), np.int32), np.zeros(6, np.int32)
    calls = [
        (extension.tables, packed[0][:-1], image, 0, 0, grid, ids),
        (extension.tables, packed[0], image[:-1], 0, 0, grid, ids),
        (extension.tables, packed[0], image[:9], 0, 0, grid, ids),
        (extension.tables, b"", image, 0, 0, grid, ids),
        (extension.tables, packed[0], other, 0, 0, grid, ids),
        (extension.tables, packed[1], image, 0, 0, grid, ids),
        (extension.tables, packed[0], image, 101, 0, grid, ids),
        (extension.tables, packed[0], image, 0, 2, grid, ids[:5]),
        (extension.tables, packed[0], image, 0, 0, grid, ids[:5]),
        (extension.tables, packed[0], image, 0, 1, grid + 9, ids),
        (extension.add, packed[0], image, grid[:2].copy()),
        (extension.add, packed[0], image, grid - 1),
        (extension.put, 3, 4, 0, grid, ids[:5]),
        (extension.put, 3, 4, 2, grid, ids),
        (extension.put, -3, -4, 0, grid, ids),
        (extension.take, 2**62, 2**62, 0, grid, ids),
        (extension.check, ids + 16, tables.frequencies, 9, ids),
        (extension.check, ids - 1, tables.frequencies, 9, ids),
        (extension.check, ids, tables.frequencies, 9, ids + 9),
        (extension.check, ids, tables.frequencies, 10, ids),
        (extension.check, ids, tables.frequencies, 0, ids),
        (extension.check, ids, tables.frequencies, 9, ids[:5]),
        (extension.read, b"abcd", 5, 0, ids, tables.frequencies, 9, ids),
        (extension.read, b"abcd", -1, 0, ids, tables.frequencies, 9, ids),
        (extension.write, 2**31, ids, tables.frequencies, 9, ids - 1),
        (extension.begin_image, np.array([8, 4], np.int32), 20, 30, 6, image[1:].copy()),
        (extension.pack_stage, (9, 6, 5, 16, 0, 1, 3), *[ids] * 6, np.zeros(1, np.int64)),
    ]
    for call, *arguments in calls:
        with pytest.raises(ValueError, match=r"^.* (size than expected|lies outside 0\.\.\d+)$"):
            call(*arguments)
    for sizes in [(1, 6, 5, 16, 0, 1, 3), (9, 65, 5, 16, 0, 1, 3), (9, 6, 43, 16, 0, 1, 3)]:
        assert extension.pack_stage(sizes, *[ids] * 6, np.zeros(1, np.int64)) is None


@pytest.mark.parametrize(
    ("cells", "height", "width", "length"),
    [
        ([8], 2**40, 9, 4),
        ([8], 0, 9, 4),
        ([8], 2**36, 2**36, 4),
        ([8, 5], 9, 9, 4),
        ([8], 9, 9, 65),
    ],
)
def test_images_out_of_reach(extension, cells, height, width, length):
    with pytest.raises(MemoryError):
        extension.image_size(np.array(cells, np.int32), height, width, length)


def test_the_switch_and_a_missing_extension(monkeypatch):
    marker = object()
    monkeypatch.setitem(sys.modules, "bitstream._entropy", marker)
    monkeypatch.delenv(compiled.SWITCH, raising=False)
    assert compiled._load() is marker
    monkeypatch.setenv(compiled.SWITCH, "1")
    assert compiled._load() is None
    monkeypatch.delenv(compiled.SWITCH)
    monkeypatch.setitem(sys.modules, "bitstream._entropy", None)
    assert compiled._load() is None


@needs_compiler
def test_an_installation_builds_it_for_all_later_pythons(tmp_path):
    (path,) = native.build(tmp_path)
    assert ".abi3." in path.name or sys.platform == "win32"


def test_without_a_compiler_nothing_is_built_and_nothing_fails(tmp_path):
    missing = str(tmp_path / "no-such-compiler")
    assert native.build(tmp_path, CC=missing, LDSHARED=missing) == []


def test_header_work_does_not_load_it():
    code = "import sys, bitstream; print([name for name in sys.modules if 'compiled' in name])"
    environment = os.environ | {"PYTHONPATH": str(native.ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "[]"
