"""The files of one image, by our codec, by a peer or by a foreign program, ready to be decoded."""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import codec
from codec.errors import CodecError, RateTargetError, UnusualImageWarning
from codec.evaluation import peers
from codec.evaluation.plan import FOREIGN, OURS, Plan
from codec.images.load import load

Samples = NDArray[np.uint8]


@dataclass(frozen=True)
class ImageFile(ABC):
    """One file of an image.

    Attributes:
        quality: of the codec; None where another program chose it.
        target: bits per pixel that were asked for; None where a quality was.
        size: bytes of the file.
        seconds: that coding took; None where another program did it.
    """

    quality: int | None
    target: float | None
    size: int
    seconds: float | None

    @abstractmethod
    def decode(self, realism: float, seed: int) -> Samples:
        """The image, uint8 (H, W, 3). Other codecs than ours have no realism and no seed."""


@dataclass(frozen=True)
class OurFile(ImageFile):
    """A file of ours."""

    data: bytes
    plan: Plan

    def decode(self, realism: float, seed: int) -> Samples:
        """See `ImageFile.decode`."""
        image = codec.decode(
            self.data,
            realism=realism,
            seed=seed,
            model=self.plan.model,
            device=self.plan.device,
        )
        return np.asarray(image.convert("RGB"))


@dataclass(frozen=True)
class PeerFile(ImageFile):
    """A file of a peer codec that is run here."""

    data: bytes
    peer: peers.Peer

    def decode(self, realism: float, seed: int) -> Samples:
        """See `ImageFile.decode`."""
        return np.asarray(self.peer.decode(self.data))


@dataclass(frozen=True)
class ForeignFile(ImageFile):
    """A file of a foreign program, which has also decoded it."""

    decoded: Path

    def decode(self, realism: float, seed: int) -> Samples:
        """See `ImageFile.decode`."""
        return load(self.decoded, ()).rgb


def image_files(plan: Plan, path: Path, rgb: Samples) -> Iterator[ImageFile]:
    """The files of an image, one for every quality or target of a plan.

    Args:
        plan: which codec, at which qualities or targets.
        path: of the original.
        rgb: its samples, uint8 (H, W, 3).

    Raises:
        CodecError: a file of the foreign codec is not there.
    """
    if plan.codec == OURS:
        return _ours(plan, Image.fromarray(rgb))
    if plan.codec == FOREIGN:
        return _foreign(plan, path)
    return _peers(plan, Image.fromarray(rgb))


def foreign_files(plan: Plan, path: Path) -> tuple[Path, Path]:
    """The decoded image and the file that a foreign codec made of an original.

    Raises:
        CodecError: there is none of that name, or there are several.
    """
    return _beside(path, Path(plan.decoded or ".")), _beside(path, Path(plan.coded or "."))


def _ours(plan: Plan, image: Image.Image) -> Iterator[OurFile]:
    settings = [(quality, None) for quality in plan.qualities]
    for quality, target in [(0, target) for target in plan.targets] or settings:
        start = time.perf_counter()
        data = _encode(plan, image, quality, target)
        seconds = time.perf_counter() - start
        yield OurFile(codec.info(data).quality, target, len(data), seconds, data, plan)


def _encode(plan: Plan, image: Image.Image, quality: int, target: float | None) -> bytes:
    """Our file; where even the smallest is above the target, the smallest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusualImageWarning)  # here the detail is measured
        try:
            return codec.encode(
                image, quality=quality, target_bpp=target, model=plan.model, device=plan.device
            )
        except RateTargetError:
            return codec.encode(image, quality=0, model=plan.model, device=plan.device)


def _peers(plan: Plan, image: Image.Image) -> Iterator[PeerFile]:
    peer = peers.load(plan.codec)
    budgets = [int(target * image.width * image.height / 8) for target in plan.targets]
    within = peer.within(image, budgets)
    for (quality, data, seconds), target in zip(within, plan.targets, strict=True):
        yield PeerFile(quality, target, len(data), seconds, data, peer)
    for quality in plan.qualities:
        data, seconds = peer.timed(image, quality)
        yield PeerFile(quality, None, len(data), seconds, data, peer)


def _foreign(plan: Plan, path: Path) -> Iterator[ForeignFile]:
    decoded, coded = foreign_files(plan, path)
    yield ForeignFile(None, None, coded.stat().st_size, None, decoded)


def of_whole_name(path: Path, folder: Path) -> list[Path]:
    """The files of a folder that are named as `path` with its suffix, or with one more."""
    return [file for file in folder.iterdir() if path.name in (file.name, file.stem)]


def _beside(path: Path, folder: Path) -> Path:
    """The file of a folder that has the whole name of `path`, or else the name but for suffixes."""
    same_stem = [file for file in folder.iterdir() if file.stem == path.stem]
    files = [file for file in of_whole_name(path, folder) or same_stem if file.is_file()]
    if len(files) != 1:
        raise CodecError(f"{path.name}: {len(files)} files named {path.stem}.* in {folder}")
    return files[0]
