"""What goes in and out of the API besides images: options, limits, and what a header says."""

import operator
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import inf
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias

from bitstream.container import Limits as DecodeLimits

if TYPE_CHECKING:
    from codec.runtime.model import CodecModel

__all__ = [
    "DEFAULT_LIMITS",
    "EFFORT",
    "LEAST_TILE",
    "METADATA",
    "NO_LIMITS",
    "THUMBNAIL",
    "TILE",
    "DecodeLimits",
    "DecodeOptions",
    "EncodeOptions",
    "Model",
    "Running",
    "StreamInfo",
    "kinds_of",
    "seed_number",
]

Model: TypeAlias = "str | PathLike[str] | CodecModel"

METADATA = ("icc", "exif", "xmp")
THUMBNAIL = "thumbnail"  # what is embedded in EXIF or XMP; left out unless it is asked for
EFFORT = 5  # of the encoder, 1..9, unless asked for another; what the model is trained with
TILE = 768  # pixels a side of what the networks see at once: as fast as any larger on a CPU
LEAST_TILE = 512  # the smallest that may be asked for, see `codec.runtime.tiles.Tiles`
DEFAULT_LIMITS = DecodeLimits()
NO_LIMITS = DecodeLimits(max_pixels=0, max_side=0, max_chunk_bytes=0, max_stages=0)


@dataclass(frozen=True)
class EncodeOptions:
    """What a file should be like; `codec.encode` describes the fields.

    Raises:
        TypeError: a field is of another type.
        ValueError: a field is out of its range, or both targets are given.
    """

    quality: int = 50
    target_bpp: float | None = None
    target_size: int | None = None
    seed: int = 0
    effort: int = EFFORT
    keep: tuple[str, ...] = METADATA
    allow_truncated: bool = False

    def __post_init__(self) -> None:
        for name in ("quality", "target_bpp", "target_size", "seed", "effort"):
            _refuse_bool(name, getattr(self, name))
        if self.target_bpp is not None and self.target_size is not None:
            raise ValueError("give target_bpp or target_size, not both")
        if self.quality not in range(101):
            raise ValueError(f"quality is {self.quality!r}: expected an integer in 0..100")
        for name in ("target_bpp", "target_size"):
            target = getattr(self, name)
            if target is not None and not _is_above_0(target):
                raise ValueError(f"{name} is {target!r}: expected a number of more than 0")
        if self.effort not in range(1, 10):
            raise ValueError(f"effort is {self.effort!r}: expected 1..9")
        if unknown := set(self.keep) - {*METADATA, THUMBNAIL}:
            known = [*METADATA, THUMBNAIL]
            raise ValueError(f"keep names {sorted(unknown)}: expected some of {known}")
        seed_number(self.seed)

    def budget(self, pixels: int) -> int | None:
        """The most bytes that the file may have, for an image of so many pixels; None: any.

        >>> EncodeOptions(target_bpp=0.5).budget(800)
        50
        """
        if self.target_bpp is None:
            return self.target_size
        bits = self.target_bpp * pixels
        return int(min(bits / 8, 2.0**63))


@dataclass(frozen=True)
class DecodeOptions:
    """What picture to make of a file; `codec.decode` describes the fields.

    Raises:
        TypeError: a field is of another type.
        ValueError: realism or seed is out of its range.
    """

    realism: float = 1.0
    seed: int | str = "stored"
    allow_partial: bool = False
    limits: DecodeLimits = DEFAULT_LIMITS
    keep: tuple[str, ...] = METADATA

    def __post_init__(self) -> None:
        if unknown := set(self.keep) - set(METADATA):
            raise ValueError(f"keep names {sorted(unknown)}: expected some of {list(METADATA)}")
        for name in ("realism", "seed"):
            _refuse_bool(name, getattr(self, name))
        try:
            is_share = bool(0 <= self.realism <= 1)
        except (TypeError, ValueError):  # text, None, an array
            raise TypeError(f"realism is {self.realism!r}: expected a number in 0..1") from None
        if not is_share:
            raise ValueError(f"realism is {self.realism}: expected 0..1")
        if not isinstance(self.limits, DecodeLimits):
            raise TypeError(f"limits is {self.limits!r}: expected a DecodeLimits")
        if self.seed not in ("stored", "random"):
            seed_number(self.seed, "stored, random or ")

    def seed_for(self, stored: int) -> int:
        """The number that is meant, 0..2**64 - 1, for a file that stores a seed.

        >>> DecodeOptions(seed=7).seed_for(3), DecodeOptions().seed_for(3)
        (7, 3)
        """
        if self.seed == "stored":
            return stored
        return secrets.randbits(64) if self.seed == "random" else seed_number(self.seed)


@dataclass(frozen=True)
class Running:
    """Which model runs, where, and on how large pieces of an image.

    Attributes:
        model: name or folder of a model, or a loaded one.
        device: "auto", "cpu" or "cuda"; where the model is loaded, if it is not loaded yet.
        tile: pixels a side, at least 512, of what the networks see at once.
        engine: "auto", "onnx", "openvino" or "torch": what runs the networks, if the model is not
            loaded yet; "quick" is as "auto" for a process that codes one file.

    Raises:
        TypeError: the model is nothing that can be one.
        ValueError: the tile is too small, or no integer.
    """

    model: Model = "default"
    device: str = "auto"
    tile: int = TILE
    engine: str = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.model, str | PathLike) and not hasattr(self.model, "fingerprint"):
            raise TypeError(f"model is {self.model!r}: expected a name, a folder or a loaded model")
        _refuse_bool("tile", self.tile)
        try:
            tile = operator.index(self.tile)
        except TypeError:
            tile = 0
        if tile < LEAST_TILE:
            raise ValueError(
                f"tile is {self.tile!r}: expected an integer of at least {LEAST_TILE} pixels a side"
            )


def kinds_of(keep: Collection[str]) -> tuple[str, ...]:
    """The kinds of metadata that a caller names.

    Raises:
        TypeError: it is one name, or no collection.

    >>> kinds_of(["exif"])
    ('exif',)
    """
    if isinstance(keep, str) or not isinstance(keep, Iterable):
        raise TypeError(f"keep is {keep!r}: expected a collection of names, such as ('exif',)")
    return tuple(keep)


def _refuse_bool(name: str, value: object) -> None:
    """Raise TypeError for what Python would count as 0 or 1."""
    if type(value).__name__ in ("bool", "bool_"):  # numpy's has either name
        raise TypeError(f"{name} is {value}: expected a number, not a truth value")


def _is_above_0(number: Any) -> bool:
    try:
        return bool(0 < number < inf)
    except TypeError:
        return False


def seed_number(seed: int | str, words: str = "") -> int:
    """A seed of any integer type as an int; ValueError unless it is in 0..2**64 - 1."""
    try:
        number = operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if not 0 <= number < 2**64:
        raise ValueError(f"seed is {seed!r}: expected {words}0..2**64 - 1")
    return number


@dataclass(frozen=True)
class StreamInfo:
    """What a file's header says; only `novelty` needs the model.

    Attributes:
        width, height: in pixels.
        mode: Pillow's name of what decodes from it: "L", "LA", "RGB" or "RGBA".
        quality: 0..100.
        stages: stages the file was written with.
        seed: of the synthesized detail; 0 if the file stores none.
        model: fingerprint of the model that wrote it, 8 hexadecimal digits.
        version: of the format, "major.minor".
        file_bytes: size of the whole file.
        bpp: bits of the whole file per pixel.
        picture_bytes: of the file, all but its metadata.
        metadata_bytes: of the file, ICC, EXIF and XMP as they are stored.
        chunks: sizes in bytes of the optional chunks, of metadata as it unpacks.
        cut: whether the image data end within a word: the file was cut. `verify` finds every cut.
        novelty: percentile, above 0 and below 100, of the image among photographs, by how far its
            code is from theirs; from 99 on it is unusual. None if it was not asked for, the image
            is below 256 pixels a side, or the model does not know.
    """

    width: int
    height: int
    mode: str
    quality: int
    stages: int
    seed: int
    model: str
    version: str
    file_bytes: int
    bpp: float
    picture_bytes: int
    metadata_bytes: int
    chunks: dict[str, int]
    cut: bool = False
    novelty: float | None = None
