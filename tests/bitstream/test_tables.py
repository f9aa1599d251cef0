"""Frequency tables: what is accepted, how counts become tables, and grouping."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bitstream.tables import TOTAL, Tables, frequencies_from_counts, group, uniform

counts = arrays(
    np.int64, st.tuples(st.integers(1, 4), st.integers(2, 40)), elements=st.integers(0, 2**32)
)


@given(counts)
def test_counts_become_valid_tables_that_keep_their_order(given_counts):
    frequencies = frequencies_from_counts(given_counts)
    assert Tables(frequencies).frequencies.dtype == np.uint32
    for row, row_counts in zip(frequencies.astype(np.int64), given_counts, strict=True):
        by_count = np.argsort(row_counts, kind="stable")
        assert (np.diff(row[by_count])[np.diff(row_counts[by_count]) > 0] >= 0).all()


def test_shares_are_within_one_of_proportional():
    given_counts = np.array([[5, 7, 0, 988]])
    exact = 1 + given_counts * (TOTAL - 4) / 1000
    assert np.abs(frequencies_from_counts(given_counts) - exact).max() < 1


def test_a_row_without_counts_is_uniform():
    assert frequencies_from_counts([[0, 0, 0]]).tolist() == [[5592406, 5592405, 5592405]]
    assert len(set(uniform(256).frequencies[0].tolist())) == 1


@pytest.mark.parametrize(
    ("frequencies", "says"),
    [
        ([[0.5, 0.5]], "frequency tables are integers of shape (T, K), got float64 (1, 2)"),
        ([TOTAL // 2, TOTAL // 2], "frequency tables are integers of shape (T, K), got int64 (2,)"),
        ([[TOTAL]], "expected 1..2**16 tables of 2..2**16 symbols, got (1, 1)"),
        (
            np.ones((2**16 + 1, 2), int),
            "expected 1..2**16 tables of 2..2**16 symbols, got (65537, 2)",
        ),
        (
            np.ones((1, 2**16 + 1), int),
            "expected 1..2**16 tables of 2..2**16 symbols, got (1, 65537)",
        ),
        ([[TOTAL, 0]], "a frequency lies outside 1..2**24 - 1"),
        ([[TOTAL, 1]], "a frequency lies outside 1..2**24 - 1"),
        ([[TOTAL - 1, 0]], "a frequency lies outside 1..2**24 - 1"),
        ([[TOTAL + 1, -1]], "a frequency lies outside 1..2**24 - 1"),
        ([[TOTAL // 2, TOTAL // 2 - 1]], "table 0 sums to 16777215, expected 2**24"),
        ([[2, TOTAL - 2], [1, 1]], "table 1 sums to 2, expected 2**24"),
        (np.empty((0, 2), int), "expected 1..2**16 tables of 2..2**16 symbols, got (0, 2)"),
    ],
)
def test_wrong_tables_are_refused(frequencies, says):
    with pytest.raises(ValueError) as caught:
        Tables(frequencies)
    assert str(caught.value) == says


def test_the_largest_tables_are_accepted():
    assert Tables([[TOTAL - 1, 1]]).symbols == 2
    assert Tables(np.full((1, 2**16), 2**8)).symbols == 2**16
    assert len(Tables(np.full((2**16, 2), 2**23))) == 2**16


def test_tables_have_code_lengths():
    bits = Tables([[2**20, TOTAL - 2**20]]).bits
    assert bits.dtype == np.float32
    assert bits[0].tolist() == pytest.approx([4, -np.log2(15 / 16)])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([[1.5, 2.0]], "counts are integers of shape (T, K >= 2), got float64 (1, 2)"),
        ([[3]], "counts are integers of shape (T, K >= 2), got int64 (1, 1)"),
        ([1, 2], "counts are integers of shape (T, K >= 2), got int64 (2,)"),
        ([[-1, 3]], "a count lies outside 0..2**38 - 1"),
        ([[2**38, 0]], "a count lies outside 0..2**38 - 1"),
        ([[2**37] * 2], "the counts of a table sum to 2**38 or more"),
    ],
)
def test_wrong_counts_are_refused(wrong, says):
    with pytest.raises(ValueError) as caught:
        frequencies_from_counts(wrong)
    assert str(caught.value) == says


def test_the_largest_counts_are_accepted():
    assert frequencies_from_counts([[2**38 - 1, 0]]).tolist() == [[TOTAL - 1, 1]]
    assert frequencies_from_counts([[2**38 - 2, 1]]).sum() == TOTAL
    assert frequencies_from_counts(np.zeros((0, 2), int)).shape == (0, 2)


def test_tables_do_not_change_with_the_callers_array():
    frequencies = np.array([[TOTAL - 1, 1]], np.uint32)
    tables = Tables(frequencies)
    frequencies[0] = 0
    assert tables.frequencies.tolist() == [[TOTAL - 1, 1]]
    with pytest.raises(ValueError, match="read-only"):
        tables.frequencies[0, 0] = 0


def test_models_are_built_once():
    tables = uniform(8)
    assert tables.model(0) is tables.model(0)


def test_tables_can_be_copied_and_pickled_once_used():
    tables = uniform(8)
    tables.model(0)
    for other in (copy.deepcopy(tables), pickle.loads(pickle.dumps(tables))):  # noqa: S301
        np.testing.assert_array_equal(other.frequencies, tables.frequencies)
        assert other.model(0) is not tables.model(0)


@given(st.lists(st.integers(0, 6), max_size=50))
def test_group_is_a_stable_sort(ids):
    order, slices = group(np.array(ids, np.int32), 7)
    assert order.tolist() == sorted(range(len(ids)), key=ids.__getitem__)
    assert [ids[i] for i in order] == [t for t, start, stop in slices for _ in range(start, stop)]


@pytest.mark.parametrize("ids", [[-1], [7], [0, 65536]])
def test_group_refuses_ids_without_a_table(ids):
    with pytest.raises(ValueError, match="^a table id lies outside 0..6$"):
        group(np.array(ids, np.int32), 7)


def test_equal_remainders_go_to_the_lower_symbols():
    counts = np.random.default_rng(0).integers(1, 3, 300)
    total, rest = int(counts.sum()), TOTAL - 300
    expected = [1 + int(count) * rest // total for count in counts]
    order = sorted(range(300), key=lambda symbol: -(int(counts[symbol]) * rest % total))
    for symbol in order[: TOTAL - sum(expected)]:
        expected[symbol] += 1
    found = frequencies_from_counts([counts])
    assert (found.dtype, found[0].tolist()) == (np.uint32, expected)
    assert frequencies_from_counts([[1] * 100]).tolist() == [[167773] * 16 + [167772] * 84]
