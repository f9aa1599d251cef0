"""The flow, one screen each way: photo -> bytes and bytes -> photo."""

import operator
import secrets
from collections.abc import Collection
from functools import lru_cache
from os import PathLike, fspath
from typing import TYPE_CHECKING, TypeAlias

from PIL import Image

from bitstream import container, stream
from bitstream.container import Container
from bitstream.header import MAJOR, Header
from codec.decoding import Rendering, chunks_of, mode_of
from codec.errors import ModelMismatchError
from codec.files import MAX_CODED_BYTES, CodedSource, read_coded
from codec.images import image_io
from codec.images.image_io import ImageSource
from codec.images.strips import Bands
from codec.options import (
    DEFAULT_LIMITS,
    EFFORT,
    LEAST_TILE,
    METADATA,
    NO_LIMITS,
    TILE,
    DecodeLimits,
    StreamInfo,
)
from codec.rate_search import best_within

if TYPE_CHECKING:
    from codec.runtime.model import CodecModel, Indices

Model: TypeAlias = "str | PathLike[str] | CodecModel"


def encode(
    image: ImageSource,
    *,
    quality: int = 50,
    target_bpp: float | None = None,
    target_size: int | None = None,
    model: Model = "default",
    seed: int = 0,
    effort: int = EFFORT,
    keep: Collection[str] = METADATA,
    device: str = "auto",
    tile: int = TILE,
) -> bytes:
    """Encode an image.

    Args:
        image: path, binary file object, Pillow image, or array (see `codec.images.image_io.load`).
        quality: 0..100, larger is better; not looked at if there is a target.
        target_bpp: the best quality within so many bits a pixel, the whole file counted.
        target_size: the best quality within so many bytes. Give one target at most.
        model: name or folder of a model, or a loaded one.
        seed: 0..2**64 - 1, stored for decoders that synthesise detail.
        effort: 1..9, how widely the encoder searches for codes; 5 is what the model is trained for.
        keep: which of "icc", "exif" and "xmp" to carry along.
        device: "auto", "cpu" or "cuda"; where the model is loaded, if it is not loaded.
        tile: pixels a side, at least 512, of what the networks see at once. It bounds their memory
            and does not change the file.

    Returns:
        The file.

    Warns:
        UnusualImageWarning: the image is unlike the photographs that the model knows.

    Raises:
        UnsupportedImageError: the image cannot be read, or has no faithful 8-bit form.
        LimitExceeded: the image or its metadata is beyond what `decode` accepts by default.
        RateTargetError: even quality 0 is above the target.
        ValueError: an argument is out of its range.
        OSError: the image file cannot be read.

    Example:
        >>> from codec.models.loading import tiny_model
        >>> data = encode(Image.new("RGB", (64, 48), "teal"), quality=30, model=tiny_model())
        >>> info(data).width, info(data).quality
        (64, 30)
    """
    _check(quality, target_bpp, target_size, effort=effort, keep=keep)
    _check_tile(tile)
    seed = _number(seed)
    picture = image_io.load(image, keep)  # takes 7 bytes a pixel for a moment: before torch comes
    bands, chunks = Bands(picture.bands), chunks_of(picture) | container.seed_chunk(seed)
    del picture
    height, width = bands.height, bands.width
    head = Header(width, height, quality=0, stages=1, fingerprint=bytes(4))
    container.parse(container.write(head, b"", chunks), DEFAULT_LIMITS)  # what `decode` would say
    from codec import novelty  # noqa: PLC0415  (torch: not for `info`)

    network = _network(model, device)
    analysis = network.analyse(bands, tile)  # the network runs here, once

    percentiles: dict[bytes, float | None] = {}

    energy: list[list[float]] = []  # what the last code left of it, see `CodecModel.quantise`

    def file_of(indices: "Indices", quality: int) -> bytes:  # int32 grids, coarse to fine
        header = Header(width, height, quality, len(indices), network.fingerprint)
        payload = stream.encode_indices(indices, network.prior, header)
        data = container.write(header, payload, chunks)
        percentiles[data] = novelty.percentile(network, indices, header, len(payload), energy)
        return data

    if target_bpp is not None:
        target_size = int(min(target_bpp, 8 * MAX_CODED_BYTES) * width * height / 8)
    if target_size is None:
        indices = network.quantise(analysis, int(quality), effort=effort, energy=energy)
        del analysis  # 3 bytes a pixel, which the entropy coder can use
        data = file_of(indices, int(quality))
    else:

        def file_at(quality: int, finer: float) -> bytes:
            return file_of(network.quantise(analysis, quality, finer, effort, energy), quality)

        data = best_within(file_at, min(target_size, MAX_CODED_BYTES))
    novelty.warn_if_unusual(percentiles[data])
    return data


def decode(
    data: CodedSource,
    *,
    realism: float = 1.0,
    seed: int | str = "stored",
    model: Model = "default",
    limits: DecodeLimits = DEFAULT_LIMITS,
    allow_partial: bool = False,
    device: str = "auto",
    tile: int = TILE,
) -> Image.Image:
    """Decode a file.

    Args:
        data: the bytes, a path, or a binary file object.
        realism: 0..1, how much of the detail that was not coded is synthesised; 0 is the mean of
            what the photograph may have been: smooth, and nearest to it on average.
        seed: which synthesised detail: "stored" is the file's, "random" another one each time, a
            number 0..2**64 - 1 that one. Realism 0 does not depend on it.
        model: name or folder of the model that wrote the file, or the loaded model.
        limits: the pixels, sides, metadata and stages that are acceptable; checked before anything
            is allocated for the image.
        allow_partial: decode the stages that a truncated file holds whole.
        device: "auto", "cpu" or "cuda"; where the model is loaded, if it is not loaded.
        tile: pixels a side, at least 512, of what the networks see at once, see `encode`.

    Returns:
        An image of mode L, LA, RGB or RGBA; `info` has "icc_profile", "exif" and "xmp" as far as
        the file has them, "stages", the pair (decoded, written), "realism" and "seed".

    Raises:
        BitstreamError: not a file of this format, damaged, truncated, or beyond the limits.
        ModelMismatchError: written with another model.
        ValueError: realism or seed is out of its range.
        OSError: the file cannot be read.

    Example:
        >>> from codec.models.loading import tiny_model
        >>> data = encode(Image.new("L", (64, 48), 90), model=tiny_model())
        >>> decode(data, model=tiny_model())  # doctest: +ELLIPSIS
        <PIL.Image.Image image mode=L size=64x48 at ...>
    """
    return rendering(
        data,
        realism=realism,
        seed=seed,
        model=model,
        limits=limits,
        allow_partial=allow_partial,
        device=device,
        tile=tile,
    ).image()


def rendering(
    data: CodedSource,
    *,
    realism: float = 1.0,
    seed: int | str = "stored",
    model: Model = "default",
    limits: DecodeLimits = DEFAULT_LIMITS,
    allow_partial: bool = False,
    device: str = "auto",
    tile: int = TILE,
) -> Rendering:
    """Decode a file but for the picture itself (arguments and errors as of `decode`)."""
    if not 0 <= realism <= 1:
        raise ValueError(f"realism is {realism}: expected 0..1")
    _check_tile(tile)
    file = container.parse(read_coded(data), limits)
    number = _seed(seed, file.seed)
    network = _matching(file.header, model, device)
    indices = stream.decode_indices(
        file.payload, network.prior, file.header, allow_partial=allow_partial
    )
    return Rendering(file, indices, network, realism, number, tile)


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
        mode=mode_of(file),
        quality=header.quality,
        stages=header.stages,
        seed=file.seed,
        model=header.fingerprint.hex(),
        version=f"{MAJOR}.{header.minor}",
        file_bytes=len(raw),
        bpp=8 * len(raw) / (header.width * header.height),
        chunks={name: len(chunk) for name, chunk in file.chunks.items()},
        novelty=_novelty(file, model) if novelty else None,
    )


def _novelty(file: Container, model: Model) -> float | None:
    """How unusual a parsed file's image is to the model that wrote it."""
    from codec.novelty import percentile  # noqa: PLC0415  (torch)

    header, network = file.header, _matching(file.header, model, "cpu")
    indices = stream.decode_indices(file.payload, network.prior, header)
    return percentile(network, indices, header, len(file.payload))


def verify(
    data: CodedSource, *, model: Model = "default", limits: DecodeLimits = DEFAULT_LIMITS
) -> StreamInfo:
    """Decode all indices of a file and compare every checksum, without making the image.

    Raises:
        BitstreamError, ModelMismatchError, OSError: as `decode`.
    """
    raw = read_coded(data)
    file = container.parse(raw, limits)
    stream.decode_indices(file.payload, _matching(file.header, model, "cpu").prior, file.header)
    if "alph" in file.chunks:
        image_io.unpack_alpha(file.chunks["alph"], file.header.height, file.header.width)
    return info(raw)


@lru_cache(maxsize=2)
def loaded(model: str, device: str) -> "CodecModel":
    """A model by name or folder; the last two asked for are kept."""
    from codec.models.loading import load_model  # noqa: PLC0415  (torch: not for `info`)

    return load_model(model, device)


def _network(model: Model, device: str) -> "CodecModel":
    return loaded(fspath(model), device) if isinstance(model, str | PathLike) else model


def _matching(header: Header, model: Model, device: str) -> "CodecModel":
    network = _network(model, device)
    if header.fingerprint != network.fingerprint:
        name = f"model {str(model)!r}" if isinstance(model, str | PathLike) else "the model given"
        raise ModelMismatchError(
            f"written with the model {header.fingerprint.hex()}, but {name} is "
            f"{network.fingerprint.hex()}: decode with the one that wrote the file"
        )
    return network


def _check(
    quality: int,
    target_bpp: float | None,
    target_size: int | None,
    *,
    effort: int,
    keep: Collection[str],
) -> None:
    if target_bpp is not None and target_size is not None:
        raise ValueError("give target_bpp or target_size, not both")
    if quality not in range(101):
        raise ValueError(f"quality is {quality}: expected an integer in 0..100")
    for name, target in (("target_bpp", target_bpp), ("target_size", target_size)):
        if target is not None and not 0 < target < float("inf"):
            raise ValueError(f"{name} is {target}: expected more than 0")
    if effort not in range(1, 10):
        raise ValueError(f"effort is {effort}: expected 1..9")
    if unknown := set(keep) - set(METADATA):
        raise ValueError(f"keep names {sorted(unknown)}: expected some of {list(METADATA)}")


def _seed(wanted: int | str, stored: int) -> int:
    """The seed that is meant: a number 0..2**64 - 1."""
    if wanted == "stored":
        return stored
    if wanted == "random":
        return secrets.randbits(64)
    return _number(wanted, "stored, random or ")


def _number(seed: int | str, words: str = "") -> int:
    """A seed that is a number; of any integer type."""
    try:
        number = operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if not 0 <= number < 2**64:
        raise ValueError(f"seed is {seed!r}: expected {words}0..2**64 - 1")
    return number


def _check_tile(tile: int) -> None:
    if tile < LEAST_TILE:
        raise ValueError(f"tile is {tile}: expected at least {LEAST_TILE} pixels a side")
