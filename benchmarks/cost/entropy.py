"""Entropy coding of our indices, beside CompressAI's coder on the same symbols and tables.

Ours is measured with the context that chooses the tables and without it; CompressAI's rANS gets the
table of each symbol ready-made, rounded to its 16 bits. One thread, the models of the tables built.

    python -m benchmarks speed KODAK_FOLDER        # runs this too
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.timing import fastest
from bitstream import stream
from bitstream.entropy import Decoder, Encoder
from bitstream.header import Header
from bitstream.tables import IntArray, Tables
from codec.evaluation.metrics.import_torchvision import import_torchvision
from codec.images.strips import Strips
from codec.runtime.model import CodecModel

TURNS = 5
BITS = 16  # of CompressAI's tables
SEAL = 1 << 31

Batch = tuple[IntArray, Tables, IntArray]  # table ids, tables, symbols


def batches(indices: Sequence[IntArray], model: CodecModel, header: Header) -> list[Batch]:
    """What the prior passes to the coder for an image, in order."""
    found: list[Batch] = []

    def record(table_ids: IntArray, tables: Tables, symbols: IntArray | None) -> IntArray:
        if symbols is None:
            raise ValueError("the symbols are known here")
        found.append((table_ids.copy(), tables, symbols.copy()))
        return symbols

    state = model.prior.begin(header.height, header.width, header.quality)
    for stage, grid in enumerate(indices):
        state.code_stage(stage, record, grid)
    return found


def cumulative(row: NDArray[np.uint32]) -> list[int]:
    """A frequency table as CompressAI's cumulative one: 16 bits, one more symbol for escapes."""
    room = (1 << BITS) - len(row) - 1
    frequencies = 1 + (row.astype(np.int64) * room >> 24)
    frequencies[frequencies.argmax()] += room + len(row) - frequencies.sum()
    return [0, *np.cumsum(frequencies).tolist(), 1 << BITS]


class Peer:
    """CompressAI's rANS on an image's batches: one call each way for all symbols."""

    def __init__(self, found: Sequence[Batch]) -> None:
        import_torchvision()
        from compressai import ans  # noqa: PLC0415

        self._ans = ans
        rows: dict[tuple[int, int], int] = {}
        self.cdfs: list[list[int]] = []
        self.indexes: list[int] = []
        for table_ids, tables, _ in found:
            for table in table_ids.tolist():
                key = (id(tables), table)
                if key not in rows:
                    rows[key] = len(self.cdfs)
                    self.cdfs.append(cumulative(tables.frequencies[table]))
                self.indexes.append(rows[key])
        self.symbols = np.concatenate([symbols for *_, symbols in found]).tolist()
        self.rest = ([len(cdf) for cdf in self.cdfs], [0] * len(self.cdfs))
        self.data = self.encode()
        if self.decode() != self.symbols:
            raise SystemExit("CompressAI's coder does not return the symbols")

    def encode(self) -> bytes:
        """The symbols, coded."""
        data: bytes = self._ans.RansEncoder().encode_with_indexes(
            self.symbols, self.indexes, self.cdfs, *self.rest
        )
        return data

    def decode(self) -> list[int]:
        """The symbols, decoded."""
        symbols: list[int] = self._ans.RansDecoder().decode_with_indexes(
            self.data, self.indexes, self.cdfs, *self.rest
        )
        return symbols


def coder_alone(found: Sequence[Batch]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Our coder each way on tables already chosen."""

    def encode() -> bytes:
        encoder = Encoder()
        for table_ids, tables, symbols in found:
            encoder.code(table_ids, tables, symbols)
        return encoder.finish(SEAL)

    data = encode()

    def decode() -> None:
        decoder = Decoder(data)
        for table_ids, tables, _ in found:
            decoder.code(table_ids, tables)

    return encode, decode


def beside_compressai(
    images: Sequence[Image.Image], model: CodecModel, quality: int
) -> dict[str, Any]:
    """Milliseconds an image and symbols a second, means over the images, fastest of some turns."""
    threads = torch.get_num_threads()
    rows: list[dict[str, float]] = []
    sizes: list[tuple[int, int, int]] = []
    try:
        for image in images:
            analysis = model.analyze(Strips([np.array(image)]))
            indices = model.quantize(analysis, quality).indices
            torch.set_num_threads(1)
            header = Header(image.width, image.height, quality, len(indices), model.fingerprint)
            payload = stream.encode_indices(indices, model.prior, header)
            found = batches(indices, model, header)
            peer = Peer(found)
            encode, decode = coder_alone(found)
            work: dict[str, Callable[[], Any]] = {
                "encode": partial(stream.encode_indices, indices, model.prior, header),
                "decode": partial(stream.decode_indices, payload, model.prior, header),
                "encode_tables_known": encode,
                "decode_tables_known": decode,
                "compressai_encode": peer.encode,
                "compressai_decode": peer.decode,
            }
            rows.append(fastest(work, TURNS))
            sizes.append((len(peer.symbols), len(payload), len(peer.data)))
            torch.set_num_threads(threads)
    finally:
        torch.set_num_threads(threads)
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    symbols, ours, theirs = (float(value) for value in np.mean(sizes, axis=0))
    return {
        "threads": 1,
        "quality": quality,
        "symbols_an_image": round(symbols),
        "milliseconds": {name: round(1e3 * value, 2) for name, value in mean.items()},
        "symbols_a_second": {name: round(symbols / value) for name, value in mean.items()},
        "largest_milliseconds": {
            name: round(1e3 * max(row[name] for row in rows), 2) for name in ("encode", "decode")
        },
        "bytes": {"ours": round(ours), "compressai": round(theirs)},
    }
