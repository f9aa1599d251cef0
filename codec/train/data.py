"""Photographs for training: tar shards or a folder, decoded once, cropped at random."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codec.errors import CodecError, UnsupportedImageError
from codec.images.load import FORMATS, load, suffixes

SUFFIXES = tuple(suffixes())


def _files(source: Path, pattern: str) -> Iterator[tuple[Path, bytes]]:
    """Name and bytes of the images in a folder's shards that match `pattern`, else in itself."""
    shards = [source] if source.suffix == ".tar" else sorted(source.glob(pattern))
    if shards:
        for shard in shards:
            try:
                with tarfile.open(shard) as tar:
                    for member in tar:
                        if member.isfile() and member.name.lower().endswith(SUFFIXES):
                            stream = tar.extractfile(member)
                            if stream is not None:
                                yield shard / member.name, stream.read()
            except (tarfile.TarError, EOFError) as error:
                raise CodecError(f"{shard}: not a whole tar file: {error}") from error
        return
    for path in sorted(source.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            yield path, path.read_bytes()


def load_images(
    source: Path, pattern: str = "train-*.tar", limit: int | None = None
) -> list[NDArray[np.uint8]]:
    """All photographs of a source in memory, upright, (H, W, 3) uint8 each.

    Args:
        source: a tar shard, a folder of tar shards or a folder of images.
        pattern: which shards of a folder of shards.
        limit: at most so many images.

    Raises:
        CodecError: there is no image, or one of them or a shard is damaged or of an unknown kind.
    """
    images = []
    for path, raw in _files(source, pattern):
        try:
            images.append(load(io.BytesIO(raw), keep=()).rgb)
        except UnsupportedImageError as error:
            what = str(error).removeprefix("input: ")
            raise CodecError(f"{path}: {what}: take it out of the training data") from error
        if limit is not None and len(images) >= limit:
            break
    if not images:
        raise CodecError(
            f"no images in {source}: expected tar shards ({pattern}) or {', '.join(FORMATS)} files"
        )
    return images


class Crops:
    """Random crops with horizontal flips; batch k depends on (seed, k) only, as resuming needs.

    Of several processes each takes its share of every batch, so that the batches do not depend on
    how many there are.

    Args:
        images: (H, W, 3) uint8 each.
        size: pixels a side of a crop.
        batch: crops in a batch, of all processes together.
        seed: of the draws.
        share: number of this process, and of how many.

    Raises:
        CodecError: no image is large enough, or the batch cannot be shared evenly.
    """

    def __init__(
        self,
        images: list[NDArray[np.uint8]],
        size: int,
        batch: int,
        seed: int,
        *,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.images = [i for i in images if min(i.shape[:2]) >= size]
        if not self.images:
            raise CodecError(
                f"no training image has both sides >= {size} pixels: use a smaller crop"
            )
        if batch % share[1]:
            raise CodecError(
                f"a batch of {batch} crops cannot be shared by {share[1]} processes: "
                "set batch to a multiple of their number"
            )
        self.size, self.batch, self.seed, self.share = size, batch, seed, share

    def __call__(self, step: int) -> Tensor:
        """The share of batch `step`: (n, 3, size, size) float32 in [-1, 1], channels last."""
        rng = np.random.default_rng((self.seed, step))
        crops = np.empty((self.batch, self.size, self.size, 3), np.uint8)
        for crop in crops:
            image = self.images[rng.integers(len(self.images))]
            y = rng.integers(image.shape[0] - self.size + 1)
            x = rng.integers(image.shape[1] - self.size + 1)
            window = image[y : y + self.size, x : x + self.size]
            crop[:] = window[:, ::-1] if rng.integers(2) else window
        rank, world = self.share
        crops = crops[rank * self.batch // world : (rank + 1) * self.batch // world]
        return torch.from_numpy(crops).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
