"""Coded files made to do harm, each with the one sentence it must get and the memory it may take.

All checksums of these files are right unless the checksum is what is wrong: a CRC is no defence.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bitstream import Header, Prior, encode_indices, parse, write
from bitstream.alpha import pack_filtered
from bitstream.entropy import Encoder
from bitstream.header import MAGIC, crc8, write_varint
from bitstream.prior import grid_shape
from bitstream.tables import uniform

SIZE = 75, 50  # of the honest image that some of the files begin as


@dataclass(frozen=True)
class Attack:
    """A file for the model at hand, what is said about it, and how many MB saying so may take."""

    make: Callable[["Kit"], bytes]
    says: str
    megabytes: float = 2


class Kit:
    """An honest file of random indices, and its parts to build others from."""

    def __init__(self, prior: Prior, fingerprint: bytes) -> None:
        self.prior, self.fingerprint = prior, fingerprint
        rng = np.random.default_rng(0)
        indices = [
            rng.integers(0, codes, grid_shape(SIZE[1], SIZE[0], cell)).astype(np.int32)
            for cell, codes in zip(prior.cells, prior.codes, strict=True)
        ]
        self.data = write(self.header(), encode_indices(indices, prior, self.header()))
        self.file = parse(self.data)

    def header(self, width=SIZE[0], height=SIZE[1], stages=4, quality=60, minor=0) -> Header:
        return Header(width, height, quality, stages, self.fingerprint, minor)

    def claim(self, width, height, payload=b"\1" + bytes(63), chunks=None, **fields) -> bytes:
        return write(self.header(width, height, **fields), payload, chunks)

    def with_header(self, fields: bytes, framing: int = 0x10) -> bytes:
        """The image data behind any fields, with the right header check."""
        covered = MAGIC + bytes([framing]) + fields
        return covered + bytes([crc8(covered)]) + self.file.payload

    def with_sizes(self, width: bytes, height: bytes) -> bytes:
        return self.with_header(self.file.header.fields()[:6] + width + height)

    def with_chunks(
        self, *chunks: tuple[bytes, bytes], count=None, length=None, tail=None
    ) -> bytes:
        """Any chunks with right CRC32s, and any lies about their count and their length."""
        out = bytearray([len(chunks) if count is None else count])
        for kind, data in chunks:
            chunk = kind + (length or write_varint(len(data))) + data
            out += chunk + zlib.crc32(chunk).to_bytes(4, "little")
        head = self.file.header.write(pad=0, has_chunks=True)
        return head + out + (self.file.payload.lstrip(b"\0") if tail is None else tail)

    def words(self, *words: int) -> bytes:
        return self.claim(*SIZE, b"".join(word.to_bytes(4, "big") for word in words))


def bomb(size: int) -> bytes:
    """`size` zeros, deflated as far as they go."""
    packer = zlib.compressobj(1)
    piece = bytes(2**20)
    return b"".join(packer.compress(piece) for _ in range(size // 2**20)) + packer.flush()


def lying_count(kit: Kit) -> bytes:
    """Twice the symbols of the header's grids, well coded, sealed with the right checksum."""
    encoder, crc = Encoder(), zlib.crc32(kit.header().fields())
    for cell, codes in zip(kit.prior.cells, kit.prior.codes, strict=True):
        rows, columns = grid_shape(SIZE[1], SIZE[0], cell)
        symbols = np.ones(2 * rows * columns, np.int32)
        encoder.code(np.zeros_like(symbols), uniform(codes), symbols)
        crc = zlib.crc32(symbols.astype("<u2").tobytes(), crc)
    return write(kit.header(), encoder.finish(crc | 1 << 31))


def flipped_seal(kit: Kit) -> bytes:
    """The last word's lowest bit: every symbol decodes as it should, only the seal is wrong."""
    payload = bytearray(kit.file.payload)
    payload[-1] ^= 1
    return write(kit.file.header, bytes(payload))


ATTACKS = {
    # claims about the size
    "a billion pixels": Attack(
        lambda kit: kit.claim(31623, 31623),
        "the image is 31623x31623, 1000014129 pixels; the limit is 268435456 pixels",
    ),
    "a side of 4 billion": Attack(
        lambda kit: kit.claim(2**32 - 1, 1),
        "the image is 4294967295x1, 4294967295 pixels; the limit is 268435456 pixels",
    ),
    "a strip": Attack(
        lambda kit: kit.claim(2**20, 1), "the image is 1048576x1; the limit is 65535 pixels a side"
    ),
    "pixels that wrap to 0 in 64 bits": Attack(
        lambda kit: kit.with_sizes(write_varint(2**31), write_varint(2**31)),
        "the image is 2147483648x2147483648, 4611686018427387904 pixels; "
        "the limit is 268435456 pixels",
    ),
    "the most pixels that are allowed": Attack(
        lambda kit: kit.claim(16384, 16384),
        "the image data ran out in stage 1 of 4: the file is cut or damaged",
        megabytes=40,
    ),
    "a width that wraps to 75 in 32 bits": Attack(
        lambda kit: kit.with_sizes(write_varint(2**32 + 75), write_varint(50)),
        "the header is not valid: the width is 4294967371, expected 1..4294967295",
    ),
    "a width that wraps to -1": Attack(
        lambda kit: kit.with_sizes(write_varint(2**35 - 1), write_varint(50)),
        "the header is not valid: the width is 34359738367, expected 1..4294967295",
    ),
    "a number without end": Attack(
        lambda kit: kit.with_sizes(b"\xff" * 40, b""),
        "the width at byte 11 is longer than 5 bytes",
    ),
    "a number in needless bytes": Attack(
        lambda kit: kit.with_sizes(b"\xcb\x80\x00", b"\x32"),
        "the width at byte 11 ends in a needless zero byte",
    ),
    "no pixels": Attack(
        lambda kit: kit.with_sizes(b"\0", b"\x32"),
        "the header is not valid: the width is 0, expected 1..4294967295",
    ),
    "another width of the same grids": Attack(
        lambda kit: write(kit.header(76), kit.file.payload),
        "a check fails in stage 2 of 4: the file is cut or damaged",
    ),
    # stages, quality, version
    "more stages than the model": Attack(
        lambda kit: kit.claim(*SIZE, stages=15), "the file has 15 stages, the model has 4"
    ),
    "fewer stages than were written": Attack(
        lambda kit: write(kit.header(stages=3), kit.file.payload),
        "a check fails in stage 1 of 3: the file is cut or damaged",
    ),
    "no stages": Attack(
        lambda kit: kit.with_header(b"\0" + kit.file.header.fields()[1:]),
        "the header is not valid: the stage count is 0, expected 1..15",
    ),
    "quality 255": Attack(
        lambda kit: kit.with_header(
            kit.file.header.fields()[:1] + b"\xff" + kit.file.header.fields()[2:]
        ),
        "the header is not valid: the quality is 255, expected 0..100",
    ),
    "a major version to come": Attack(
        lambda kit: kit.with_header(kit.file.header.fields(), framing=0x30),
        "the file is of format version 3, this reader knows versions 1 and 2",
    ),
    "a reserved bit": Attack(
        lambda kit: kit.with_header(kit.file.header.fields(), framing=0x18),
        "the header sets a reserved bit: a newer writer made the file",
    ),
    "another model": Attack(
        lambda kit: write(Header(*SIZE, 60, 4, b"none"), kit.file.payload),
        "written with the model 6e6f6e65, but the model given is 74696e79: "
        "decode with the one that wrote the file",
    ),
    # chunks
    "a chunk twice": Attack(
        lambda kit: kit.with_chunks((b"exif", b"one"), (b"exif", b"two")),
        "chunk exif at byte 27 occurs a second time",
    ),
    "a chunk of 4 GB": Attack(
        lambda kit: kit.with_chunks((b"exif", b"x"), length=write_varint(2**32 - 1)),
        "the chunks up to exif have 4294967295 bytes; the limit is 67108864 bytes",
    ),
    "a chunk length that wraps to -1": Attack(
        lambda kit: kit.with_chunks((b"exif", b"x"), length=write_varint(2**35 - 1)),
        "the chunks up to exif have 34359738367 bytes; the limit is 67108864 bytes",
    ),
    "a chunk length without end": Attack(
        lambda kit: kit.with_chunks((b"exif", b"x"), length=b"\xff" * 9),
        "the length of chunk exif at byte 19 is longer than 5 bytes",
    ),
    "a chunk over the next chunk and the image": Attack(
        lambda kit: kit.with_chunks(
            (b"exif", b"xmp_\4<x/>" + bytes(4) + kit.file.payload), tail=b""
        ),
        "the file holds no image data: it is cut",
    ),
    "a chunk past the end": Attack(
        lambda kit: kit.with_chunks((b"exif", b"x"), length=write_varint(60_000_000)),
        "the file ends inside chunk exif: 60000000 bytes needed at byte 23, 68 left",
    ),
    "255 chunks that are one": Attack(
        lambda kit: kit.with_chunks((b"exif", b"x"), count=255, tail=b""),
        "the file ends inside a chunk's type: 4 bytes needed at byte 25, 0 left",
    ),
    "chunks that are none": Attack(
        lambda kit: kit.with_chunks(count=0),
        "the header announces chunks, but their count is 0",
    ),
    "255 chunks of 300 kB": Attack(
        lambda kit: kit.with_chunks(*((b"a%03d" % n, bytes(3 * 10**5)) for n in range(255))),
        "the chunks up to a223 have 67200000 bytes; the limit is 67108864 bytes",
        megabytes=70,
    ),
    "a chunk that a reader must know": Attack(
        lambda kit: kit.with_chunks((b"Anim", b"x")),
        "the file needs chunk Anim, which this reader does not know",
    ),
    "a chunk named as a path": Attack(
        lambda kit: kit.with_chunks((b"../x", b"x")),
        "byte 15: b'../x' is not a chunk type; the file is damaged",
    ),
    "a chunk named by control characters": Attack(
        lambda kit: kit.with_chunks((b"a\x1b[2", b"x")),
        "byte 15: b'a\\x1b[2' is not a chunk type; the file is damaged",
    ),
    "a seed of 7 bytes": Attack(
        lambda kit: kit.with_chunks((b"seed", bytes(7))),
        "the seed chunk has 7 bytes, expected 8",
    ),
    "a grey flag with contents": Attack(
        lambda kit: kit.with_chunks((b"grey", bytes(9))),
        "the grey chunk has 9 bytes, expected 0",
    ),
    # alpha
    "an alpha bomb of 256 MB": Attack(
        lambda kit: write(kit.file.header, kit.file.payload, {"alph": bomb(2**28)}),
        "alpha chunk: does not hold 75x50 bytes exactly",
        megabytes=8,
    ),
    "an alpha of a byte too many": Attack(
        lambda kit: write(kit.file.header, kit.file.payload, {"alph": zlib.compress(bytes(3751))}),
        "alpha chunk: does not hold 75x50 bytes exactly",
    ),
    "an alpha of a byte too few": Attack(
        lambda kit: write(kit.file.header, kit.file.payload, {"alph": zlib.compress(bytes(3749))}),
        "alpha chunk: does not hold 75x50 bytes exactly",
    ),
    "an alpha with something behind it": Attack(
        lambda kit: write(
            kit.file.header, kit.file.payload, {"alph": zlib.compress(bytes(3750)) + b"more"}
        ),
        "alpha chunk: does not hold 75x50 bytes exactly",
    ),
    "an alpha that is no zlib": Attack(
        lambda kit: write(kit.file.header, kit.file.payload, {"alph": b"\x1f\x8b gzip"}),
        "alpha chunk: damaged (Error -3 while decompressing data: incorrect header check)",
    ),
    "an alpha bomb of 64 MB by LZMA": Attack(
        lambda kit: write(
            kit.file.header,
            kit.file.payload,
            {"Alpl": pack_filtered(np.zeros((8192, 8192), np.uint8))},
        ),
        "alpha chunk: does not hold 75x50 bytes exactly",
        megabytes=8,
    ),
    "an alpha by LZMA of another filter": Attack(
        lambda kit: write(kit.file.header, kit.file.payload, {"Alpl": b"\x05junk"}),
        "alpha chunk: its filter is unknown: the file is damaged",
    ),
    "two alphas": Attack(
        lambda kit: kit.with_chunks((b"alph", b"x"), (b"Alpl", b"x")),
        "the chunks alph and Alpl exclude each other",
    ),
    # packed metadata
    "packed metadata that say 4 GB": Attack(
        lambda kit: kit.with_chunks((b"meta", b"\1exif" + write_varint(2**32 - 1) + bomb(2**20))),
        f"the chunks up to meta have {2**32 - 1 + 10 + len(bomb(2**20))} bytes; "
        "the limit is 67108864 bytes",
    ),
    "packed metadata of 64 MB that say 1 kB": Attack(
        lambda kit: write(
            kit.file.header,
            kit.file.payload,
            {"meta": b"\1exif" + write_varint(1000) + bomb(2**26)},
        ),
        "chunk meta: does not hold 1000 bytes exactly",
    ),
    "packed metadata within packed metadata": Attack(
        lambda kit: kit.with_chunks((b"meta", b"\1meta\1" + zlib.compress(b"\0"))),
        "chunk meta: 'meta' may not be there: the file is damaged",
    ),
    # the entropy coder
    "no words": Attack(
        lambda kit: kit.claim(*SIZE, b""), "the file holds no image data: it is cut"
    ),
    "part of a word": Attack(
        lambda kit: kit.claim(*SIZE, b"\1\2\3"),
        "the image data is no whole number of words: the file is cut or lengthened",
    ),
    "a first byte of zero": Attack(
        lambda kit: kit.with_header(kit.file.header.fields())[:14] + bytes(4) + kit.file.payload,
        "the image data begins with a zero byte: the file is damaged",
    ),
    "a state of 1": Attack(
        lambda kit: kit.words(1),
        "the image data ran out in stage 1 of 4: the file is cut or damaged",
    ),
    "a state that is a seal": Attack(
        lambda kit: kit.words(0xFFFFFFFF),
        "the image data ran out in stage 1 of 4: the file is cut or damaged",
    ),
    "a megabyte of ones": Attack(
        lambda kit: kit.words(*[2**32 - 1] * 2**18),
        "a check fails in stage 2 of 4: the file is cut or damaged",
        megabytes=12,
    ),
    "a megabyte of zero words": Attack(
        lambda kit: kit.words(1, *[0] * 2**18),
        "a check fails in stage 1 of 4: the file is cut or damaged",
        megabytes=12,
    ),
    "a seal that is wrong by a bit": Attack(
        flipped_seal, "the seal does not match in stage 4 of 4: the file is cut or damaged"
    ),
    "words left over": Attack(
        lambda kit: write(kit.file.header, kit.file.payload + kit.file.payload),
        "the seal does not match in stage 4 of 4: the file is cut or damaged",
    ),
    "twice the symbols of the grids": Attack(
        lying_count, "a check fails in stage 1 of 4: the file is cut or damaged"
    ),
    "nothing but a header": Attack(
        lambda kit: kit.data[:14],
        "the image data is no whole number of words: the file is cut or lengthened",
    ),
}


def exif(entries: bytes, count: int, following: int = 0) -> bytes:
    """A big-endian TIFF header and one directory."""
    return b"MM\0*\0\0\0\x08" + count.to_bytes(2, "big") + entries + following.to_bytes(4, "big")


def entry(tag: int, kind: int, count: int, value: int) -> bytes:
    """One directory entry: type `kind`, so many values, at an offset or in place."""
    fields = ((tag, 2), (kind, 2), (count, 4), (value, 4))
    return b"".join(number.to_bytes(size, "big") for number, size in fields)


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">%s]>
<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6">&a9;</x:xmpmeta>""" % b"".join(
    b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10 if n else b"&a;" * 10) for n in range(10)
)

METADATA = {  # hostile metadata of honest pixels: whatever is made of them, it must not do harm
    "exif that points at itself": {"exif": exif(entry(0x8769, 4, 1, 8), 1, following=8)},
    "exif of 4 billion values": {"exif": exif(entry(0x010F, 2, 2**32 - 1, 8), 1)},
    "exif of 65535 entries": {"exif": exif(entry(0x010E, 3, 9, 2**32 - 1), 65535)},
    "exif of an unknown type": {"exif": exif(entry(0x0112, 77, 1, 6), 1)},
    "exif that is none": {"exif": b"II" + bytes(range(256))},
    "exif of a megabyte": {"exif": exif(entry(0x927C, 7, 2**20, 26), 1) + bytes(2**20)},
    "xmp of a billion laughs": {"xmp_": LAUGHS},
    "xmp of 3 MB of spaces": {"xmp_": b'tiff:Orientation="' + b" " * 3 * 10**6},
    "icc of random bytes": {"iccp": bytes(range(256)) * 9},
    "icc that claims 4 GB": {"iccp": b"\xff" * 4 + bytes(128) + b"\xff" * 4},
    "all at once": {
        "iccp": b"\xff" * 999,
        "exif": exif(entry(0x8825, 4, 1, 8), 1, following=8),
        "xmp_": LAUGHS,
        "grey": b"",
    },
}
