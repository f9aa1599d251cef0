"""The second search for codes, by the lengths that their contexts give them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from bitstream_samples import context_prior
from small_models import FOUR, mixing

import codec
from bitstream.context import ContextState
from codec.images.strips import Strips
from codec.models.tiny import tiny_model
from codec.runtime.context_search import SLOPE, ContextBeam, ContextSearch, smallest
from codec.runtime.surroundings import Surroundings

CONFIG = replace(FOUR, texture=16)  # four levels and texture codes, 16 codes in every stage


@pytest.fixture(scope="module")
def model():
    made = mixing(tiny_model(config=CONFIG))
    made.prior = context_prior(cells=tuple(s.cell for s in CONFIG.stages), symbols=16)
    return made


@pytest.fixture(scope="module")
def scene():
    rows, columns = np.mgrid[0:600, 0:1030]
    noise = np.random.default_rng(1).normal(0, 20, (600, 1030, 3))
    picture = np.stack([rows % 256, columns % 256, (rows + columns) % 256], 2) + noise
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (40, 290), (150, 101)])
def test_surroundings_and_own_codes_name_the_tables_that_code_the_file(model, height, width):
    prior, books = model.prior, model.codebooks.books
    rng = np.random.default_rng(height)
    state = ContextState(prior, height, width, 60)
    indices = [rng.integers(0, 16, shape).astype(np.int32) for shape in state.shapes]
    coded = []  # per stage the tables of the two passes
    for stage, grid in enumerate(indices):
        coded.append(seen := [])
        state.code_stage(stage, lambda ids, _, known, seen=seen: (seen.append(ids), known)[1], grid)
    for stages in model.codebooks.levels:
        around = Surroundings(prior, stages, indices, 60, {})
        needed = ContextBeam(prior, [books[stage] for stage in stages], stages, 1.0)._stages
        rows, columns = indices[stages[0]].shape
        for second in (False, True):
            found = [[] for _ in stages]
            for y in range(rows):
                x = np.arange((y + second) % 2, columns, 2)
                known = np.zeros((len(x), 6), np.float32)
                for k, elsewhere in enumerate(around.around(y, x, second=second)):
                    found[k] += needed[k].tables(elsewhere + known @ needed[k].own).tolist()
                    known += needed[k].features[indices[stages[k]][y, x]]
            for stage, tables in zip(stages, found, strict=True):
                assert tables == coded[stage][second].tolist()


def test_a_beam_as_wide_as_all_combinations_finds_the_least_cost():
    prior, rng = context_prior(cells=(32, 32), symbols=4), np.random.default_rng(0)
    books = [rng.normal(0, 1, (4, 3)).astype(np.float32) for _ in range(2)]
    vectors = rng.normal(0, 2, (30, 3)).astype(np.float32)
    around = [rng.integers(-3000, 3000, (30, 5)).astype(np.float32) for _ in range(2)]
    beam, lam = ContextBeam(prior, books, (0, 1), 0.3), np.float32(SLOPE * 0.3)
    first, second = (context.tables.bits for context in prior.contexts)
    tables = beam._stages[0].tables(around[0])
    costs = []
    for a, b in itertools.product(range(4), repeat=2):
        own = prior.features[0][a] @ prior.contexts[1].own[0]
        bits = first[tables, a] + second[beam._stages[1].tables(around[1] + own), b]
        costs.append(np.square(vectors - books[0][a] - books[1][b]).sum(1) + lam * bits)
    best = np.argmin(costs, axis=0)
    found = beam.search(vectors, around, 16)
    assert (found[:, 0] * 4 + found[:, 1]).tolist() == best.tolist()
    narrow = beam.search(vectors, around, 1)
    assert (narrow != found).any()


@pytest.mark.parametrize(("columns", "count"), [(64, 1), (512, 8), (512, 31), (40, 7), (16, 32)])
def test_smallest(columns, count):
    score = np.random.default_rng(columns).normal(size=(9, columns)).astype(np.float32)
    value, column = smallest(score, count)
    assert np.array_equal(value, np.sort(score, axis=1)[:, :count])
    assert np.array_equal(np.take_along_axis(score, column, 1), value)


@pytest.mark.parametrize("quality", [30, 80])
def test_tiles_equal_the_whole_image(model, scene, quality):
    files = [
        codec.encode(scene, quality=quality, model=model, effort=6, tile=tile)
        for tile in (512, 544, 1 << 20)
    ]
    assert files[0] == files[1] == files[2]
    codec.verify(files[0], model=model)
    assert files[0] != codec.encode(scene, quality=quality, model=model, effort=5)


def test_only_a_row_of_tiles_waits(model, scene, monkeypatch):
    waiting = []
    take = ContextSearch.take

    def counted(self, top, left, vectors):
        take(self, top, left, vectors)
        waiting.append((len(self._waiting), len(vectors)))

    monkeypatch.setattr(ContextSearch, "take", counted)
    model.quantize(model.analyze(Strips([scene]), 512), 80, effort=6)
    assert all(rows <= own + 1 for rows, own in waiting)
    assert waiting[-1][0] == 0


def test_what_the_codes_left_is_that_of_the_final_codes(model, scene):
    coding = model.quantize(model.analyze(Strips([scene[:96, :96]])), 0, effort=6)
    stages = model.codebooks.levels[0]
    vectors = model.analyze(Strips([scene[:96, :96]])).latents[0][0].transpose(1, 2, 0)
    rest = vectors - model.codebooks.sum(stages, [coding.indices[stage] for stage in stages])
    left, all_ = coding.energy[0]
    assert left == pytest.approx(np.square(rest).sum() / 9, rel=1e-5)
    assert all_ == pytest.approx(np.square(vectors).sum() / 9, rel=1e-5)
