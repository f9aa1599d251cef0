"""What can be wrong with a file, as one tree under `CodecError`."""


class CodecError(Exception):
    """Any error this package raises about its input; the message is one sentence for people."""


class ModelMismatchError(CodecError):
    """The file was written with another model than the one at hand."""


class BitstreamError(CodecError):
    """The bytes break the format; the subclasses say how where it matters."""


class BadMagic(BitstreamError):
    """The file does not begin like a bibcodec file."""


class UnsupportedVersion(BitstreamError):
    """The file needs a newer reader."""


class Truncated(BitstreamError):
    """The file ends before its image does."""


class Checksum(BitstreamError):
    """A checksum does not match: the file is damaged."""


class LimitExceeded(BitstreamError):
    """The file asks for more than the caller's limits allow."""
