"""The way from bytes to a picture, on one screen."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from bitstream import container, stream
from bitstream.container import Container
from bitstream.errors import Checksum, Truncated
from codec.files import CodedSource, read_coded
from codec.options import (
    DEFAULT_LIMITS,
    METADATA,
    TILE,
    DecodeLimits,
    DecodeOptions,
    Model,
    Running,
    kinds_of,
)

if TYPE_CHECKING:
    from PIL import Image

    from codec.images.strips import Samples
    from codec.runtime.model import CodecModel
    from codec.runtime.quantize import Indices


def decode(
    data: CodedSource,
    *,
    realism: float = 1.0,
    seed: int | str = "stored",
    model: Model = "default",
    limits: DecodeLimits = DEFAULT_LIMITS,
    allow_partial: bool = False,
    keep: Collection[str] = METADATA,
    device: str = "auto",
    tile: int = TILE,
    engine: str = "auto",
) -> Image.Image:
    """Decode a file.

    Args:
        data: the bytes, a path, or a binary file object.
        realism: 0..1, how much of the detail that was not coded is synthesized. 0 gives the mean of
            what the photograph may have been: smooth, and nearest to it on average.
        seed: which synthesized detail: "stored" is the file's, "random" is another one each time, a
            number 0..2**64 - 1 is that one. Realism 0 does not depend on it.
        model: name or folder of the model that wrote the file, or the loaded model.
        limits: the pixels, sides, metadata and stages that are acceptable. They are checked before
            anything is allocated for the image.
        allow_partial: decode the stages that a truncated file holds whole (`--allow-partial` of
            the command).
        keep: which of "icc", "exif" and "xmp" to hand out.
        device: "auto", "cpu" or "cuda"; where the model is loaded, if it is not loaded yet.
        tile: pixels a side, at least 512, of what the networks see at once, see `encode`.
        engine: what runs the networks, see `encode`.

    Returns:
        An image of mode L, LA, RGB or RGBA; `info` has "icc_profile", "exif" and "xmp" as far as
        the file has them, "stages", the pair (decoded, written), "realism" and "seed".

    Raises:
        BitstreamError: not a file of this format, damaged, truncated, or beyond the limits.
        ModelMismatchError: written with another model.
        TypeError: the data are of no type that is taken.
        ValueError: realism, seed, keep or tile is out of its range.
        OSError: the file cannot be read.

    Example:
        >>> import codec
        >>> from PIL import Image
        >>> from codec.models.tiny import tiny_model
        >>> data = codec.encode(Image.new("L", (64, 48), 90), model=tiny_model())
        >>> decode(data, model=tiny_model())  # doctest: +ELLIPSIS
        <PIL.Image.Image image mode=L size=64x48 at ...>
    """
    options = DecodeOptions(realism, seed, allow_partial, limits, kinds_of(keep))
    return open_file(data, options, Running(model, device, tile, engine)).image()


def open_file(data: CodedSource, options: DecodeOptions, running: Running) -> DecodedFile:
    """Decode the indices of a file; its picture is made when it is asked for.

    Errors are those of `decode`.
    """
    file = container.parse(read_coded(data), options.limits)
    seed = options.seed_for(file.seed)
    from codec.models.loading import matching_network  # noqa: PLC0415  (torch: not for `info`)

    network = matching_network(file.header, running, pixels=file.header.width * file.header.height)
    indices = _decode_indices(file, network, options.allow_partial)
    metadata = {}
    if file.chunks:
        from codec.images.chunks import picture_metadata  # noqa: PLC0415  (many files have none)

        metadata = picture_metadata(file, options.keep)
    return DecodedFile(file, indices, network, options.realism, seed, running.tile, metadata)


def _decode_indices(file: Container, network: CodecModel, allow_partial: bool) -> Indices:
    """The indices of a file; the error for a cut one says what can be had of it."""
    known = file.payload, network.prior, file.header
    try:
        return stream.decode_indices(*known, allow_partial=allow_partial)
    except (Truncated, Checksum) as error:
        if allow_partial:
            raise
        advice = "get it again"
        with suppress(Truncated, Checksum):  # which it raises if there is not even one stage
            whole = len(stream.decode_indices(*known, allow_partial=True))
            part = f"the {whole} of {file.header.stages} stages that it holds"
            advice += f", or decode {part} with --allow-partial (allow_partial=True)"
        raise type(error)(f"{error}: {advice}") from None


@dataclass(frozen=True)
class DecodedFile:
    """A file whose indices are decoded; the networks run when its picture is asked for.

    Attributes:
        file: the parsed file.
        indices: int32 grids of the stages that are decoded, coarse to fine.
        network: the model that wrote it.
        realism, seed, tile: see `decode`; the seed is a number.
        metadata: bytes under "icc", "exif" and "xmp", those that are kept.
    """

    file: Container
    indices: Indices
    network: CodecModel
    realism: float
    seed: int
    tile: int
    metadata: dict[str, bytes]

    @property
    def mode(self) -> str:
        """Pillow's mode of the picture."""
        return self.file.mode

    @property
    def stages(self) -> tuple[int, int]:
        """How many stages are decoded, and how many were written."""
        return len(self.indices), self.file.header.stages

    def image(self) -> Image.Image:
        """The picture, with its metadata."""
        from PIL import Image  # noqa: PLC0415  (not for PNG files)

        header = self.file.header
        image = Image.new(self.mode, (header.width, header.height))
        top = 0
        for strip in self._strips():
            size = header.width, len(strip)
            image.paste(Image.frombuffer(self.mode, size, strip, "raw", self.mode, 0, 1), (0, top))
            top += len(strip)
        if self.metadata:
            from codec.images.metadata import to_info  # noqa: PLC0415

            image.info.update(to_info(self.metadata))
        image.info.update(stages=self.stages, realism=self.realism, seed=self.seed)
        return image

    def write(self, target: BinaryIO, file_format: str) -> None:
        """Write the picture to a file: a PNG file as its rows are made, others at the end.

        Args:
            target: binary file object; some formats need it to be seekable.
            file_format: Pillow's name.

        Raises:
            UnsupportedImageError: the format cannot hold the image or its metadata.
        """
        if file_format != "PNG":
            from codec.images.save import save  # noqa: PLC0415  (Pillow: not for PNG files)

            save(self.image(), target, file_format)
            return
        from codec.images.png import PngFile  # noqa: PLC0415

        file = PngFile(target, self.file.header.height, self.metadata)
        for strip in self._strips():
            file.write(strip)
        file.close()

    def _strips(self) -> Iterator[Samples]:
        """The picture, a row of tiles at a time: uint8 (rows, width, channels)."""
        header, chunks = self.file.header, self.file.chunks
        alpha, channels = self._alpha(), 1 if "grey" in chunks else 3
        strips = self.network.strips(
            self.indices,
            header,
            grey=channels == 1 or "gry3" in chunks,
            realism=self.realism,
            seed=self.seed,
            tile=self.tile,
        )
        top = 0
        for samples in strips:
            strip, bottom = samples[:, :, :channels], top + len(samples)
            if alpha is not None:
                strip = np.concatenate([strip, alpha[top:bottom, :, None]], axis=2)
            yield np.ascontiguousarray(strip)
            top = bottom

    def _alpha(self) -> Samples | None:
        if not self.mode.endswith("A"):
            return None
        from bitstream.alpha import alpha_plane  # noqa: PLC0415  (few pictures have it)

        return alpha_plane(self.file.chunks, self.file.header.height, self.file.header.width)
