"""Packed metadata: the same bytes back, never larger, and nothing of hostile chunks."""

import tracemalloc
import zlib

import numpy as np
import pytest
from bitstream_samples import HEADER, PAYLOAD, with_chunks
from hypothesis import given
from hypothesis import strategies as st

from bitstream import metadata
from bitstream.container import DEFAULT_LIMITS, Limits, metadata_bytes, parse, write
from bitstream.errors import BitstreamError, LimitExceeded, Truncated
from bitstream.reference import Refused
from bitstream.reference import parse as reference_parse

CHUNKS = {"exif": b"MM\0*" * 40, "xmp_": b"<x/>" * 50, "iccp": bytes(400)}


def packed(*entries, body):
    """Data of a `meta` chunk that says anything."""
    head = bytes([len(entries)])
    for kind, length in entries:
        head += kind + metadata.write_varint(length)
    return head + body


@given(st.dictionaries(st.sampled_from(metadata.KINDS), st.binary(max_size=400)))
def test_metadata_come_back_and_are_never_larger(chunks):
    data = write(HEADER, PAYLOAD, metadata.pack(chunks))
    assert metadata.unpack(parse(data).chunks) == chunks
    assert len(data) <= len(write(HEADER, PAYLOAD, chunks))
    assert (
        reference_parse(data).chunks.items() >= {k.encode(): v for k, v in chunks.items()}.items()
    )


def test_all_kinds_share_one_chunk_if_that_is_smallest():
    assert list(metadata.pack(CHUNKS)) == ["meta"]
    noise = np.random.default_rng(0).bytes(3000)
    mixed = metadata.pack(CHUNKS | {"iccp": noise})
    assert mixed.keys() == {"meta", "iccp"}
    assert metadata.unpack(mixed) == CHUNKS | {"iccp": noise}
    assert metadata.pack({"exif": b"MM\0*"}) == {"exif": b"MM\0*"}
    large = {"exif": bytes(2**22), "xmp_": noise}
    assert metadata.unpack(metadata.pack(large)) == large


def test_what_they_take_of_a_file():
    chunks = metadata.pack(CHUNKS)
    with_all = write(HEADER, PAYLOAD, chunks | {"grey": b""})
    without = write(HEADER, PAYLOAD, {"grey": b""})
    assert metadata_bytes(chunks | {"grey": b""}) == len(with_all) - len(without)
    assert metadata_bytes({"grey": b""}) == 0


BODY = zlib.compress(b"123456")
ONE = packed((b"exif", 6), body=BODY)


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", Truncated, "the file ends inside the count of chunk meta"),
        (b"\0", BitstreamError, "chunk meta: it holds nothing: the file is damaged"),
        (b"\1ex", Truncated, "the file ends inside a type in chunk meta"),
        (b"\1exif", Truncated, "the file ends inside a length in chunk meta"),
        (b"\1exif" + b"\xff" * 9, BitstreamError, "a length in chunk meta at byte 5 is longer"),
        (packed((b"alph", 6), body=BODY), BitstreamError, "chunk meta: 'alph' may not be there"),
        (packed((b"me\nx", 6), body=BODY), BitstreamError, r"chunk meta: 'me\\nx' may not be"),
        (packed((b"exif", 3), (b"exif", 3), body=BODY), BitstreamError, "chunk meta: 'exif' may"),
        (packed((b"exif", 2**32), body=BODY), LimitExceeded, "the chunks up to meta have 4294967"),
    ],
)
def test_bad_directories_are_refused_before_anything_is_unpacked(data, error, says):
    with pytest.raises(error, match=f"^{says}"):
        parse(with_chunks((b"meta", data)))
    with pytest.raises(Refused):
        reference_parse(with_chunks((b"meta", data)))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (ONE[:-1], "does not hold 6 bytes exactly"),
        (ONE + b"x", "does not hold 6 bytes exactly"),
        (packed((b"exif", 5), body=BODY), "does not hold 5 bytes exactly"),
        (packed((b"exif", 7), body=BODY), "does not hold 7 bytes exactly"),
        (packed((b"exif", 6), body=b"junk"), "damaged"),
        (packed((b"exif", 6), body=b""), "does not hold 6 bytes exactly"),
    ],
)
def test_bad_packings_are_refused(data, says):
    file = parse(with_chunks((b"meta", data)))
    with pytest.raises(BitstreamError, match=f"^chunk meta: {says}"):
        metadata.unpack(file.chunks)
    with pytest.raises(Refused):
        reference_parse(with_chunks((b"meta", data)))


def test_a_kind_is_not_there_twice():
    data = with_chunks((b"exif", b"MM"), (b"meta", ONE))
    with pytest.raises(BitstreamError, match="^chunk exif is there, and in chunk meta a second"):
        parse(data)
    with pytest.raises(Refused):
        reference_parse(data)
    planes = with_chunks((b"alph", b""), (b"Alpl", b""))
    with pytest.raises(BitstreamError, match="^the chunks alph and Alpl exclude each other$"):
        parse(planes)
    with pytest.raises(Refused):
        reference_parse(planes)


def test_packed_bytes_count_against_the_limit_as_unpacked():
    data = write(HEADER, PAYLOAD, metadata.pack({"exif": bytes(1000)}))
    with pytest.raises(LimitExceeded, match="the limit is 1000 bytes"):
        parse(data, Limits(max_chunk_bytes=1000))
    assert parse(data, Limits(max_chunk_bytes=1100)).chunks


def test_a_bomb_takes_no_more_than_it_says():
    data = packed((b"exif", 1000), body=zlib.compress(bytes(2**26)))
    tracemalloc.start()
    with pytest.raises(BitstreamError, match="does not hold 1000 bytes"):
        metadata.unpack(parse(with_chunks((b"meta", data)), DEFAULT_LIMITS).chunks)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10**6
