"""10,000 damaged files, by numpy and by C: refused, or decoded to the very indices, and fast."""

from collections import Counter

import native
import numpy as np
import pytest
from bitstream_samples import (
    FINGERPRINT,
    context_prior,
    neighbour_prior,
    sample_indices,
    static_prior,
)
from effort import Effort

from bitstream import Header, compiled, decode_indices, encode_indices, parse, write
from bitstream.errors import BitstreamError, ModelMismatchError
from bitstream.header import MAGIC, crc8, write_varint

MUTATIONS = 10_000
HEADER_BYTES = 14  # of the images here, whose sides take one byte each
PRIORS = [static_prior(7), neighbour_prior(7), context_prior(7)]


def originals():
    for i, prior in enumerate(PRIORS):
        for j, (width, height, chunks) in enumerate(
            [(9, 9, {}), (120, 90, {}), (127, 127, {"exif": b"Exif" * 9, "seed": b"12345678"})]
        ):
            header = Header(width, height, 20 + 30 * j, 10 - j, FINGERPRINT)
            indices = sample_indices(prior, header, seed=10 * i + j)
            yield prior, indices, write(header, encode_indices(indices, prior, header), chunks)


def flip_bits(rng, data):
    out = bytearray(data)
    for at in rng.integers(0, 8 * len(out), rng.choice([1, 1, 2, 3, 8, 40])):
        out[at // 8] ^= 1 << at % 8
    return bytes(out)


def cut(rng, data):
    return data[: rng.integers(0, len(data))]


def insert(rng, data):
    at = rng.integers(0, len(data) + 1)
    return data[:at] + rng.bytes(rng.choice([1, 2, 4, 4, 8, 50])) + data[at:]


def remove(rng, data):
    at, count = rng.integers(0, len(data)), rng.choice([1, 2, 4, 4, 8, 50])
    return data[:at] + data[at + count :]


def overwrite(rng, data):
    at, count = rng.integers(0, len(data)), rng.choice([1, 2, 4, 16, 64])
    return data[:at] + rng.bytes(len(data[at : at + count])) + data[at + count :]


def copy_within(rng, data):
    at, to, count = (*rng.integers(0, len(data), 2), rng.integers(1, 64))
    return (data[:to] + data[at : at + count] + data[to + count :])[: len(data)]


def random_header(rng, data):
    """A header of random fields, up to gigapixels, with the right checksum: only the seal helps."""
    framing = 0x10 | rng.choice([0, 1, 2, 3, 4, 8])
    side = write_varint(int(2 ** rng.uniform(0, 32))), write_varint(int(2 ** rng.uniform(0, 14)))
    fields = [rng.bytes(1), bytes([rng.integers(0, 110)]), rng.bytes(4), *rng.permutation(side)]
    covered = MAGIC + bytes([framing]) + b"".join(bytes(field) for field in fields)
    return covered + bytes([crc8(covered)]) + data[HEADER_BYTES:]


def flip_header(rng, data):
    """One to three bits of the header flipped and its checksum made right."""
    covered = bytearray(data[: HEADER_BYTES - 1])
    for at in rng.integers(8 * len(MAGIC), 8 * len(covered), rng.integers(1, 4)):
        covered[at // 8] ^= 1 << at % 8
    return bytes(covered) + bytes([crc8(covered)]) + data[HEADER_BYTES:]


def noise(rng, data):
    return rng.choice([b"", MAGIC, data[:HEADER_BYTES]]) + rng.bytes(rng.integers(0, 300))


KINDS = [
    flip_bits, cut, insert, remove, overwrite, copy_within, random_header, flip_header, noise
]  # fmt: skip


def decode(data, prior, allow_partial):
    """Decode by numpy and by C, which must agree; the indices (None if refused) and the outcome."""
    results = []
    with pytest.MonkeyPatch.context() as patch:
        for extension in native.implementations():
            patch.setattr(compiled, "extension", extension)
            results.append(decoded(data, prior, allow_partial))
    (indices, outcome), *others = results
    for other, said in others:
        assert said == outcome
        assert (other is None) == (indices is None)
        assert all(map(np.array_equal, other or [], indices or []))
    return indices, outcome.partition(":")[0]


def decoded(data, prior, allow_partial):
    """Decode; the indices (None if refused), and the outcome with the error's sentence."""
    try:
        parsed = parse(data)
        indices = decode_indices(parsed.payload, prior, parsed.header, allow_partial=allow_partial)
    except (BitstreamError, ModelMismatchError) as error:
        assert str(error)
        assert "\n" not in str(error)
        return None, f"{type(error).__name__}: {error}"
    return indices, "whole" if len(indices) == parsed.header.stages else "partial"


def test_ten_thousand_mutations(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(20240607)
    samples = list(originals())
    strict, partial, most = Counter(), Counter(), Effort()
    wrong = damaged = 0
    for i in range(MUTATIONS):
        prior, indices, original = samples[i % len(samples)]
        kind = KINDS[i // len(samples) % len(KINDS)]
        data = kind(rng, original)
        with Effort() as effort:
            got, outcome = decode(data, prior, allow_partial=False)
            some, partly = decode(data, prior, allow_partial=True)
        most = max(most, effort, key=lambda effort: effort.seconds)
        strict[f"{kind.__name__:14}{'unchanged' if data == original else outcome}"] += 1
        assert (got is not None) == (data == original), f"mutation {i} was accepted"
        if some is not None:
            right = all(map(np.array_equal, some, indices))
            partial[f"{kind.__name__:14}{partly}, {'right' if right else 'WRONG'}"] += 1
            assert right or kind is not cut, f"cut {i} decoded to other stages"
            damaged += kind is not cut and data != original
            wrong += not right
    with capsys.disabled():
        print(f"\n{MUTATIONS} mutations. Outcomes:")
        for counts in (strict, partial):
            print(*(f"{count:6} {name}" for name, count in sorted(counts.items())), sep="\n")
            print("with allow_partial, of those not refused:" if counts is strict else "")
        print(f"allow_partial on damaged files: {wrong} of {damaged} show a wrong stage")
    assert wrong < 0.1 * damaged  # only a whole image is sure: FORMAT.md 5
    assert most.units < 2000
