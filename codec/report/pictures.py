"""The pictures of a report: originals and what codecs make of them, small enough to carry along."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from codec.errors import CodecError, sentence
from codec.evaluation.photographs import photographs
from codec.images.load import load

PHOTOS = 3  # shown at most
SIDE = 768  # larger photos are cropped to the middle, not scaled: scaling would hide artefacts
BUDGET = 9_000_000  # bytes of all pictures as base64 text; with plotly the page stays under 15 MB
WEBP = (92, 85, 75, 60)  # qualities to try until the budget holds


@dataclass(frozen=True)
class Version:
    """One decoding of one photo (or the original), cropped."""

    codec: str
    image: Image.Image
    quality: float | None = None
    realism: float | None = None
    seed: int | None = None
    bytes: int | None = None  # of the whole file
    bpp: float | None = None
    psnr: float | None = None  # of the whole image, dB


@dataclass(frozen=True)
class Gallery:
    """What the picture panel shows: photos with their versions, and WebP pictures as data URIs."""

    photos: tuple[dict[str, Any], ...]  # "file", "width", "height", "versions" with a "source" each
    sources: tuple[str, ...]
    note: str

    def as_json(self) -> dict[str, Any]:
        """For the page's code; "left" and "right" are chosen at first."""
        original, *coded = self.photos[0]["versions"]
        same = [v for v in coded if v["codec"] == coded[0]["codec"]] or [original]
        qualities = list(dict.fromkeys(version["quality"] for version in same))
        middle = qualities[(len(qualities) - 1) // 2]
        right = next(version for version in same if version["quality"] == middle)
        keys = ("codec", "quality", "realism", "seed")
        sides = {"left": original, "right": right}
        chosen = {name: {key: side[key] for key in keys} for name, side in sides.items()}
        return {"photos": list(self.photos), "sources": list(self.sources)} | chosen


def originals(folder: Path) -> list[Path]:
    """The first photos of a folder that can be read, in order of name.

    Raises:
        CodecError: it is no folder, or none of its images can be read.
    """
    found: list[Path] = []
    reasons = []
    for path in photographs(folder):
        try:
            load(path, ())
        except (CodecError, OSError) as error:  # `bibcodec eval` leaves it out, too
            reasons.append(sentence(error))
            continue
        found.append(path)
        if len(found) == PHOTOS:
            break
    if not found:
        raise CodecError(reasons[0])
    return found


def gallery(
    paths: Sequence[Path], decodings: Callable[[Path, Image.Image], list[Version]]
) -> Gallery:
    """Pictures of the photos at `paths`; `decodings` makes the versions beside the original.

    Raises:
        CodecError: a photo is damaged.
        OSError: a photo cannot be read.
    """
    photos: list[tuple[str, list[tuple[Version, Image.Image]]]] = []
    for path in paths:
        original = Image.fromarray(load(path, ()).rgb)  # upright, as it is coded
        versions = [Version("Original", original), *decodings(path, original)]
        photos.append((path.name, [(v, _window(v.image)) for v in versions]))
    for quality in WEBP:
        sources: dict[str, int] = {}  # equal pictures are carried once
        packed = tuple(
            {
                "file": name,
                "width": versions[0][1].width,
                "height": versions[0][1].height,
                "versions": [
                    _about(version)
                    | {"source": sources.setdefault(_webp(image, quality), len(sources))}
                    for version, image in versions
                ],
            }
            for name, versions in photos
        )
        if sum(map(len, sources)) <= BUDGET:
            break
    else:
        return gallery(paths[:-1], decodings)
    return Gallery(
        packed,
        tuple(sources),
        f"Pictures are carried as WebP at quality {quality}, which adds a little error of its own; "
        f"those larger than {SIDE} pixels show their middle, unscaled. "
        "PSNR is of the whole decoded image.",
    )


def _window(image: Image.Image) -> Image.Image:
    width, height = min(image.width, SIDE), min(image.height, SIDE)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.convert("RGB").crop((left, top, left + width, top + height))


def _about(version: Version) -> dict[str, Any]:
    return {key: value for key, value in vars(version).items() if key != "image"}


def _webp(image: Image.Image, quality: int) -> str:
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=4)
    return f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode()}"
