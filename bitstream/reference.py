"""A decoder that follows FORMAT.md line by line, in plain Python: slow, and the specification.

It shares no code with the rest of the package and needs nothing but the standard library:

    python bitstream/reference.py photo.bibc prior.safetensors

prints the SHA-256 of the indices (16 bits each, little-endian, all stages in order).
"""

import hashlib
import json
import sys
import zlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import add
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Table = Sequence[int]  # frequencies of the symbols 0..K-1, each >= 1, sum 2**24
Grid = list[int]  # the symbols of one stage in raster order
Read = Callable[
    [list[int], Sequence[Table]], list[int]
]  # (table of each symbol, tables) -> symbols

MAX_PIXELS, MAX_CHUNK_BYTES = 2**28, 2**26
METADATA = (b"iccp", b"exif", b"xmp_")
SIZES = {b"grey": 0, b"gry3": 0, b"seed": 8}  # of the chunks that have but one
CHECK_TABLE = [2**22] * 4


class Refused(ValueError):
    """The file is not valid."""


class File(NamedTuple):
    """A parsed file (FORMAT.md 2 and 3)."""

    width: int
    height: int
    quality: int
    stages: int
    fingerprint: bytes
    chunks: dict[bytes, bytes]
    words: list[int]
    fields: bytes


class ReferencePrior(Protocol):
    """What a prior decides: which table codes which symbol, in which order (FORMAT.md 6)."""

    cells: Sequence[int]

    def read_stage(self, file: File, rows: int, columns: int, done: list[Grid], read: Read) -> Grid:
        """Read stage number len(done); `read` is called once for each pass."""


def decode(data: bytes, prior: ReferencePrior) -> list[Grid]:
    """Decode a whole file to its indices (FORMAT.md 4)."""
    file = parse(data)
    if file.stages > len(prior.cells):
        raise Refused("the file has more stages than the model")
    coder = AnsDecoder(file.words)
    crc = zlib.crc32(file.fields)
    stages: list[Grid] = []
    for stage in range(file.stages):
        cell = prior.cells[stage]
        rows, columns = -(-file.height // cell), -(-file.width // cell)
        grid = prior.read_stage(file, rows, columns, stages, coder.read)
        crc = zlib.crc32(b"".join(symbol.to_bytes(2, "little") for symbol in grid), crc)
        if stage + 1 < file.stages and coder.symbol(CHECK_TABLE) != crc % 4:
            raise Refused(f"the check after stage {stage} fails")
        stages.append(grid)
    if coder.words or coder.state != crc | 1 << 31:
        raise Refused("the seal does not match")
    return stages


class AnsDecoder:
    """The entropy decoder (FORMAT.md 4.1)."""

    def __init__(self, words: list[int]) -> None:
        self.words = words[::-1]  # taken from the end
        self.state = self.words.pop()
        self.refill()

    def refill(self) -> None:
        """Take a word when the state has room for it."""
        if self.state < 1 << 32 and self.words:
            self.state = self.state << 32 | self.words.pop()

    def symbol(self, table: Table) -> int:
        """Read one symbol."""
        ends = list(accumulate(table))
        quantile = self.state & 0xFFFFFF
        symbol = bisect_right(ends, quantile)
        start = ends[symbol] - table[symbol]
        self.state = (self.state >> 24) * table[symbol] + quantile - start
        self.refill()
        return symbol

    def read(self, table_ids: list[int], tables: Sequence[Table]) -> list[int]:
        """Read one pass: its symbols come sorted by table, equal tables in the pass's order."""
        symbols = [0] * len(table_ids)
        for position in sorted(range(len(table_ids)), key=table_ids.__getitem__):
            symbols[position] = self.symbol(tables[table_ids[position]])
        return symbols


def parse(data: bytes) -> File:
    """Take a file apart (FORMAT.md 2 and 3)."""
    if data[:4] != b"BIBC":
        raise Refused("not a bibcodec file")
    if len(data) < 16:
        raise Refused("the file is cut")
    framing, counts, quality = data[4:7]
    version = framing >> 4
    if version not in (1, 2) or framing & 0b1000:
        raise Refused("the file needs a newer reader")
    width, at = varint(data, 11)
    height, at = varint(data, at)
    if len(data) <= at or data[at] != crc8(data[:at]):
        raise Refused("the header is damaged")
    stages = counts & 15 if version == 1 else counts
    if quality > 100 or not stages or not width or not height:
        raise Refused("the header is not valid")
    if width * height > MAX_PIXELS:
        raise Refused("the image is too large")
    fields = data[5:at]
    at += 1
    chunks: dict[bytes, bytes] = {}
    if framing & 0b0100:
        chunks, at = read_chunks(data, at)
    payload = bytes(framing & 3) + data[at:]
    if len(payload) % 4 or not payload or data[at] == 0:
        raise Refused("the image data is cut or damaged")
    words = [int.from_bytes(payload[i : i + 4], "big") for i in range(0, len(payload), 4)]
    return File(width, height, quality, stages, data[7:11], chunks, words, fields)


def read_chunks(data: bytes, at: int) -> tuple[dict[bytes, bytes], int]:
    """Read the chunks that begin at a byte; return them and where they end (FORMAT.md 3)."""
    chunks: dict[bytes, bytes] = {}
    count = data[at] if at < len(data) else 0
    if count == 0:
        raise Refused("chunks are announced, but there are none")
    at += 1
    for _ in range(count):
        start, kind = at, data[at : at + 4]
        if not (kind[:1].isalpha() and len(kind) == 4 and kind.replace(b"_", b"a").isalnum()):
            raise Refused("not a chunk type")
        length, at = varint(data, at + 4)
        end = at + length
        if end + 4 > len(data) or int.from_bytes(data[end : end + 4], "little") != zlib.crc32(
            data[start:end]
        ):
            raise Refused("a chunk is cut or damaged")
        unknown = kind[:1].isupper() and kind != b"Alpl"
        if kind in chunks or unknown or length != SIZES.get(kind, length):
            raise Refused("a chunk may not be there")
        chunks[kind] = data[at:end]
        at = end + 4
    if b"grey" in chunks and b"gry3" in chunks:
        raise Refused("a picture is shown with one channel or with three")
    if b"alph" in chunks and b"Alpl" in chunks:
        raise Refused("a picture has one alpha plane")
    packed = read_metadata(chunks[b"meta"]) if b"meta" in chunks else {}
    if packed.keys() & chunks.keys():
        raise Refused("metadata may not be there twice")
    return chunks | packed, at


def read_metadata(data: bytes) -> dict[bytes, bytes]:
    """Take apart the data of a `meta` chunk (FORMAT.md 3)."""
    count = data[0] if data else 0
    at, sizes = 1, {}
    for _ in range(count):
        kind = data[at : at + 4]
        if kind not in METADATA or kind in sizes:
            raise Refused("a type may not be in the meta chunk")
        sizes[kind], at = varint(data, at + 4)
    size = sum(sizes.values())
    if not count or size > MAX_CHUNK_BYTES:
        raise Refused("the meta chunk is empty or too large")
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(data[at:], size + 1)
    except zlib.error:
        raise Refused("the meta chunk is damaged") from None
    if len(raw) != size or not stream.eof or stream.unused_data:
        raise Refused("the meta chunk does not hold what it says")
    ends = list(accumulate(sizes.values()))
    return {k: raw[end - sizes[k] : end] for k, end in zip(sizes, ends, strict=True)}


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned LEB128 number at a byte; return it and where it ends (FORMAT.md 1)."""
    value = 0
    for i, byte in enumerate(data[at : at + 5]):
        value |= (byte & 0x7F) << 7 * i
        if byte == 0 and i:
            break
        if byte < 0x80:
            return value, at + i + 1
    raise Refused("not a number")


def crc8(data: bytes) -> int:
    """CRC-8, polynomial x^8 + x^2 + x + 1, from 0, not reflected (FORMAT.md 1)."""
    crc = 0
    for bit in (byte >> i & 1 for byte in data for i in range(7, -1, -1)):
        crc = (crc << 1 ^ (0x07 if (crc >> 7 ^ bit) & 1 else 0)) & 0xFF
    return crc


class ReferenceStatic:
    """The static prior (FORMAT.md 6.1): one table for a stage and a bucket of qualities."""

    def __init__(self, arrays: dict[str, Any]) -> None:
        self.cells: Sequence[int] = arrays["cells"]
        self.bucket: list[int] = arrays["bucket"]
        self.tables: list[list[Table]] = [arrays[f"tables.{s}"] for s in range(len(self.cells))]

    def read_stage(self, file: File, rows: int, columns: int, done: list[Grid], read: Read) -> Grid:
        """Read the stage in one pass."""
        return read([self.bucket[file.quality]] * (rows * columns), self.tables[len(done)])


class ReferenceContext:
    """The context prior (FORMAT.md 6.2): tables chosen by what is decoded around the place."""

    def __init__(self, arrays: dict[str, Any]) -> None:
        self.arrays = arrays
        self.cells: Sequence[int] = arrays["cells"]
        self.shift: int = arrays["shift"][0]

    def read_stage(self, file: File, rows: int, columns: int, done: list[Grid], read: Read) -> Grid:
        """Read the stage in two passes: even row + column first."""
        stage = len(done)
        take = {
            name: self.arrays[f"{name}.{stage}"]
            for name in ("own", "coarse", "place", "quality", "centres", "tables", "features")
        }
        sums = self.feature_sums(file, done)
        levels = sorted(set(self.cells), reverse=True)
        level, side = levels.index(self.cells[stage]), self.cells[0] // self.cells[stage]
        grid = [-1] * (rows * columns)  # -1: not read yet

        def own(y: int, x: int) -> list[int]:
            return sums[level][y * columns + x]

        def current(y: int, x: int) -> list[int]:
            return take["features"][grid[y * columns + x]]  # type: ignore[no-any-return]

        def context(y: int, x: int, colour: int) -> int:
            vector = list(
                map(add, take["place"][y % side][x % side], take["quality"][file.quality])
            )

            def extend(
                weights: list[list[int]],
                look: Callable[[int, int], list[int]],
                size: tuple[int, int],
                at: list[tuple[int, int]],
            ) -> None:
                for v, u in at:
                    if 0 <= v < size[0] and 0 <= u < size[1]:
                        for feature, row in zip(look(v, u), weights, strict=True):
                            for d, weight in enumerate(row):
                                vector[d] += feature * weight

            beside, above = [(y, x - 1), (y, x + 1)], [(y - 1, x), (y + 1, x)]
            corners = [(y + v, x + u) for v in (-1, 1) for u in (-1, 1)]
            for part, at in enumerate(([(y, x)], beside, above, corners)):
                extend(take["own"][part], own, (rows, columns), at)
            if colour:
                extend(take["own"][4], current, (rows, columns), beside + above)
            for coarser in range(level):
                ratio = levels[coarser] // levels[level]
                width = -(-file.width // levels[coarser])
                size = -(-file.height // levels[coarser]), width

                def look(
                    v: int, u: int, grid_sums: list[list[int]] = sums[coarser], width: int = width
                ) -> list[int]:
                    return grid_sums[v * width + u]

                v, u = y // ratio, x // ratio
                near_u = u + (1 if x % ratio * 2 >= ratio else -1)
                near_v = v + (1 if y % ratio * 2 >= ratio else -1)
                for part, place in enumerate(((v, u), (v, near_u), (near_v, u))):
                    extend(take["coarse"][coarser][part], look, size, [place])
            clipped = [max(-4095, min(4095, number >> self.shift)) for number in vector]
            distances = [
                sum((c - n) ** 2 for c, n in zip(centre, clipped, strict=True))
                for centre in take["centres"]
            ]
            return distances.index(min(distances))

        for colour in (0, 1):
            places = [(y, x) for y in range(rows) for x in range(columns) if (y + x) % 2 == colour]
            symbols = read([context(y, x, colour) for y, x in places], take["tables"])
            for (y, x), symbol in zip(places, symbols, strict=True):
                grid[y * columns + x] = symbol
        return grid

    def feature_sums(self, file: File, done: list[Grid]) -> list[list[list[int]]]:
        """For each level and place the sum of the features of the level's stages read so far."""
        length = len(self.arrays["features.0"][0])
        sums = []
        for cell in sorted(set(self.cells), reverse=True):
            count = -(-file.height // cell) * -(-file.width // cell)
            total = [[0] * length for _ in range(count)]
            for stage, grid in enumerate(done):
                if self.cells[stage] == cell:
                    for place, symbol in enumerate(grid):
                        features = self.arrays[f"features.{stage}"][symbol]
                        total[place] = list(map(add, total[place], features))
            sums.append(total)
        return sums


PRIORS: dict[str, Callable[[dict[str, Any]], ReferencePrior]] = {
    "static": ReferenceStatic,
    "context": ReferenceContext,
}


def load_prior(data: bytes) -> ReferencePrior:
    """Read a prior from the bytes of its safetensors file (FORMAT.md 6)."""
    arrays, metadata = read_safetensors(data)
    return PRIORS[metadata["kind"]](arrays)


def read_safetensors(data: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """Read integer tensors as nested lists, and the metadata (safetensors' own README)."""
    start = 8 + int.from_bytes(data[:8], "little")
    entries = json.loads(data[8:start])
    metadata = entries.pop("__metadata__", {})
    arrays = {}
    for name, entry in entries.items():
        signed, size = entry["dtype"][0] == "I", int(entry["dtype"][1:]) // 8
        first, last = entry["data_offsets"]
        flat: list[Any] = [
            int.from_bytes(data[start + i : start + i + size], "little", signed=signed)
            for i in range(first, last, size)
        ]
        for side in reversed(entry["shape"][1:]):
            flat = [flat[i : i + side] for i in range(0, len(flat), side)]
        arrays[name] = flat
    return arrays, metadata


if __name__ == "__main__":
    file_path, prior_path = map(Path, sys.argv[1:3])
    indices = decode(file_path.read_bytes(), load_prior(prior_path.read_bytes()))
    print(hashlib.sha256(b"".join(x.to_bytes(2, "little") for s in indices for x in s)).hexdigest())
