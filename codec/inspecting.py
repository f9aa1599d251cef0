"""What a file says without its picture: `info` reads the header, `verify` all checksums."""

from __future__ import annotations

from bitstream import container
from bitstream.container import Container
from codec.files import CodedSource, read_coded
from codec.images.chunks import chunk_sizes, picture_metadata
from codec.options import DEFAULT_LIMITS, NO_LIMITS, DecodeLimits, Model, Running, StreamInfo


def info(data: CodedSource, *, novelty: bool = False, model: Model = "default") -> StreamInfo:
    """Read what the header of a file says; neither the model nor torch is needed for that.

    Args:
        data: the bytes, a path, or a binary file object.
        novelty: also decode the indices, and say how unusual the image is to the model that wrote
            the file: `StreamInfo.novelty`.
        model: that model, for `novelty`: its name or folder, or the loaded model.

    Raises:
        LimitExceeded, Truncated, Checksum, ModelMismatchError: for `novelty`, as `decode`.
        BitstreamError: not a file of this format, or its header or its chunks are damaged.
        OSError: the file cannot be read.
    """
    raw = read_coded(data)
    file = container.parse(raw, DEFAULT_LIMITS if novelty else NO_LIMITS)
    header = file.header
    return StreamInfo(
        width=header.width,
        height=header.height,
        mode=file.mode,
        quality=header.quality,
        stages=header.stages,
        seed=file.seed,
        model=header.fingerprint.hex(),
        version=f"{header.major}.{header.minor}",
        file_bytes=len(raw),
        bpp=8 * len(raw) / (header.width * header.height),
        picture_bytes=len(raw) - container.metadata_bytes(file.chunks),
        metadata_bytes=container.metadata_bytes(file.chunks),
        chunks=chunk_sizes(file),
        cut=file.is_cut,
        novelty=_novelty(file, model) if novelty else None,
    )


def verify(
    data: CodedSource, *, model: Model = "default", limits: DecodeLimits = DEFAULT_LIMITS
) -> StreamInfo:
    """Decode all indices of a file and compare every checksum, without making the image.

    Raises:
        BitstreamError, ModelMismatchError, OSError: as `decode`.
    """
    from bitstream import stream  # noqa: PLC0415  (numpy: not for `info`)
    from bitstream.alpha import alpha_plane  # noqa: PLC0415
    from codec.models.loading import matching_network  # noqa: PLC0415

    raw = read_coded(data)
    file = container.parse(raw, limits)
    network = matching_network(file.header, Running(model, "cpu", engine="quick"))
    stream.decode_indices(file.payload, network.prior, file.header)
    picture_metadata(file)
    alpha_plane(file.chunks, file.header.height, file.header.width)
    return info(raw)


def _novelty(file: Container, model: Model) -> float | None:
    """How unusual a parsed file's image is to the model that wrote it."""
    from bitstream import stream  # noqa: PLC0415  (numpy: not for `info`)
    from codec.models.loading import matching_network  # noqa: PLC0415

    network = matching_network(file.header, Running(model, "cpu", engine="quick"))
    indices = stream.decode_indices(file.payload, network.prior, file.header)
    return network.novelty(indices, file.header, len(file.payload))
