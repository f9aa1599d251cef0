"""Photographs for training: tar shards or a folder, decoded once, cropped at random."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from codec.errors import CodecError, UnsupportedImageError
from codec.images.load import FORMATS, load, suffixes

SUFFIXES = tuple(suffixes())
MOST_WEIGHT, MOST_SCALE = 10**6, 16


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


@dataclass(frozen=True)
class Source:
    """Photographs to draw from, and how.

    Attributes:
        shards: which shards of a folder of shards, such as "train-native-*.tar".
        weight: how often it is drawn from, compared with the other sources.
        scales: a crop is a window of so many times its side, scaled down; each scale as often.
    """

    shards: str = "train-*.tar"
    weight: float = 1.0
    scales: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if type(self.shards) is not str:
            raise ValueError(f"shards is {self.shards!r:.40}, expected a pattern of file names")
        if type(self.weight) not in (int, float) or not 0 < self.weight <= MOST_WEIGHT:
            raise ValueError(
                f"weight is {self.weight!r:.40}, expected a number above 0, to {MOST_WEIGHT}"
            )
        numbers = type(self.scales) is tuple and self.scales
        if not numbers or not all(
            type(s) in (int, float) and 1 <= s <= MOST_SCALE for s in self.scales
        ):
            raise ValueError(f"scales is {self.scales!r:.40}, expected numbers in 1..{MOST_SCALE}")

    def load(self, data: Path) -> Pool:
        """Its photographs in a folder of shards (errors: see `load_images`)."""
        return Pool(load_images(data, self.shards), self.weight, self.scales)


@dataclass(frozen=True)
class Pool:
    """Photographs in memory, (H, W, 3) uint8 each; weight and scales: see `Source`."""

    images: list[NDArray[np.uint8]]
    weight: float = 1.0
    scales: tuple[float, ...] = (1.0,)


class Crops:
    """Random crops with horizontal flips; batch k depends on (seed, k) only, as resuming needs.

    Of several processes each takes its share of every batch, so that the batches do not depend on
    how many there are. The batch after the one that was asked for last is made meanwhile, in a
    thread of its own.

    Args:
        sources: the photographs.
        size: pixels a side of a crop.
        batch: crops in a batch, of all processes together.
        seed: of the draws.
        share: number of this process, and of how many.

    Raises:
        CodecError: no image of a source is large enough, or the batch cannot be shared evenly.

    Example:
        >>> white = np.full((40, 60, 3), 255, np.uint8)
        >>> Crops([Pool([white], scales=(1, 2))], size=16, batch=2, seed=0)(7).shape
        torch.Size([2, 3, 16, 16])
    """

    def __init__(
        self,
        sources: Sequence[Pool],
        size: int,
        batch: int,
        seed: int,
        *,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        if batch % share[1]:
            raise CodecError(
                f"a batch of {batch} crops cannot be shared by {share[1]} processes: "
                "set batch to a multiple of their number"
            )
        self.size, self.batch, self.seed, self.share = size, batch, seed, share
        self._sources = [_by_side(source, size) for source in sources]
        weights = np.cumsum([source.weight for source in sources])
        self._bounds = weights / weights[-1]
        self._ahead: tuple[int, Future[NDArray[np.uint8]]] | None = None
        self._thread = ThreadPoolExecutor(1)

    def __call__(self, step: int) -> Tensor:
        """The share of batch `step`: (n, 3, size, size) float32 in [-1, 1], channels last."""
        ahead, self._ahead = self._ahead, None
        crops = ahead[1].result() if ahead and ahead[0] == step else self._draw(step)
        self._ahead = step + 1, self._thread.submit(self._draw, step + 1)
        rank, world = self.share
        crops = crops[rank * self.batch // world : (rank + 1) * self.batch // world]
        return torch.from_numpy(crops).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)

    def _draw(self, step: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng((self.seed, step))
        crops = np.empty((self.batch, self.size, self.size, 3), np.uint8)
        for crop in crops:
            number = 0
            if len(self._sources) > 1:
                number = int(np.searchsorted(self._bounds, rng.random(), side="right"))
            by_side = self._sources[number]
            side, images = by_side[rng.integers(len(by_side))] if len(by_side) > 1 else by_side[0]
            image = images[rng.integers(len(images))]
            y = rng.integers(image.shape[0] - side + 1)
            x = rng.integers(image.shape[1] - side + 1)
            window = image[y : y + side, x : x + side]
            if side != self.size:
                window = _scaled(window, self.size)
            crop[:] = window[:, ::-1] if rng.integers(2) else window
        return crops


def _by_side(source: Pool, size: int) -> list[tuple[int, list[NDArray[np.uint8]]]]:
    """Per scale of a source the side of its windows, and the images that hold one."""
    found = []
    for scale in source.scales:
        side = round(size * scale)
        images = [image for image in source.images if min(image.shape[:2]) >= side]
        if not images:
            raise CodecError(
                f"no training image has both sides >= {side} pixels: use a smaller crop"
            )
        found.append((side, images))
    return found


def _scaled(window: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(window).resize((size, size), Image.Resampling.LANCZOS))
