"""The context prior: integers only, both sides alike, as the reference reads it, and quick."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from bitstream_samples import FINGERPRINT, any_indices, context_prior, sample_indices
from effort import Effort

from bitstream import container, reference
from bitstream.context import ContextPrior, StageContext
from bitstream.header import Header
from bitstream.prior import Prior
from bitstream.stream import decode_indices, encode_indices, ideal_bits
from bitstream.tables import IntArray, Tables

pytestmark = pytest.mark.usefixtures("implementation")


def header(width: int, height: int, quality: int = 40) -> Header:
    return Header(width, height, quality=quality, stages=10, fingerprint=FINGERPRINT)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 300), (65, 33), (200, 120)])
@pytest.mark.parametrize("draw", [sample_indices, any_indices])
def test_round_trip_also_through_the_reference(
    width: int, height: int, draw, tmp_path: Path
) -> None:
    prior, head = context_prior(), header(width, height)
    indices = draw(prior, head)
    payload = encode_indices(indices, prior, head)
    prior.save(tmp_path / "prior.safetensors")
    again = Prior.load(tmp_path / "prior.safetensors")
    assert isinstance(again, ContextPrior)
    for grid, back in zip(indices, decode_indices(payload, again, head), strict=True):
        assert np.array_equal(grid, back)
    spec = reference.load_prior((tmp_path / "prior.safetensors").read_bytes())
    decoded = reference.decode(container.write(head, payload), spec)
    assert decoded == [grid.ravel().tolist() for grid in indices]


@pytest.mark.parametrize(
    ("cells", "width", "height"),
    [((8, 1), 11, 150), ((8, 8, 1), 1, 70), ((3,), 9, 9), ((16, 2), 300, 5), ((1,), 64, 40)],
)
def test_pyramids_of_other_steps(cells, width: int, height: int, tmp_path: Path) -> None:
    """Ratios of 8, several bands and many rows of vectors, one stage: as the reference reads it."""
    prior = context_prior(2, cells, symbols=5, tables=4)
    prior.save(tmp_path / "prior.safetensors")
    head = Header(width, height, quality=9, stages=len(cells), fingerprint=FINGERPRINT)
    indices = any_indices(prior, head)
    payload = encode_indices(indices, prior, head)
    for grid, back in zip(indices, decode_indices(payload, prior, head), strict=True):
        assert np.array_equal(grid, back)
    spec = reference.load_prior((tmp_path / "prior.safetensors").read_bytes())
    decoded = reference.decode(container.write(head, payload), spec)
    assert decoded == [grid.ravel().tolist() for grid in indices]


def test_context_is_used() -> None:
    """Indices drawn from the contexts cost less than under shuffled tables."""
    prior, head = context_prior(), header(320, 240)
    indices = sample_indices(prior, head)
    used = {
        len(np.unique(ids))
        for stage in range(10)
        for ids in [table_ids(prior, head, indices, stage)]
    }
    assert max(used) >= 8
    rng = np.random.default_rng(1)
    contexts = [
        dataclasses.replace(c, tables=Tables(rng.permutation(c.tables.frequencies)))
        for c in prior.contexts
    ]
    shuffled = ContextPrior(prior.cells, prior.features, contexts, prior.shift)
    assert ideal_bits(indices, prior, head) < 0.9 * ideal_bits(indices, shuffled, head)


def table_ids(prior: Prior, head: Header, indices: list[IntArray], stage: int) -> IntArray:
    """All table ids of a stage, given the stages before."""
    seen: list[IntArray] = []

    def record(ids: IntArray, tables: Tables, symbols: IntArray | None) -> IntArray:
        assert symbols is not None
        seen.append(ids)
        return symbols

    state = prior.begin(head.height, head.width, head.quality)
    for number in range(stage):
        state.code_stage(number, record, indices[number])
    seen.clear()
    state.code_stage(stage, record, indices[stage])
    return np.concatenate(seen)


def test_every_array_is_an_integer_and_no_sum_is_a_float(monkeypatch: pytest.MonkeyPatch) -> None:
    import bitstream.context as module
    from bitstream import compiled

    monkeypatch.setattr(compiled, "extension", None)
    prior, head = context_prior(), header(100, 80)
    assert {array.dtype.kind for array in prior.to_arrays().values()} <= {"i", "u"}
    dtypes = set()
    nearest, before = module._nearest, module.ContextState._known_before

    def spy_nearest(vectors: IntArray, centres: IntArray) -> IntArray:
        dtypes.update({vectors.dtype, centres.dtype, (vectors @ (-2 * centres.T)).dtype})
        return nearest(vectors, centres)

    def spy_before(state: module.ContextState, stage: int) -> IntArray:
        vectors = before(state, stage)
        dtypes.update({vectors.dtype, *(total.dtype for total in state._sums)})
        return vectors

    monkeypatch.setattr(module, "_nearest", spy_nearest)
    monkeypatch.setattr(module.ContextState, "_known_before", spy_before)
    encode_indices(sample_indices(prior, head), prior, head)
    assert dtypes == {np.dtype(np.int32)}


def test_sums_that_could_overflow_are_refused() -> None:
    prior = context_prior()
    loud = dataclasses.replace(prior.contexts[4], own=prior.contexts[4].own * (1 << 20))
    with pytest.raises(ValueError, match=r"sums of stage 4 could leave int32"):
        ContextPrior(
            prior.cells, prior.features, [*prior.contexts[:4], loud, *prior.contexts[5:]], 3
        )


def arrays_of(length: int, dim: int, cells: tuple[int, ...] = (8,)) -> dict[str, np.ndarray]:
    """A prior of zeros with two codes and two tables a stage."""
    arrays = {"cells": np.array(cells, np.int32), "shift": np.zeros(1, np.int32)}
    levels = sorted(set(cells), reverse=True)
    for s, cell in enumerate(cells):
        side, level = cells[0] // cell, levels.index(cell)
        shapes = {
            "features": (2, length),
            "own": (5, length, dim),
            "coarse": (level, 3, length, dim),
            "place": (side, side, dim),
            "quality": (101, dim),
            "centres": (2, dim),
        }
        arrays |= {f"{name}.{s}": np.zeros(shape, np.int32) for name, shape in shapes.items()}
        arrays[f"tables.{s}"] = np.full((2, 2), 2**23, np.uint32)
    return arrays


def test_sizes_have_bounds() -> None:
    for length, dim in ((1, 1), (64, 42)):
        assert len(ContextPrior.from_arrays(arrays_of(length, dim)).cells) == 1
    with pytest.raises(ValueError, match=r"expected 1\.\.64 features of a code, got 65"):
        ContextPrior.from_arrays(arrays_of(65, 1))
    for dim in (0, 43):
        with pytest.raises(
            ValueError, match=rf"^expected 1\.\.42 numbers of a context, got {dim}$"
        ):
            ContextPrior.from_arrays(arrays_of(1, dim))
    assert len(ContextPrior.from_arrays(arrays_of(1, 1, (8,) * 64)).cells) == 64
    with pytest.raises(ValueError, match=r"cells has shape \(65,\), expected 1\.\.64 numbers"):
        ContextPrior.from_arrays(arrays_of(1, 1, (8,) * 65))


@pytest.mark.parametrize("part", ["own", "coarse", "place", "quality"])
def test_every_part_of_a_sum_counts(part: str) -> None:
    """The bound of int32 lies where 4 features of 2 x weights, places and qualities reach 2^31."""
    arrays = arrays_of(1, 2, (16, 8))
    for s in (0, 1):
        arrays[f"features.{s}"][:] = -2
    place = {"own": (4, 0), "coarse": (0, 2, 0), "place": (1, 1), "quality": (100,)}[part]
    times = {"own": 8, "coarse": 2, "place": 1, "quality": 1}[part]
    arrays[f"{part}.1"][place] = -(2**31 // times - 1)
    assert ContextPrior.from_arrays(arrays)
    arrays[f"{part}.1"][place] -= np.array([0, 1], np.int32)
    with pytest.raises(ValueError, match="the context sums of stage 1 could leave int32"):
        ContextPrior.from_arrays(arrays)


def test_features_of_a_level_add_up() -> None:
    """Two stages of 1 and 2, so that 4 of their sums reach 12 in a third stage of the level."""
    arrays = arrays_of(1, 1, (16, 8, 8, 8))
    arrays["features.1"][0], arrays["features.2"][1] = 1, -2
    arrays["own.3"][0] = 2**31 // 12
    assert ContextPrior.from_arrays(arrays)
    arrays["own.3"][1] += 1
    with pytest.raises(ValueError, match="the context sums of stage 3 could leave int32"):
        ContextPrior.from_arrays(arrays)


@pytest.mark.parametrize("part", ["features", "own", "coarse", "place", "quality"])
def test_the_least_integer_is_large(part: str) -> None:
    """-2^31, whose absolute value is none in 32 bits."""
    arrays = arrays_of(1, 1, (16, 8))
    for s in (0, 1):
        arrays[f"features.{s}"][:] = 1
        arrays[f"own.{s}"][:] = 1
    arrays[f"{part}.1"].flat[0] = -(2**31)
    with pytest.raises(ValueError, match="the context sums of stage 1 could leave int32"):
        ContextPrior.from_arrays(arrays)


def test_centres_and_shifts_have_bounds() -> None:
    arrays = arrays_of(1, 2)
    arrays["centres.0"][:] = [[4095, -4095], [-4095, 4095]]
    for shift in (0, 24):
        arrays["shift"][0] = shift
        assert ContextPrior.from_arrays(arrays).shift == shift
    for shift in (-1, 25):
        arrays["shift"][0] = shift
        with pytest.raises(ValueError, match=rf"^expected a shift of 0\.\.24 bits, got {shift}$"):
            ContextPrior.from_arrays(arrays)
    arrays["shift"][0] = 0
    for centre in (4096, -4096, -(2**31)):
        arrays["centres.0"][1, 0] = centre
        with pytest.raises(ValueError, match="^centres.0 leave the range ±4095$"):
            ContextPrior.from_arrays(arrays)


@pytest.mark.parametrize("cells", [(8, 16), (16, 8, 16), (12, 8), (8, 5), (12, 6, 4)])
def test_cells_form_a_pyramid(cells: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^cells \(.*\) do not form a pyramid, coarse to fine$"):
        ContextPrior.from_arrays(arrays_of(1, 1, cells))


def test_contexts_are_clipped(tmp_path: Path) -> None:
    """Two centres as near to a context of 4095, but not to one beyond it: the first one wins."""
    arrays = arrays_of(1, 2)
    arrays["centres.0"][:] = [[0, 0], [4095, 4095]]
    arrays["quality.0"][1:3] = [[5000, 0], [4095, 1]]
    low = arrays_of(1, 2)
    low["centres.0"][:], low["quality.0"][:] = -arrays["centres.0"], -arrays["quality.0"]
    for each in (arrays, low):
        each["tables.0"][1] = [1, 2**24 - 1]
        prior = ContextPrior.from_arrays(each)
        prior.save(tmp_path / "prior.safetensors")
        spec = reference.load_prior((tmp_path / "prior.safetensors").read_bytes())
        for quality, table in ((1, 0), (2, 1)):
            head = Header(8, 8, quality=quality, stages=1, fingerprint=FINGERPRINT)
            indices = [np.zeros((1, 1), np.int32)]
            assert table_ids(prior, head, indices, 0) == [table]
            data = container.write(head, encode_indices(indices, prior, head))
            assert reference.decode(data, spec) == [[0]]


@pytest.mark.parametrize(
    "name", ["features", *(f.name for f in dataclasses.fields(StageContext) if f.name != "tables")]
)
def test_arrays_of_wrong_shape_are_refused(name: str) -> None:
    prior = context_prior()
    arrays = dict(prior.to_arrays())
    arrays[f"{name}.6"] = arrays[f"{name}.6"][:-1]
    if name == "coarse":
        arrays["coarse.6"] = arrays["coarse.6"][:0]
    with pytest.raises(ValueError, match=rf"^{name}\.6 has shape \(.*\), expected \("):
        ContextPrior.from_arrays(arrays)


def test_a_kodak_sized_image_takes_little_work() -> None:
    prior = context_prior(symbols=256, tables=128)
    head = header(768, 512)
    indices = sample_indices(prior, head)
    encode_indices(indices, prior, head)
    with Effort() as encoding:
        payload = encode_indices(indices, prior, head)
    with Effort() as decoding:
        decode_indices(payload, prior, head)
    assert max(encoding.units, decoding.units) < 500
