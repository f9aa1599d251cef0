"""What a benchmark measures: photographs, shards of them, a model, files. What is missing is named.

An input is made from the text of a command line and refuses what is not there at once, before
anything is measured. Its `identity` says what it is, whatever its path.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL import Image

    from codec.runtime.model import CodecModel

UNPACKED = Path.home() / ".cache" / "bibcodec" / "unpacked"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


class Missing(Exception):
    """An input is not there; the message says which, and what to do."""


class Input(Protocol):
    """What every input can say of itself."""

    @property
    def identity(self) -> str:
        """A text that is equal for equal contents."""


@dataclass(frozen=True)
class Photographs:
    """A folder of images, or a tar file of them, which is unpacked once.

    Args:
        source: its path.
    """

    source: str

    def __post_init__(self) -> None:
        if not self.paths:
            raise Missing(f"{self.source}: no images: expected {', '.join(SUFFIXES)} files")

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """The images, in order of name."""
        path = Path(self.source)
        if not path.exists():
            raise Missing(f"{path}: not there: give a folder of images, or a tar file of them")
        folder = path if path.is_dir() else unpacked(path)
        return tuple(sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES))

    def images(self) -> Iterator[Image.Image]:
        """The images as RGB, one after the other."""
        from PIL import Image  # noqa: PLC0415  (checks of a GPU run without Pillow)

        for path in self.paths:
            with Image.open(path) as image:
                yield image.convert("RGB")

    @cached_property
    def identity(self) -> str:
        """SHA-256 of all their bytes."""
        return sha256(*self.paths)


@dataclass(frozen=True)
class Shards:
    """A folder of tar files of photographs: train-*.tar and val-*.tar.

    Args:
        source: its path.
    """

    source: str

    def __post_init__(self) -> None:
        if not self.validation:
            raise Missing(f"{self.source}: no val-*.tar in this folder: give one with shards")

    @property
    def folder(self) -> Path:
        """Its path."""
        return Path(self.source)

    @cached_property
    def validation(self) -> tuple[Path, ...]:
        """The tar files of photographs that nothing is trained on."""
        return tuple(sorted(self.folder.glob("val-*.tar")))

    @cached_property
    def identity(self) -> str:
        """SHA-256 of the validation shards, and the names and sizes of the others."""
        others = sorted((p.name, p.stat().st_size) for p in self.folder.glob("train-*.tar"))
        return hashlib.sha256(f"{sha256(*self.validation)} {others}".encode()).hexdigest()


@dataclass(frozen=True)
class Model:
    """One of our models, by name or folder.

    Args:
        source: "default" for the packaged one.
    """

    source: str

    def load(self) -> CodecModel:
        """The model, on the CPU."""
        import codec  # noqa: PLC0415  (without torch until a model is loaded)

        return codec.load_model(self.source, "cpu", "torch")

    @cached_property
    def identity(self) -> str:
        """Its fingerprint, in hexadecimal."""
        return self.load().fingerprint.hex()


@dataclass(frozen=True)
class File:
    """A file, such as weights of a metric.

    Args:
        source: its path.
    """

    source: str

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise Missing(f"{self.path}: not a file")

    @property
    def path(self) -> Path:
        """Its path."""
        return Path(self.source)

    @cached_property
    def identity(self) -> str:
        """SHA-256 of its bytes."""
        return sha256(self.path)


@dataclass(frozen=True)
class Folder:
    """A folder, such as that of a training run.

    Args:
        source: its path.
    """

    source: str

    def __post_init__(self) -> None:
        if not self.path.is_dir():
            raise Missing(f"{self.path}: not a folder")

    @property
    def path(self) -> Path:
        """Its path."""
        return Path(self.source)

    @cached_property
    def identity(self) -> str:
        """SHA-256 of the names and bytes of its files."""
        files = sorted(p for p in self.path.rglob("*") if p.is_file())
        names = " ".join(str(p.relative_to(self.path)) for p in files)
        return hashlib.sha256(f"{sha256(*files)} {names}".encode()).hexdigest()


PACKAGED = Model("default")


@dataclass(frozen=True)
class ModelOnPhotographs:
    """What most benchmarks measure.

    Attributes:
        photographs: folder of images, or a tar file of them.
        model: name or folder of a model.
    """

    photographs: Photographs
    model: Model = PACKAGED


def sha256(*paths: Path) -> str:
    """SHA-256 of the bytes of files, one after the other."""
    from codec.evaluation import provenance  # noqa: PLC0415

    return provenance.sha256(paths)


def unpacked(tar: Path) -> Path:
    """The folder that has what a tar file holds."""
    folder = UNPACKED / sha256(tar)[:16]
    if not folder.is_dir():
        partial = folder.with_suffix(".partial")
        try:
            with tarfile.open(tar) as file:
                file.extractall(partial, filter="data")
        except tarfile.ReadError:
            raise Missing(f"{tar}: neither a folder nor a tar file of images") from None
        partial.rename(folder)
    return folder
