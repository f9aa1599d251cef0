"""From decoded indices to a picture in memory or in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image

from bitstream.container import Container
from codec.images import image_io
from codec.images.image_io import Picture
from codec.images.metadata import to_info
from codec.images.png import PngFile
from codec.images.strips import Samples

if TYPE_CHECKING:
    from torch import Tensor

    from codec.runtime.model import CodecModel, Indices

_CHUNK_OF = {"icc": "iccp", "exif": "exif", "xmp": "xmp_"}


@dataclass(frozen=True)
class Rendering:
    """A file whose indices are decoded; the networks run when its picture is asked for.

    Attributes:
        file: the parsed file.
        indices: int32 grids of the stages that are decoded, coarse to fine.
        network: the model that wrote it.
        realism, seed, tile: see `codec.decode`; the seed is a number.
    """

    file: Container
    indices: Indices
    network: CodecModel
    realism: float
    seed: int
    tile: int

    @property
    def mode(self) -> str:
        """Pillow's mode of the picture."""
        return mode_of(self.file)

    @property
    def stages(self) -> tuple[int, int]:
        """Stages that are decoded and that were written."""
        return len(self.indices), self.file.header.stages

    def image(self) -> Image.Image:
        """The picture, with its metadata."""
        header = self.file.header
        image = Image.new(self.mode, (header.width, header.height))
        top = 0

        def paste(band: Image.Image) -> None:
            nonlocal top
            image.paste(band, (0, top))
            top += band.height

        self._bands(paste)
        image.info.update(to_info(metadata_of(self.file)))
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
            image_io.save(self.image(), target, file_format)
            return
        file = PngFile(target, self.file.header.height)
        self._bands(file.write)
        file.close()

    def _bands(self, take: Callable[[Image.Image], None]) -> None:
        """Give rows of tiles to a function, as Pillow images; the first has the metadata."""
        header = self.file.header
        grey, metadata = "grey" in self.file.chunks, metadata_of(self.file)
        alpha, band = self._alpha(), np.empty((0, 0, 3), np.uint8)

        def put(top: int, left: int, pixels: Tensor) -> None:
            nonlocal band
            height, width = pixels.shape[2:]
            if not left:
                band = np.empty((height, header.width, 3), np.uint8)
            if grey:
                pixels = pixels.mean(dim=1, keepdim=True).expand_as(pixels)
            band[:, left : left + width] = _to_samples(pixels)
            if left + width == header.width:
                rows = None if alpha is None else alpha[top : top + height]
                take(Picture([band], grey, rows, {} if top else metadata).to_image())

        self.network.render(
            self.indices,
            header.quality,
            header.height,
            header.width,
            put,
            realism=self.realism,
            seed=self.seed,
            tile=self.tile,
        )

    def _alpha(self) -> Samples | None:
        if "alph" not in self.file.chunks:
            return None
        header = self.file.header
        return image_io.unpack_alpha(self.file.chunks["alph"], header.height, header.width)


def chunks_of(picture: Picture) -> dict[str, bytes]:
    """The optional chunks of a file that say all of a picture but its colours."""
    chunks = {_CHUNK_OF[name]: data for name, data in picture.metadata.items()}
    if picture.grey:
        chunks["grey"] = b""
    if picture.alpha is not None:
        chunks["alph"] = image_io.pack_alpha(picture.alpha)
    return chunks


def mode_of(file: Container) -> str:
    """Pillow's mode of the image that a parsed file holds."""
    return ("L" if "grey" in file.chunks else "RGB") + ("A" if "alph" in file.chunks else "")


def metadata_of(file: Container) -> dict[str, bytes]:
    """The metadata of a parsed file: verbatim bytes under "icc", "exif" and "xmp"."""
    return {name: file.chunks[kind] for name, kind in _CHUNK_OF.items() if kind in file.chunks}


def _to_samples(pixels: Tensor) -> Samples:
    """float32 [1, 3, h, w] -> uint8 [h, w, 3], to the nearest, clipped to 0..1."""
    rounded = (pixels[0] * 255).round_().clamp_(0, 255).byte()
    return np.asarray(rounded.permute(1, 2, 0).cpu().numpy())
