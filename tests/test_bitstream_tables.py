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
    ("frequencies", "word"),
    [
        ([[0.5, 0.5]], "integers"),
        ([TOTAL // 2, TOTAL // 2], "shape"),
        ([[TOTAL]], "2..2"),
        ([[TOTAL, 0]], "outside"),
        ([[TOTAL + 1, -1]], "outside"),
        ([[TOTAL // 2, TOTAL // 2 - 1]], "sums to 16777215"),
        ([[2, TOTAL - 2], [1, 1]], "table 1 sums to 2"),
        (np.empty((0, 2), int), "tables"),
    ],
)
def test_wrong_tables_are_refused(frequencies, word):
    with pytest.raises(ValueError, match=word):
        Tables(frequencies)


@pytest.mark.parametrize("wrong", [[[1.5, 2.0]], [[-1, 3]], [[2**38, 0]], [[2**37] * 2], [[3]]])
def test_wrong_counts_are_refused(wrong):
    with pytest.raises(ValueError, match="count"):
        frequencies_from_counts(wrong)


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
    with pytest.raises(ValueError, match="0..6"):
        group(np.array(ids, np.int32), 7)


def test_equal_remainders_go_to_the_lower_symbols():
    assert frequencies_from_counts([[1] * 100]).tolist() == [[167773] * 16 + [167772] * 84]
