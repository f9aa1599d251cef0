"""The container: golden bytes, round trips, and hostile files."""

import subprocess
import sys
import tracemalloc

import pytest
from bitstream_samples import FILE, HEADER, PAYLOAD, with_chunks, with_header
from hypothesis import given
from hypothesis import strategies as st

from bitstream.container import KNOWN_CHUNKS, Limits, parse, seed_chunk, write
from bitstream.errors import (
    BadMagic,
    BitstreamError,
    Checksum,
    LimitExceeded,
    Truncated,
    UnsupportedVersion,
)
from bitstream.header import MAGIC, Header, Reader, write_varint
from bitstream.reference import Refused
from bitstream.reference import parse as reference_parse

NO_TYPE = "byte 17: b'{}' is not a chunk type; the file is damaged"

fields = {
    "width": st.integers(1, 2**32 - 1),
    "height": st.integers(1, 2**32 - 1),
    "quality": st.integers(0, 100),
    "fingerprint": st.binary(min_size=4, max_size=4),
}
headers = st.one_of(
    st.builds(Header, stages=st.integers(1, 15), minor=st.integers(0, 15), **fields),
    st.builds(Header, stages=st.integers(1, 255), major=st.just(2), **fields),
)
chunks = st.dictionaries(st.sampled_from(KNOWN_CHUNKS[:4]), st.binary(max_size=300))


def test_golden_file():
    data = write(HEADER, PAYLOAD, {"exif": b"Exif", **seed_chunk(258)})
    assert data == bytes.fromhex(
        "42494243 16 0a 28 6d6d6d6d 8006 8004 cf"
        "02 65786966 04 45786966 b59c8d5c 73656564 08 0201000000000000 717dbe1e"
        "01 7061796c6f61642121"
    )
    parsed = parse(data)
    assert (parsed.header, parsed.payload) == (HEADER, PAYLOAD)
    assert parsed.chunks == {"exif": b"Exif", "seed": b"\2\1\0\0\0\0\0\0"}
    assert parsed.seed == 258


def test_a_plain_header_of_a_photo_has_16_bytes():
    assert len(FILE) - len(PAYLOAD.lstrip(b"\0")) == 16
    assert parse(FILE).seed == 0


@given(headers, chunks, st.integers(0, 3), st.binary())
def test_files_come_back(header, some_chunks, pad, tail):
    payload = bytes(pad) + b"\x01" + tail
    limits = Limits(max_pixels=0, max_side=0, max_stages=0)
    parsed = parse(write(header, payload, some_chunks), limits)
    assert (parsed.header, parsed.chunks, parsed.payload) == (header, some_chunks, payload)


@given(st.binary(max_size=200))
def test_noise_is_refused(data):
    with pytest.raises(BitstreamError):
        parse(data)


@given(st.data())
def test_noise_after_the_magic_is_parsed_or_refused(data):
    noise = data.draw(st.binary(max_size=60))
    major = data.draw(st.sampled_from([1, 2]))
    covered = MAGIC + bytes([major << 4 | data.draw(st.integers(0, 15))]) + noise[:12]
    try:
        parsed = parse(with_header(covered, noise[12:]))
    except BitstreamError as error:
        assert "\n" not in str(error)
    else:
        assert 0 < parsed.header.width * parsed.header.height <= Limits().max_pixels


@pytest.mark.parametrize("size", [(2**16, 2**14), (2**32 - 1, 2**32 - 1), (2**14, 2**14 + 1)])
def test_a_gigapixel_claim_is_refused_before_anything_is_allocated(size):
    data = write(Header(*size, quality=40, stages=10, fingerprint=b"mmmm"), PAYLOAD)
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceeded, match="the limit is 268435456 pixels"):
            parse(data)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_limits_are_the_callers():
    assert parse(FILE, Limits(max_pixels=768 * 512, max_side=768))
    with pytest.raises(LimitExceeded, match="768x512"):
        parse(FILE, Limits(max_pixels=768 * 512 - 1))
    with pytest.raises(LimitExceeded, match="a side"):
        parse(FILE, Limits(max_side=767))
    assert parse(FILE, Limits(max_stages=10))
    with pytest.raises(LimitExceeded, match="10 stages; the limit is 9 stages"):
        parse(FILE, Limits(max_stages=9))
    data = with_chunks((b"exif", b"a" * 20), (b"xmp_", b"b" * 30))
    assert parse(data, Limits(max_chunk_bytes=50)).chunks
    with pytest.raises(LimitExceeded, match="the chunks up to xmp_ have 50 bytes; the limit is 49"):
        parse(data, Limits(max_chunk_bytes=49))
    assert parse(data, Limits(0, 0, 0, 0)).chunks


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", Truncated, "the file is empty"),
        (b"BI", Truncated, "the file ends inside the magic: 4 bytes needed at byte 0, 2 left"),
        (
            b"\x89PNG\r\n",
            BadMagic,
            r"not a bibcodec file: it begins with b'\x89PNG', expected b'BIBC'",
        ),
        (
            b"BIBD" + FILE[4:],
            BadMagic,
            "not a bibcodec file: it begins with b'BIBD', expected b'BIBC'",
        ),
        (
            FILE[:4] + b"\x30" + FILE[5:],
            UnsupportedVersion,
            "the file is of format version 3, this reader knows versions 1 and 2",
        ),
        (
            with_header(FILE[:4] + b"\x18" + FILE[5:15]),
            UnsupportedVersion,
            "the header sets a reserved bit: a newer writer made the file",
        ),
        (
            with_header(FILE[:6] + b"\x65" + FILE[7:15]),
            BitstreamError,
            "the header is not valid: the quality is 101, expected 0..100",
        ),
        (
            with_header(FILE[:5] + b"\x00" + FILE[6:15]),
            BitstreamError,
            "the header is not valid: the stage count is 0, expected 1..15",
        ),
        (
            with_header(FILE[:4] + b"\x20\x00" + FILE[6:15]),
            BitstreamError,
            "the header is not valid: the stage count is 0, expected 1..255",
        ),
        (
            with_header(FILE[:4] + b"\x20\x41" + FILE[6:15]),
            LimitExceeded,
            "the image has 65 stages; the limit is 64 stages",
        ),
        (
            with_header(FILE[:11] + b"\0\1"),
            BitstreamError,
            "the header is not valid: the width is 0, expected 1..4294967295",
        ),
        (
            with_header(FILE[:11] + b"\x80\0\1"),
            BitstreamError,
            "the width at byte 11 ends in a needless zero byte",
        ),
        (
            with_header(FILE[:11] + b"\xff\xff\xff\xff\x7f\1"),
            BitstreamError,
            "the header is not valid: the width is 34359738367, expected 1..4294967295",
        ),
        (
            with_header(FILE[:11] + b"\xff" * 9 + b"\1\1"),
            BitstreamError,
            "the width at byte 11 is longer than 5 bytes",
        ),
        (
            FILE[:15] + bytes([FILE[15] ^ 1]) + FILE[16:],
            Checksum,
            "the header is damaged: its checksum is 0xb2, expected 0xb3",
        ),
        (
            FILE[:16] + b"\0" + FILE[16:],
            Checksum,
            "the image data begins with a zero byte: the file is damaged",
        ),
    ],
)
def test_broken_headers_are_refused(data, error, says):
    with pytest.raises(error) as caught:
        parse(data)
    assert type(caught.value) is error
    assert str(caught.value) == says


@pytest.mark.parametrize("end", range(16))
def test_a_cut_header_is_truncated(end):
    says = "the file is empty|the file ends inside the (magic|header|width|height): "
    with pytest.raises(Truncated, match=f"^({says})"):
        parse(FILE[:end])


def test_every_single_and_double_flip_of_the_header_is_noticed():
    for first in range(16 * 8):
        for second in range(first, 16 * 8):
            bits = (1 << first) | (1 << second)
            head = (int.from_bytes(FILE[:16], "little") ^ bits).to_bytes(16, "little")
            with pytest.raises(BitstreamError):
                parse(head + FILE[16:])


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (with_chunks(count=0), BitstreamError, "the header announces chunks, but their count is 0"),
        (
            with_chunks((b"exif", b"a"), (b"exif", b"b")),
            BitstreamError,
            "chunk exif at byte 27 occurs a second time",
        ),
        (
            with_chunks((b"Anim", b"a")),
            UnsupportedVersion,
            "the file needs chunk Anim, which this reader does not know",
        ),
        (with_chunks((b"se\0d", b"a")), BitstreamError, NO_TYPE.format(r"se\x00d")),
        (with_chunks((b"_eed", b"a")), BitstreamError, NO_TYPE.format("_eed")),
        (with_chunks((b"\xe9xif", b"a")), BitstreamError, NO_TYPE.format(r"\xe9xif")),
        (
            with_chunks((b"seed", b"1234567")),
            BitstreamError,
            "the seed chunk has 7 bytes, expected 8",
        ),
        (with_chunks((b"grey", b"x")), BitstreamError, "the grey chunk has 1 bytes, expected 0"),
        (
            with_chunks((b"exif", b"a"), count=2),
            Truncated,
            "the file ends inside chunk payl: 111 bytes needed at byte 32, 2 left",
        ),
        (
            with_chunks((b"exif", b"a")).replace(b"exif\1a", b"exif\1b"),
            Checksum,
            "chunk exif at byte 17 is damaged: its CRC32 does not match",
        ),
        (
            with_chunks((b"exif", b"a")).replace(b"exif\1", b"exif\x7f"),
            Truncated,
            "the file ends inside chunk exif: 127 bytes needed at byte 22, 12 left",
        ),
        (
            with_chunks((b"exif", b"a")).replace(b"exif\1", b"exif\xff\xff\xff\xff\x0f"),
            LimitExceeded,
            "the chunks up to exif have 4294967295 bytes; the limit is 67108864 bytes",
        ),
        (
            with_chunks((b"exif", b"a")).replace(b"exif\1", b"exif\xff\xff\xff\xff\xff\1"),
            BitstreamError,
            "the length of chunk exif at byte 21 is longer than 5 bytes",
        ),
    ],
)
def test_broken_chunks_are_refused(data, error, says):
    with pytest.raises(error) as caught:
        parse(data)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (with_chunks(count=0)[:17], "the header announces chunks, but their count is 0"),
        (HEADER.write(pad=0, has_chunks=True), "the file ends inside the chunk count: 1 bytes"),
        (with_chunks((b"exif", b""))[:20], "the file ends inside a chunk's type: 4 bytes"),
        (with_chunks((b"exif", b""))[:21], "the file ends inside the length of chunk exif: 1"),
        (with_chunks((b"exif", b"ab"))[:23], "the file ends inside chunk exif: 2 bytes needed"),
        (with_chunks((b"exif", b"ab"))[:27], "the file ends inside chunk exif: 4 bytes needed"),
    ],
)
def test_chunks_that_end_say_where(data, says):
    with pytest.raises(BitstreamError) as caught:
        parse(data)
    assert str(caught.value).startswith(says)


def test_unknown_chunks_that_may_be_skipped_are_kept_as_bytes():
    data = with_chunks((b"exif", b"a"), (b"new9", b"later"))
    assert parse(data).chunks == {"exif": b"a", "new9": b"later"}


def test_one_channel_and_three_exclude_each_other():
    with pytest.raises(BitstreamError, match="the chunks grey and gry3 exclude each other$"):
        parse(with_chunks((b"grey", b""), (b"gry3", b"")))
    with pytest.raises(Refused, match="one channel or with three"):
        reference_parse(with_chunks((b"grey", b""), (b"gry3", b"")))


def test_a_seed_of_zero_needs_no_chunk():
    assert seed_chunk(0) == {}
    assert seed_chunk(1) == {"seed": b"\1" + bytes(7)}


def test_metadata_changes_without_touching_the_payload():
    plain, tagged = parse(FILE), parse(write(HEADER, PAYLOAD, {"xmp_": b"x" * 1000}))
    assert (plain.header, plain.payload) == (tagged.header, tagged.payload)


def test_writing_checks_chunks():
    with pytest.raises(ValueError, match="type 'abcd'"):
        write(HEADER, PAYLOAD, {"abcd": b""})
    assert parse(write(HEADER, bytes(3) + b"XX")).payload == bytes(3) + b"XX"
    with pytest.raises(
        ValueError, match="^the payload begins with a zero word, which no encoder w"
    ):
        write(HEADER, bytes(4) + b"XX")
    with pytest.raises(BitstreamError, match="3 bytes"):
        write(HEADER, PAYLOAD, {"seed": b"123"})


@pytest.mark.parametrize(
    ("field", "name", "least", "most"),
    [
        ("width", "width", 1, 2**32 - 1),
        ("height", "height", 1, 2**32 - 1),
        ("quality", "quality", 0, 100),
        ("stages", "stage count", 1, 15),
        ("minor", "minor version", 0, 15),
    ],
)
def test_header_fields_have_ranges(field, name, least, most):
    good = {"width": 1, "height": 1, "quality": 0, "stages": 1, "fingerprint": b"abcd"}
    for value in (least, most):
        assert Header(**good | {field: value})
    for value in (least - 1, most + 1):
        with pytest.raises(ValueError, match=f"^the {name} is {value}, expected {least}..{most}$"):
            Header(**good | {field: value})


def test_a_minor_version_stands_beside_the_stages():
    later = Header(768, 512, quality=40, stages=10, fingerprint=b"mmmm", minor=15)
    assert later.fields()[0] == 0xFA
    assert parse(write(later, PAYLOAD)).header == later


def test_version_2_has_a_byte_for_the_stages_and_no_minor_version():
    good = {"width": 768, "height": 512, "quality": 40, "fingerprint": b"mmmm", "major": 2}
    for stages in (1, 15, 16, 64):
        header = Header(**good, stages=stages)
        data = write(header, PAYLOAD)
        assert (data[4] >> 4, data[5]) == (2, stages)
        assert parse(data).header == header
    for field, value, says in (
        ("stages", 256, "the stage count is 256, expected 1..255"),
        ("minor", 1, "the minor version is 1, expected 0..0"),
        ("major", 3, "the major version is 3, expected 1 or 2"),
    ):
        with pytest.raises(ValueError, match=f"^{says}$"):
            Header(**{"stages": 1} | good | {field: value})


def test_a_fingerprint_has_4_bytes():
    with pytest.raises(ValueError, match="^the fingerprint length is 3, expected 4..4$"):
        Header(1, 1, quality=0, stages=1, fingerprint=b"abc")


@given(st.integers(0, 2**35 - 1))
def test_varints_come_back(value):
    data = write_varint(value)
    assert len(data) == max(1, -(-value.bit_length() // 7))
    assert Reader(data).varint("it") == value


def test_torch_is_not_imported():
    code = "import sys, bitstream; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
