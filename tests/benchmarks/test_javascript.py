"""The decoders in JavaScript and in Python agree on damaged files; the benchmark has 10,000."""

import shutil

import pytest

from benchmarks.trust.javascript import MOST_PIXELS, Settings, compare

MOST_BYTES = (
    12 * 4 * MOST_PIXELS
)  # of an array: the sums of the finest level, of 12 numbers a pixel


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node: apt-get install nodejs")
def test_damaged_files_give_the_same():
    found = compare(Settings(files=400, seed=1))
    assert found["first_differences"] == []
    assert found["largest_array_bytes"] <= MOST_BYTES
    for counts in found["outcomes"].values():
        assert counts["refused"] > 100
        assert counts["decoded"] > 10
