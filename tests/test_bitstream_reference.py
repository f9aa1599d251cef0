"""The plain-Python decoder reads what the package writes, with and without a context model."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from bitstream_samples import FINGERPRINT, neighbour_prior, sample_indices, static_prior
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream import Header, encode_indices, reference, write

CELLS = (32, 16, 16, 8)
STATIC = static_prior(2, CELLS, symbols=64)
NEIGHBOUR = neighbour_prior(2, CELLS)


class ReferenceNeighbour:
    """The test's context model once more, for the seam of the reference decoder."""

    def __init__(self, arrays):
        self.cells = arrays["cells"]
        self.flags = [arrays[f"flags.{s}"] for s in range(len(self.cells))]
        self.values = [arrays[f"values.{s}"] for s in range(len(self.cells))]

    def read_stage(self, file, rows, columns, done, read):
        stage, grid, context = len(done), {}, {}
        for y in range(rows):
            for x in range(columns):
                context[y, x] = 0
                if stage:
                    cell = self.cells[stage - 1]
                    h, w = -(-file.height // cell), -(-file.width // cell)
                    context[y, x] = int(done[-1][(y * h // rows) * w + x * w // columns] != 0)
        for colour in (0, 1):
            places = [p for p in context if sum(p) % 2 == colour]
            if colour:
                for y, x in places:
                    context[y, x] += 2 * (grid.get((y, x - 1), 0) != 0)
            flags = read([context[p] for p in places], self.flags[stage])
            some = [p for p, flag in zip(places, flags, strict=True) if flag]
            values = read([context[p] for p in some], self.values[stage])
            grid |= dict.fromkeys(places, 0)
            grid |= {p: value + 1 for p, value in zip(some, values, strict=True)}
        return [grid[p] for p in context]


@pytest.fixture(scope="module", params=["static", "neighbour"])
def priors(request, tmp_path_factory):
    """A prior, its reference twin read from the same file, and the file."""
    prior = {"static": STATIC, "neighbour": NEIGHBOUR}[request.param]
    path = tmp_path_factory.mktemp("prior") / "prior.safetensors"
    prior.save(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(reference.PRIORS, "test-neighbour", ReferenceNeighbour)
        return prior, reference.load_prior(path.read_bytes()), path


def flat(indices):
    return [grid.ravel().tolist() for grid in indices]


@settings(deadline=None, max_examples=40)
@given(
    width=st.integers(1, 100),
    height=st.integers(1, 100),
    quality=st.integers(0, 100),
    stages=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_reference_equals_the_package(priors, width, height, quality, stages, seed):
    prior, twin, _ = priors
    header = Header(width, height, quality, stages, FINGERPRINT)
    indices = sample_indices(prior, header, seed)
    data = write(
        header, encode_indices(indices, prior, header), {"exif": b"x", "seed": b"12345678"}
    )
    assert reference.decode(data, twin) == flat(indices)
    parsed = reference.parse(data)
    assert (parsed.width, parsed.height, parsed.quality) == (width, height, quality)
    assert parsed.chunks == {b"exif": b"x", b"seed": b"12345678"}


def test_the_reference_refuses_every_flip_and_cut(priors):
    prior, twin, _ = priors
    header = Header(90, 61, 40, 4, FINGERPRINT)
    data = write(
        header, encode_indices(sample_indices(prior, header), prior, header), {"exif": b"x"}
    )
    for at in range(len(data)):
        damaged = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        for bad in (damaged, data[:at]):
            with pytest.raises(reference.Refused):
                reference.decode(bad, twin)


def test_it_runs_alone_without_any_package(priors, tmp_path):
    prior, _, path = priors
    if prior is NEIGHBOUR:
        pytest.skip("the script knows the priors of the format only")
    header = Header(90, 61, 40, 4, FINGERPRINT)
    indices = sample_indices(prior, header)
    (tmp_path / "x.bibc").write_bytes(write(header, encode_indices(indices, prior, header)))
    script = Path(reference.__file__)
    command = [sys.executable, "-I", "-S", script, tmp_path / "x.bibc", path]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    raw = b"".join(grid.astype("<u2").tobytes() for grid in indices)
    assert printed == hashlib.sha256(raw).hexdigest()


def test_the_golden_file_of_the_format_document():
    """The file of FORMAT.md 7 decodes by the reference as the document says."""

    class Tiny:
        cells = (16, 8)
        tables = ([7626007, 4575604, 3050403, 1525202], [15099493, 838862, 838861])

        def read_stage(self, file, rows, columns, done, read):
            return read([0] * (rows * columns), [self.tables[len(done)]])

    text = (Path(reference.__file__).parent / "FORMAT.md").read_text()
    dump = text.split("<!-- golden -->")[1].split("```")[1]
    data = bytes.fromhex("".join(line.split("|")[0] for line in dump.strip().splitlines()))
    assert reference.decode(data, Tiny()) == [[3, 0], [0, 0, 2, 1, 0, 0]]
    for table in Tiny.tables:
        assert sum(table) == 2**24
        assert " ".join(map(str, table)) in text
