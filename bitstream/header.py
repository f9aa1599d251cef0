"""The fixed part of a file: which image, of which model, at which quality (FORMAT.md 2)."""

from dataclasses import dataclass

from bitstream.errors import BadMagic, BitstreamError, Checksum, Truncated, UnsupportedVersion

MAGIC = b"BIBC"
MAX_STAGES = 64  # of a prior
MOST_STAGES = {1: 15, 2: 255}  # that a file of each major version can say
MINOR = 0
FINGERPRINT_BYTES = 4
MAX_VARINT_BYTES = 5
_HAS_CHUNKS, _RESERVED = 0b0100, 0b1000


@dataclass(frozen=True)
class Header:
    """What the file says about its image.

    Args:
        width, height: pixels, 1 <= each < 2**32.
        quality: 0..100.
        stages: how many stages the file was written with, 1..15, in version 2 1..255.
        fingerprint: 4 bytes that name the model.
        minor: the minor version of the writer, 0..15, in version 2 always 0.
        major: the version of the format, 1 or 2; see `major_of`.

    Raises:
        ValueError: if a field lies outside its range.
    """

    width: int
    height: int
    quality: int
    stages: int
    fingerprint: bytes
    minor: int = MINOR
    major: int = 1

    def __post_init__(self) -> None:
        if self.major not in MOST_STAGES:
            raise ValueError(f"the major version is {self.major}, expected 1 or 2")
        ranges = {
            "width": (self.width, 1, 2**32 - 1),
            "height": (self.height, 1, 2**32 - 1),
            "quality": (self.quality, 0, 100),
            "stage count": (self.stages, 1, MOST_STAGES[self.major]),
            "fingerprint length": (len(self.fingerprint), FINGERPRINT_BYTES, FINGERPRINT_BYTES),
            "minor version": (self.minor, 0, 15 if self.major == 1 else 0),
        }
        for name, (value, least, most) in ranges.items():
            if not least <= value <= most:
                raise ValueError(f"the {name} is {value}, expected {least}..{most}")

    def fields(self) -> bytes:
        """Return the bytes that describe the image, which the seal of the image data covers.

        >>> Header(768, 512, quality=40, stages=10, fingerprint=b"mmmm").fields().hex()
        '0a286d6d6d6d80068004'
        """
        counts = self.minor << 4 | self.stages if self.major == 1 else self.stages
        start = bytes([counts, self.quality])
        return start + self.fingerprint + write_varint(self.width) + write_varint(self.height)

    def write(self, *, pad: int, has_chunks: bool) -> bytes:
        """Return the header as it stands in the file; `pad` zero bytes are left out behind it."""
        framing = self.major << 4 | (_HAS_CHUNKS if has_chunks else 0) | pad
        covered = MAGIC + bytes([framing]) + self.fields()
        return covered + bytes([crc8(covered)])


def major_of(stages: int) -> int:
    """The version of the format in which files of a model with so many stages are written.

    All of a model's files have the same version, also those that hold fewer stages.

    >>> major_of(15), major_of(16)
    (1, 2)
    """
    return 1 if stages <= MOST_STAGES[1] else 2


class Reader:
    """Takes bytes from the front of a file and never looks past its end.

    Attributes:
        at: how many bytes were taken.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int, what: str) -> bytes:
        """Take exactly `count` bytes; raises Truncated if there are fewer."""
        left = len(self.data) - self.at
        if count > left:
            raise Truncated(
                f"the file ends inside {what}: {count} bytes needed at byte {self.at}, {left} left"
            )
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self, what: str) -> int:
        """Take an unsigned LEB128 number of at most 5 bytes, without needless zero bytes.

        >>> Reader(bytes([0x80, 0x06])).varint("a number")
        768
        """
        start, value = self.at, 0
        for shift in range(0, 7 * MAX_VARINT_BYTES, 7):
            byte = self.take(1, what)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    raise BitstreamError(f"{what} at byte {start} ends in a needless zero byte")
                return value
        raise BitstreamError(f"{what} at byte {start} is longer than {MAX_VARINT_BYTES} bytes")

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.data[self.at :]


def read_header(reader: Reader) -> tuple[Header, int, bool]:
    """Take the header from the front of a file.

    Returns:
        The header, the pad count 0..3, and whether chunks follow.

    Raises:
        BadMagic: if the file does not begin with the magic.
        UnsupportedVersion: if its major version is neither 1 nor 2.
        Truncated, Checksum, BitstreamError: if the header is cut, damaged, or breaks the format.
    """
    if not reader.data:
        raise Truncated("the file is empty")
    magic = reader.data[: len(MAGIC)]
    if not MAGIC.startswith(magic):
        raise BadMagic(f"not a bibcodec file: it begins with {magic!r}, expected {MAGIC!r}")
    reader.take(len(MAGIC), "the magic")
    framing = reader.take(1, "the header")[0]
    major = framing >> 4
    if major not in MOST_STAGES:
        raise UnsupportedVersion(
            f"the file is of format version {major}, this reader knows versions 1 and 2"
        )
    counts, quality = reader.take(2, "the header")
    fingerprint = reader.take(FINGERPRINT_BYTES, "the header")
    width, height = reader.varint("the width"), reader.varint("the height")
    covered = reader.data[: reader.at]
    stored = reader.take(1, "the header")[0]
    if stored != crc8(covered):
        raise Checksum(
            f"the header is damaged: its checksum is {stored:#04x}, expected {crc8(covered):#04x}"
        )
    if framing & _RESERVED:
        raise UnsupportedVersion("the header sets a reserved bit: a newer writer made the file")
    minor, stages = (counts >> 4, counts & 15) if major == 1 else (0, counts)
    try:
        header = Header(width, height, quality, stages, fingerprint, minor, major)
    except ValueError as error:
        raise BitstreamError(f"the header is not valid: {error}") from error
    return header, framing & 3, bool(framing & _HAS_CHUNKS)


def write_varint(value: int) -> bytes:
    """Write an unsigned LEB128 number: 7 bits a byte, low bits first, high bit = more follows.

    >>> write_varint(768).hex()
    '8006'
    """
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def crc8(data: bytes) -> int:
    """Return the CRC-8 of the bytes: polynomial x^8 + x^2 + x + 1, from 0, no reflection.

    >>> hex(crc8(b"123456789"))
    '0xf4'
    """
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x107) if crc & 0x80 else crc << 1
    return crc
