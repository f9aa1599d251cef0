"""Do the decoders in JavaScript and in Python agree on damaged files?

Files of the conformance set are damaged: bits flipped, cut, lengthened, overwritten, and, with the
checks made right again, changed inside the header or inside a chunk, so that what unpacks metadata
and alpha planes is met, too. Each decoder takes each file whole and in part (FORMAT.md 5).
"""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from benchmarks.harness import Benchmark, Nothing, Run
from benchmarks.schema import ROOT
from bitstream import container, metadata, stream
from bitstream.alpha import alpha_plane
from bitstream.container import DEFAULT_LIMITS
from bitstream.errors import CodecError
from bitstream.header import crc8, write_varint
from bitstream.prior import Prior

DATA = ROOT / "tests" / "data"
FILES = (
    *("v1_one_pixel_q50", "v1_odd_q70", "v2_one_stage_q0", "v2_seed_q60"),
    *("v2_one_pixel_q100", "v2_rgba_metadata_q70", "static", "static_packed_metadata"),
    *("static_soft_alpha", "static_soft_alpha", "static_packed_metadata"),
)
MOST_PIXELS = 2**16  # of a file that is decoded at all
Generator = np.random.Generator


def flip_bits(rng: Generator, data: bytes) -> bytes:
    """One to 40 bits."""
    out = bytearray(data)
    for at in rng.integers(0, 8 * len(out), rng.choice([1, 1, 2, 3, 8, 40])):
        out[at // 8] ^= 1 << at % 8
    return bytes(out)


def cut(rng: Generator, data: bytes) -> bytes:
    """The first bytes."""
    return data[: rng.integers(0, len(data))]


def insert(rng: Generator, data: bytes) -> bytes:
    """Bytes more."""
    at = rng.integers(0, len(data) + 1)
    return data[:at] + rng.bytes(rng.choice([1, 2, 4, 8, 50])) + data[at:]


def remove(rng: Generator, data: bytes) -> bytes:
    """Bytes fewer."""
    at = rng.integers(0, len(data))
    return data[:at] + data[at + rng.choice([1, 2, 4, 8, 50]) :]


def overwrite(rng: Generator, data: bytes) -> bytes:
    """Other bytes."""
    at, count = rng.integers(0, len(data)), rng.choice([1, 2, 4, 16, 64])
    return data[:at] + rng.bytes(len(data[at : at + count])) + data[at + count :]


def in_header(rng: Generator, data: bytes) -> bytes:
    """One to three bits of the header, its check right."""
    size = len(container.parse(data).header.fields()) + 5
    covered = bytearray(data[:size])
    for at in rng.integers(32, 8 * size, rng.integers(1, 4)):
        covered[at // 8] ^= 1 << at % 8
    return bytes(covered) + bytes([crc8(bytes(covered))]) + data[size + 1 :]


def in_chunk(rng: Generator, data: bytes) -> bytes:
    """Something in the data of a chunk, its check right; flipped bits if there is none."""
    file = container.parse(data)
    if not file.chunks:
        return flip_bits(rng, data)
    kind = rng.choice(list(file.chunks))
    change = KINDS[rng.integers(0, 5)]
    changed = change(rng, file.chunks[kind] or b"\0")
    return with_chunks(data, {**file.chunks, str(kind): changed})


def with_chunks(data: bytes, chunks: dict[str, bytes]) -> bytes:
    """The file with other chunks, whose sizes nobody checks."""
    file = container.parse(data)
    head = file.header.write(pad=data[4] & 3, has_chunks=True) + bytes([len(chunks)])
    for kind, body in chunks.items():
        chunk = kind.encode() + write_varint(len(body)) + body
        head += chunk + zlib.crc32(chunk).to_bytes(4, "little")
    return head + file.payload.lstrip(b"\0")


KINDS: list[Callable[[Generator, bytes], bytes]] = [
    *(flip_bits, cut, insert, remove, overwrite),
    *(in_header, in_chunk, in_chunk),
]


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        files: how many damaged files.
        seed: of the damage.
    """

    files: int = 10_000
    seed: int = 20261129


def damaged(settings: Settings) -> Iterator[tuple[str, str, bytes]]:
    """Damaged files: name of the original, kind of damage, bytes."""
    rng = np.random.default_rng(settings.seed)
    for number in range(settings.files):
        name = FILES[number % len(FILES)]
        kind = KINDS[number // len(FILES) % len(KINDS)]
        yield name, kind.__name__, kind(rng, (DATA / f"{name}.bibc").read_bytes())


def prior_name(name: str) -> str:
    """The file of the prior of a file of the conformance set."""
    return f"{name.split('_', maxsplit=1)[0]}_prior.safetensors"


@cache
def prior_of(name: str) -> Prior:
    """That prior."""
    return Prior.load(DATA / prior_name(name))


def outcome(data: bytes, prior: Prior, partial: bool) -> dict[str, Any]:
    """What becomes of a file in Python, as `web/tests/outcomes.js` says it."""
    try:
        file = container.parse(data, replace(DEFAULT_LIMITS, max_pixels=MOST_PIXELS))
        header = file.header
        indices = stream.decode_indices(file.payload, prior, header, allow_partial=partial)
        alpha = alpha_plane(file.chunks, header.height, header.width)
        packed = sorted(metadata.unpack(file.chunks).items())
    except CodecError as error:
        return {"refused": type(error).__name__, "sentence": str(error)}
    parts = [grid.astype("<u2").tobytes() for grid in indices]
    parts += [b"" if alpha is None else alpha.tobytes(), *(body for _, body in packed)]
    hashes = ",".join(hashlib.sha256(part).hexdigest() for part in parts)
    return {"stages": len(indices), "sha256": hashlib.sha256(hashes.encode()).hexdigest()}


def plain(found: dict[str, Any]) -> dict[str, Any]:
    """An outcome without what zlib and LZMA say; to one of them cut data is an error."""
    if "sentence" not in found:
        return found
    sentence = re.sub(r"(damaged \(.*\)|does not hold .* exactly)$", "damaged", found["sentence"])
    return found | {"sentence": sentence}


def compare(settings: Settings) -> dict[str, Any]:
    """Decode damaged files here and in Node; what they gave, and where they differ."""
    files = list(damaged(settings))
    lines = [
        json.dumps({"prior": prior_name(name), "data": base64.b64encode(data).decode()})
        for name, _, data in files
    ]
    node = shutil.which("node") or "node"
    command = [node, str(ROOT / "web" / "tests" / "outcomes.js"), str(MOST_PIXELS)]
    done = subprocess.run(
        command, input="\n".join(lines), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    counts: dict[str, Counter[str]] = {"whole": Counter(), "part": Counter()}
    different, most, implementations = [], 0, 0
    for number, ((name, kind, data), line) in enumerate(
        zip(files, done.stdout.splitlines(), strict=True)
    ):
        theirs = json.loads(line)
        most = max(most, theirs["bytes"])
        implementations = max(implementations, len(theirs["found"]))
        for way, partial in (("whole", False), ("part", True)):
            ours = plain(outcome(data, prior_of(name), partial))
            counts[way]["refused" if "refused" in ours else "decoded"] += 1
            if any(plain(found[way]) != ours for found in theirs["found"]):
                shown = [found[way] for found in theirs["found"]]
                different.append([number, name, kind, way, ours, shown])
    return {
        "outcomes": counts,
        "implementations_in_javascript": implementations,
        "different": len(different),
        "first_differences": different[:5],
        "largest_array_bytes": most,
    }


def measure(run: Run, inputs: Nothing, settings: Settings) -> dict[str, Any]:
    """Compare, and say how it went."""
    found = compare(settings)
    run.say(found)
    return found


BENCHMARK = Benchmark(Nothing, Settings, measure, "javascript.json")
