"""Integer frequency tables: the only probabilities this codec knows.

A table gives each of its K symbols a frequency of at least 1; the frequencies sum to 2**24. The
coder uses exactly these integers, so no float decides a symbol on any machine.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int32]

PRECISION = 24
TOTAL = 1 << PRECISION
MAX_TABLES = 1 << 16
MAX_SYMBOLS = 1 << 16
MAX_COUNT = 1 << 38  # a row's counts times 2**24 stay within int64


class Tables:
    """T frequency tables over the same K symbols, checked once, with the coder's models.

    Args:
        frequencies: integers of shape (T, K), 1 <= T <= 2**16, 2 <= K <= 2**16, each at least 1,
            each row's sum 2**24. They are copied.

    Raises:
        ValueError: if the frequencies are not such tables.

    >>> tables = Tables([[2**24 - 1, 1], [2**23, 2**23]])
    >>> len(tables), tables.symbols
    (2, 2)
    >>> tables.bits[1].tolist()
    [1.0, 1.0]
    """

    def __init__(self, frequencies: ArrayLike) -> None:
        given = np.asarray(frequencies)
        if not np.issubdtype(given.dtype, np.integer) or given.ndim != 2:
            raise ValueError(
                f"frequency tables are integers of shape (T, K), got {given.dtype} {given.shape}"
            )
        rows, symbols = given.shape
        if not (1 <= rows <= MAX_TABLES and 2 <= symbols <= MAX_SYMBOLS):
            raise ValueError(f"expected 1..2**16 tables of 2..2**16 symbols, got {given.shape}")
        if given.min() < 1 or given.max() >= TOTAL:
            raise ValueError("a frequency lies outside 1..2**24 - 1")
        sums = given.sum(axis=1)  # of 64 bits, whatever the type is
        wrong = np.flatnonzero(sums != TOTAL)
        if len(wrong):
            raise ValueError(f"table {wrong[0]} sums to {sums[wrong[0]]}, expected 2**24")
        self.frequencies: NDArray[np.uint32] = given.astype(np.uint32, order="C")
        self.frequencies.flags.writeable = False
        self._models: list[Any] = [None] * rows

    def __len__(self) -> int:
        return len(self.frequencies)

    def __reduce__(self) -> tuple[type["Tables"], tuple[NDArray[np.uint32]]]:
        return Tables, (self.frequencies,)  # the coder's models cannot be pickled or copied

    @property
    def symbols(self) -> int:
        """K, the number of symbols of each table."""
        return int(self.frequencies.shape[1])

    @cached_property
    def bits(self) -> NDArray[np.float32]:
        """Ideal code length of each symbol, in bits, shape (T, K): for encoders and reports."""
        return np.asarray(PRECISION - np.log2(self.frequencies), np.float32)

    def model(self, row: int) -> Any:
        """Return the coder's model of one table, built at its first use and kept.

        constriction gives symbol i the frequency 1 + floor(p_i * (2**24 - K) / sum(p)); with
        p = f - 1 that is f exactly, in float64, for every table this class accepts.
        """
        model = self._models[row]
        if model is None:
            import constriction  # noqa: PLC0415  (where C does the work it is not needed)

            weights = self.frequencies[row] - 1.0  # float64
            model = self._models[row] = constriction.stream.model.Categorical(
                weights, perfect=False
            )
        return model


def frequencies_from_counts(counts: ArrayLike) -> NDArray[np.uint32]:
    """Turn symbol counts into frequency tables, in integers only.

    Each symbol gets 1, and the rest of 2**24 is shared in proportion to the counts: rounded down,
    then one more for the largest remainders (the lower symbol first among equals). A row without
    any count becomes as uniform as integers allow.

    Args:
        counts: integers >= 0 of shape (T, K), each row's sum below 2**38. Smooth them first if
            symbols never seen should cost less than 24 bits.

    Returns:
        uint32 of shape (T, K), valid for `Tables`.

    Raises:
        ValueError: if the counts are negative, too large, or not a 2-D integer array.

    >>> frequencies_from_counts([[3, 1, 0]]).tolist()
    [[12582911, 4194304, 1]]
    """
    given = np.asarray(counts)
    if not np.issubdtype(given.dtype, np.integer) or given.ndim != 2 or given.shape[1] < 2:
        raise ValueError(
            f"counts are integers of shape (T, K >= 2), got {given.dtype} {given.shape}"
        )
    if given.size and (given.min() < 0 or int(given.max()) >= MAX_COUNT):
        raise ValueError("a count lies outside 0..2**38 - 1")
    weights = given.astype(np.int64)
    weights[weights.sum(axis=1) == 0] = 1
    sums = weights.sum(axis=1, keepdims=True)  # (T, 1)
    if sums.max(initial=0) >= MAX_COUNT:
        raise ValueError("the counts of a table sum to 2**38 or more")
    symbols = given.shape[1]
    shares, remainders = np.divmod(weights * (TOTAL - symbols), sums)
    frequencies = shares + 1
    missing = TOTAL - frequencies.sum(axis=1)  # (T,), each below K
    order = np.argsort(-remainders, axis=1, kind="stable")
    for row, short in enumerate(missing):
        frequencies[row, order[row, :short]] += 1
    return np.asarray(frequencies, np.uint32)


def uniform(symbols: int) -> Tables:
    """Return one table that gives all its symbols equal frequencies, as nearly as integers can.

    >>> uniform(4).frequencies.tolist()
    [[4194304, 4194304, 4194304, 4194304]]
    """
    return Tables(frequencies_from_counts([[1] * symbols]))


def group(
    table_ids: IntArray, rows: int
) -> tuple[NDArray[np.intp], Sequence[tuple[int, int, int]]]:
    """Sort positions by table, in the order in which both sides code them.

    Args:
        table_ids: int32 of shape (n,), values in [0, rows).
        rows: the number of tables.

    Returns:
        The positions 0..n-1 sorted by table id (stable), and for each table in use, ascending,
        (table, start, stop): its slice of the sorted positions.

    Raises:
        ValueError: if a table id lies outside [0, rows).

    >>> order, slices = group(np.array([1, 0, 1], np.int32), 2)
    >>> order.tolist(), list(slices)
    ([1, 0, 2], [(0, 0, 1), (1, 1, 3)])
    """
    if len(table_ids) and not (0 <= table_ids.min() and table_ids.max() < rows):
        raise ValueError(f"a table id lies outside 0..{rows - 1}")
    order = np.argsort(table_ids.astype(np.uint16), kind="stable")  # radix sort on 16 bits
    counts = np.bincount(table_ids)
    stops = np.cumsum(counts)
    used = np.flatnonzero(counts)
    return order, [(int(t), int(stops[t] - counts[t]), int(stops[t])) for t in used]
