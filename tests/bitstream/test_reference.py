"""The plain-Python decoder reads what the package writes, with and without a context model."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from bitstream_samples import (
    FILE,
    FINGERPRINT,
    HEADER,
    neighbour_prior,
    sample_indices,
    static_prior,
    with_chunks,
    with_header,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream import Header, encode_indices, reference, write
from bitstream.header import write_varint

NO_FILE, CUT = "not a bibcodec file", "the file is cut"
NEWER, INVALID = "the file needs a newer reader", "the header is not valid"
HEADER_DAMAGED, TOO_LARGE = "the header is damaged", "the image is too large"
NO_NUMBER, NO_TYPE = "not a number", "not a chunk type"
NO_CHUNKS = "chunks are announced, but there are none"
CHUNK_DAMAGED, NO_PLACE = "a chunk is cut or damaged", "a chunk may not be there"
PAYLOAD_DAMAGED = "the image data is cut or damaged"
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
    major=st.sampled_from([1, 2]),
)
def test_reference_equals_the_package(priors, width, height, quality, stages, seed, major):
    prior, twin, _ = priors
    header = Header(width, height, quality, stages, FINGERPRINT, major=major)
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
    said = set()
    for at in range(len(data)):
        damaged = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        for bad in (damaged, data[:at]):
            with pytest.raises(reference.Refused) as caught:
                reference.decode(bad, twin)
            said.add(str(caught.value))
    known = {NO_FILE, CUT, NEWER, HEADER_DAMAGED, NO_NUMBER, NO_TYPE, CHUNK_DAMAGED, NO_CHUNKS}
    known |= {PAYLOAD_DAMAGED, "the seal does not match"}
    assert said <= known | {f"the check after stage {stage} fails" for stage in range(3)}
    assert "the seal does not match" in said


def test_the_reference_refuses_more_stages_than_the_model_has(priors):
    _, twin, _ = priors
    header = Header(90, 61, 40, 5, FINGERPRINT, major=2)
    with pytest.raises(reference.Refused, match="^the file has more stages than the model$"):
        reference.decode(write(header, b"\1" * 400), twin)


def least_crc() -> bytes:
    """A chunk whose CRC32 ends in a zero byte."""
    return next(
        data
        for number in range(10_000)
        if (data := with_chunks((b"exif", str(number).encode()), payload=b"")).endswith(b"\0")
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"BIBD" + FILE[4:], NO_FILE),
        (FILE[:15], CUT),
        (FILE[:16], PAYLOAD_DAMAGED),
        (FILE[:4] + b"\x00" + FILE[5:], NEWER),
        (FILE[:4] + b"\x30" + FILE[5:], NEWER),
        (with_header(FILE[:4] + b"\x18" + FILE[5:15]), NEWER),
        (FILE[:15] + bytes([FILE[15] ^ 1]) + FILE[16:], HEADER_DAMAGED),
        (with_header(FILE[:11] + b"\x81\x81\x81\x81\1", b"")[:-1], NO_NUMBER),
        (with_header(FILE[:11] + b"\x81\x81\x81\x81\1\1", b"")[:-1], HEADER_DAMAGED),
        (with_header(FILE[:6] + b"\x65" + FILE[7:15]), INVALID),
        (with_header(FILE[:5] + b"\x00" + FILE[6:15]), INVALID),
        (with_header(FILE[:4] + b"\x20\x00" + FILE[6:15]), INVALID),
        (with_header(FILE[:11] + b"\0\1"), INVALID),
        (with_header(FILE[:11] + b"\1\0"), INVALID),
        (with_header(FILE[:11] + b"\x80\0\1"), NO_NUMBER),
        (with_header(FILE[:11] + b"\x81" * 5 + b"\1\1"), NO_NUMBER),
        (with_header(FILE[:11] + write_varint(2**14) + write_varint(2**14 + 1)), TOO_LARGE),
        (FILE[:16] + b"\0" + FILE[17:], PAYLOAD_DAMAGED),
        (FILE + b"x", PAYLOAD_DAMAGED),
        (HEADER.write(pad=0, has_chunks=True), NO_CHUNKS),
        (with_chunks(count=0), NO_CHUNKS),
        (with_chunks((b"se\0d", b"a")), NO_TYPE),
        (with_chunks((b"_eed", b"a")), NO_TYPE),
        (with_chunks((b"1eed", b"a")), NO_TYPE),
        (with_chunks((b"exif", b"a"))[:20], NO_TYPE),
        (with_chunks((b"exif", b"a"))[:21], NO_NUMBER),
        (with_chunks((b"exif", b"abc"))[:24], CHUNK_DAMAGED),
        (least_crc()[:-1], CHUNK_DAMAGED),
        (with_chunks((b"exif", b"a")).replace(b"exif\1a", b"exif\1b"), CHUNK_DAMAGED),
        (with_chunks((b"exif", b"a"), payload=b""), PAYLOAD_DAMAGED),
        (with_chunks((b"exif", b"a"), (b"exif", b"b")), NO_PLACE),
        (with_chunks((b"Anim", b"a")), NO_PLACE),
        (with_chunks((b"grey", b"a")), NO_PLACE),
        (with_chunks((b"seed", b"1234567")), NO_PLACE),
    ],
)
def test_the_reference_says_what_is_wrong(data, says):
    with pytest.raises(reference.Refused) as caught:
        reference.parse(data)
    assert str(caught.value) == says


def test_the_reference_reads_what_is_at_the_bounds():
    head = b"BIBC\x10\x0a\x64mmmm" + write_varint(2**14) * 2
    largest = with_header(head, b"payl")
    parsed = reference.parse(largest)
    assert (parsed.width, parsed.height, parsed.quality, parsed.stages) == (2**14, 2**14, 100, 10)
    assert (parsed.fingerprint, parsed.words) == (b"mmmm", [int.from_bytes(b"payl", "big")])
    one = {b"a1_Z": b"later"}
    assert reference.parse(with_chunks(*one.items(), payload=b"payl")).chunks == one
    plain = reference.parse(write(HEADER, b"\0\0\0a"))
    assert (plain.words, plain.chunks) == ([97], {})


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
