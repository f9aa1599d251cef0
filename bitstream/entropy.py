"""The entropy coder: batches of symbols in, one string of ANS words out, and back.

A batch is n symbols and, for each, the table that codes it; within a batch the symbols are coded
table by table. ANS is a stack, so the encoder records batches in decoding order and codes them
backwards; the decoder reads them forwards. The coder does not start empty but from a *seal*, a
checksum that the decoder must find again at the end (FORMAT.md).
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bitstream.compiled import LEAST_SEAL, WORD, ZERO_WORD
from bitstream.errors import Checksum, Truncated
from bitstream.tables import IntArray, Tables, group


class Coder(Protocol):
    """One pass of symbols: recorded when `symbols` is given, read when it is None.

    Args:
        table_ids: int32 of shape (n,), the table of each symbol.
        tables: the tables they index.
        symbols: int32 of shape (n,), values in [0, tables.symbols), or None on the decoder's side.

    Returns:
        int32 of shape (n,): the symbols.
    """

    def __call__(  # noqa: D102
        self, table_ids: IntArray, tables: Tables, symbols: IntArray | None, /
    ) -> IntArray: ...


class Encoder:
    """Records batches in decoding order; `finish` codes them all.

    >>> encoder, tables = Encoder(), Tables([[2**22, 3 * 2**22]])
    >>> _ = encoder.code(np.zeros(5, np.int32), tables, np.array([1, 1, 0, 1, 1], np.int32))
    >>> encoder.finish(seal=0x89ABCDEF).hex()
    '00000006ccebcdef'
    """

    def __init__(self) -> None:
        self._runs: list[tuple[IntArray, Tables, int]] = []

    def code(self, table_ids: IntArray, tables: Tables, symbols: IntArray | None) -> IntArray:
        """Record one batch (see `Coder`).

        Raises:
            ValueError: if a symbol or a table id has no place in the tables.
        """
        if symbols is None or symbols.shape != table_ids.shape:
            raise ValueError("the encoder needs one symbol for each table id")
        if symbols.size and not (0 <= symbols.min() and symbols.max() < tables.symbols):
            raise ValueError(f"a symbol lies outside 0..{tables.symbols - 1}")
        order, slices = group(table_ids, len(tables))
        in_order = symbols[order]
        self._runs += [(in_order[start:stop], tables, table) for table, start, stop in slices]
        return symbols

    def finish(self, seal: int) -> bytes:
        """Code everything recorded onto a seal in [2**31, 2**32).

        Returns:
            The coder's 32-bit words, big-endian, in the order in which the decoder takes them; the
            first word is not zero.
        """
        coder = _ans_coder(np.array([seal], np.uint32))
        for symbols, tables, table in reversed(self._runs):
            coder.encode_reverse(symbols, tables.model(table))
        words = np.asarray(coder.get_compressed(), ">u4")
        return words[::-1].tobytes()


class Decoder:
    """Reads batches back from the words of `Encoder.finish`, or from the first of them.

    Args:
        data: words as `Encoder.finish` returns them: 4 * n bytes, n >= 1.

    Raises:
        Checksum: if the first word is zero, which no encoder writes.

    >>> decoder, tables = Decoder(bytes.fromhex("00000006ccebcdef")), Tables([[2**22, 3 * 2**22]])
    >>> decoder.code(np.zeros(5, np.int32), tables).tolist()
    [1, 1, 0, 1, 1]
    >>> decoder.ends_with(0x89ABCDEF)
    True
    """

    def __init__(self, data: bytes) -> None:
        if not any(data[:4]):
            raise Checksum(ZERO_WORD)
        words = np.frombuffer(data, ">u4").astype(np.uint32)
        self._coder = _ans_coder(words[::-1].copy())

    def code(
        self, table_ids: IntArray, tables: Tables, symbols: IntArray | None = None
    ) -> IntArray:
        """Read one batch (see `Coder`; `symbols` is not looked at).

        Raises:
            Truncated: if less is left than any seal: the words ran out.
            ValueError: if a table id has no place in the tables.
        """
        order, slices = group(table_ids, len(tables))
        in_order = np.empty(len(table_ids), np.int32)
        for table, start, stop in slices:
            in_order[start:stop] = self._coder.decode(tables.model(table), stop - start)
        words, state = self._coder.pos()
        if words == 0 and state < LEAST_SEAL:
            raise Truncated("the image data ran out")
        result = np.empty_like(in_order)
        result[order] = in_order
        return result

    def has_more(self) -> bool:
        """Whether more is left than any seal."""
        return bool(self._coder.pos()[1] >= WORD)  # a state below takes the next word, if any

    def ends_with(self, seal: int) -> bool:
        """Whether all that is left is this seal."""
        return bool(self._coder.pos() == (0, seal))


def _ans_coder(words: NDArray[np.uint32]) -> Any:
    import constriction  # noqa: PLC0415  (where C does the work it is not needed)

    return constriction.stream.stack.AnsCoder(words)
