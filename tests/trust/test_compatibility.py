"""Files of versions 1 and 2 for ever, and files of versions to come."""

import hashlib
import subprocess
import sys
import zlib

import numpy as np
import pytest
from golden import DATA, INDEX, PRIOR, VERSIONS, hash_of, version_of

import codec
from bitstream import container, reference, stream
from bitstream.errors import UnsupportedVersion
from bitstream.header import Header, crc8, write_varint
from bitstream.prior import Prior

# SHA-256 of all golden files of a version, their prior and their index
FOR_EVER = {
    "v1": "408c5219bdcea6f2889a741144c268dfe929e3d5879bd0b45adaa78c72e94b47",
    "v2": "d0c3bbe4c418bd3dca47ca04323330d994d68df3394df397e9270cf4dd226aaf",
}
NAMES = [path.name for v in VERSIONS for path in sorted(DATA.glob(f"{v}_*.bibc"))]


@pytest.fixture(scope="module")
def priors():
    return {version: Prior.load(PRIOR[version]) for version in VERSIONS}


@pytest.fixture(scope="module")
def prior(priors):
    return priors["v1"]


def decode(data, prior):
    file = container.parse(data)
    return stream.decode_indices(file.payload, prior, file.header)


def later_minor(data, prior, minor=15):
    """The file as a later minor version would write it: all its fields say so."""
    file = container.parse(data)
    header = Header(**(vars(file.header) | {"minor": minor}))
    payload = stream.encode_indices(decode(data, prior), prior, header)
    return container.write(header, payload, file.chunks)


def with_chunk(data, kind, content=b"of a later version"):
    """The file with a chunk more in front, its check right; the image data stays as it is."""
    file = container.parse(data)
    size = len(file.header.write(pad=0, has_chunks=True))
    old = data[size] if data[4] & 0b0100 else 0
    covered = data[:4] + bytes([data[4] | 0b0100]) + data[5 : size - 1]
    chunk = kind + write_varint(len(content)) + content
    chunk += zlib.crc32(chunk).to_bytes(4, "little")
    rest = data[size + 1 :] if old else data[size:]
    return covered + bytes([crc8(covered), old + 1]) + chunk + rest


@pytest.mark.parametrize("version", VERSIONS)
def test_golden_files_never_change(version):
    digest = hashlib.sha256()
    names = [name for name in NAMES if version_of(name) == version]
    for path in [*(DATA / name for name in names), PRIOR[version], INDEX[version]]:
        digest.update(path.read_bytes())
    assert digest.hexdigest() == FOR_EVER[version]


@pytest.mark.parametrize("name", NAMES)
def test_written_again_they_are_the_same_bytes(name, priors, implementation):
    """Readers of today's files are readers of the files of then: encoding has not moved either."""
    data, prior = (DATA / name).read_bytes(), priors[version_of(name)]
    file = container.parse(data)
    payload = stream.encode_indices(decode(data, prior), prior, file.header)
    assert container.write(file.header, payload, file.chunks) == data


@pytest.mark.parametrize("name", ["v1_odd_q70.bibc", "v1_rgba_metadata_q40.bibc"])
def test_a_later_minor_version_decodes(name, prior):
    data = (DATA / name).read_bytes()
    expected = hash_of(decode(data, prior))
    later = with_chunk(later_minor(data, prior), b"new9")
    assert codec.info(later).version == "1.15"
    assert codec.info(later).chunks["new9"] == 18
    assert hash_of(decode(later, prior)) == expected
    if name == "v1_odd_q70.bibc":  # the other one takes seconds
        found = reference.decode(later, reference.load_prior(PRIOR["v1"].read_bytes()))
        assert hash_of(found) == expected


def test_unknown_chunks_of_this_version(prior):
    data = (DATA / "v1_odd_q70.bibc").read_bytes()
    assert hash_of(decode(with_chunk(data, b"zzzz"), prior)) == hash_of(decode(data, prior))
    with pytest.raises(UnsupportedVersion, match="needs chunk Zzzz"):
        container.parse(with_chunk(data, b"Zzzz"))
    with pytest.raises(reference.Refused):
        reference.parse(with_chunk(data, b"Zzzz"))


@pytest.mark.parametrize("major", [0, *range(3, 16)])
def test_another_major_version_is_refused(major):
    data = (DATA / "v1_odd_q70.bibc").read_bytes()
    covered = data[:4] + bytes([major << 4 | data[4] & 15]) + data[5:13]
    later = covered + bytes([crc8(covered)]) + data[14:]
    with pytest.raises(
        UnsupportedVersion, match=f"version {major}, this reader knows versions 1 and 2"
    ):
        container.parse(later)
    with pytest.raises(reference.Refused, match="newer"):
        reference.parse(later)


def test_indices_do_not_depend_on_torch(prior):
    """The bitstream decodes golden files in a process that cannot import torch."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from golden import DATA, PRIOR, hash_of\n"
        "from bitstream import container, stream\n"
        "from bitstream.prior import Prior\n"
        "file = container.parse((DATA / 'v1_odd_q70.bibc').read_bytes())\n"
        "prior = Prior.load(PRIOR['v1'])\n"
        "print(hash_of(stream.decode_indices(file.payload, prior, file.header)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    data = (DATA / "v1_odd_q70.bibc").read_bytes()
    assert done.stdout.strip() == hash_of(decode(data, prior))
    assert all(grid.dtype == np.int32 for grid in decode(data, prior))
