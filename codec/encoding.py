"""The way from a photo to bytes, on one screen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitstream import container, stream
from bitstream.header import Header
from codec import novelty
from codec.errors import RateTargetError
from codec.files import MAX_CODED_BYTES
from codec.images.chunks import optional_chunks, sizes_text
from codec.images.load import load
from codec.images.sources import ImageSource
from codec.images.strips import Strips
from codec.options import (
    DEFAULT_LIMITS,
    EFFORT,
    METADATA,
    TILE,
    EncodeOptions,
    Model,
    Running,
    kinds_of,
    seed_number,
)
from codec.rate_search import best_within

if TYPE_CHECKING:
    from codec.runtime.model import CodecModel
    from codec.runtime.quantize import Coding


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
    allow_truncated: bool = False,
    device: str = "auto",
    tile: int = TILE,
    engine: str = "auto",
) -> bytes:
    """Encode an image.

    Args:
        image: path, binary file object, Pillow image, or array (see `codec.images.load`).
        quality: 0..100, larger is better. It is ignored when a target is given.
        target_bpp: bits per pixel. The file gets the highest quality whose whole file stays within
            this rate.
        target_size: bytes. The file gets the highest quality whose whole file is not larger. Give
            at most one target.
        model: name or folder of a model, or a loaded one.
        seed: 0..2**64 - 1, stored for decoders that synthesize detail.
        effort: 1..9, how widely the encoder searches for codes. The model is trained for 5.
        keep: which of "icc", "exif" and "xmp" to carry along, and "thumbnail" for the embedded one.
        allow_truncated: take what is there of an image file that was cut off.
        device: "auto", "cpu" or "cuda"; where the model is loaded, if it is not loaded yet.
        tile: pixels a side, at least 512, of what the networks see at once. It bounds their memory
            and does not change the file.
        engine: what runs the networks: "onnx" (onnxruntime), "openvino", "torch", or "auto" for
            the fastest one.

    Returns:
        The file.

    Warns:
        UnusualImageWarning: the image is unlike the photographs that the model knows.
        LeftOutWarning: the file holds more than the picture, or its colours cannot be converted.

    Raises:
        UnsupportedImageError: the image cannot be read, or has no faithful 8-bit form.
        LimitExceeded: the image or its metadata is beyond what `decode` accepts by default.
        RateTargetError: even quality 0 is above the target.
        TypeError: the image is of no type that is taken.
        ValueError: an argument is out of its range, or the image is a closed file.
        OSError: the image file cannot be read.

    Example:
        >>> import codec
        >>> from PIL import Image
        >>> from codec.models.tiny import tiny_model
        >>> data = encode(Image.new("RGB", (64, 48), "teal"), quality=30, model=tiny_model())
        >>> codec.info(data).width, codec.info(data).quality
        (64, 30)
    """
    options = EncodeOptions(
        quality, target_bpp, target_size, seed, effort, kinds_of(keep), allow_truncated
    )
    return encode_image(image, options, Running(model, device, tile, engine))


def encode_image(image: ImageSource, options: EncodeOptions, running: Running) -> bytes:
    """Encode an image; `encode` describes what the options mean, what is warned of and raised."""
    coded = _coded(image, options, running)
    novelty.warn_if_unusual(coded.novelty)
    return coded.data


@dataclass(frozen=True)
class CodedImage:
    """A whole file, and its image's novelty (see `StreamInfo.novelty`)."""

    data: bytes
    novelty: float | None

    def __len__(self) -> int:
        return len(self.data)


def _coded(image: ImageSource, options: EncodeOptions, running: Running) -> CodedImage:
    # This takes 7 bytes a pixel for a moment.
    picture = load(image, options.keep, allow_truncated=options.allow_truncated)
    strips = Strips(picture.strips)
    chunks = optional_chunks(picture) | container.seed_chunk(seed_number(options.seed))
    del picture
    refuse_beyond_limits(strips.width, strips.height, chunks)
    from codec.models.loading import network_of  # noqa: PLC0415  (torch: not for `info`)

    network = network_of(running, pixels=strips.width * strips.height)
    builder = FileBuilder(network, strips.width, strips.height, chunks)
    budget = options.budget(strips.width * strips.height)
    # The encoder network runs here, once.
    analysis = network.analyze(strips, running.tile, once=budget is None)
    if budget is None:
        coding = network.quantize(analysis, int(options.quality), effort=options.effort)
        del analysis  # 3 bytes a pixel, which the entropy coder can use
        return builder.build(coding)
    try:
        return best_within(
            lambda quality, lambda_offset: builder.build(
                network.quantize(analysis, quality, lambda_offset, options.effort)
            ),
            min(budget, MAX_CODED_BYTES),
        )
    except RateTargetError as error:
        metadata = container.metadata_bytes(chunks)
        pixels = strips.width * strips.height
        rate = "" if options.target_bpp is None else f" ({8 * error.smallest / pixels:.4f} bpp)"
        advice = ": leave metadata out with --strip" if metadata else ""
        text = f"{error}{rate}, {sizes_text(error.smallest, metadata)}{advice}"
        raise RateTargetError(text, error.smallest) from None


def refuse_beyond_limits(width: int, height: int, chunks: dict[str, bytes]) -> None:
    """Raise LimitExceeded for an image whose file `decode` would refuse by its default limits."""
    header = Header(width, height, quality=0, stages=1, fingerprint=bytes(4))
    container.parse(container.write(header, b"", chunks), DEFAULT_LIMITS)


@dataclass(frozen=True)
class FileBuilder:
    """What the files of one image have in common, whatever their quality.

    Attributes:
        network: the model that codes the image.
        width, height: of the image, in pixels.
        chunks: the optional chunks.
    """

    network: CodecModel
    width: int
    height: int
    chunks: dict[str, bytes]

    def build(self, coding: Coding) -> CodedImage:
        """The file of the indices that `CodecModel.quantize` chose."""
        header = self.network.header(coding, self.height, self.width)
        payload = stream.encode_indices(coding.indices, self.network.prior, header)
        novelty = self.network.novelty(coding.indices, header, len(payload), coding.energy)
        return CodedImage(container.write(header, payload, self.chunks), novelty)
