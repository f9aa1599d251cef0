"""How many bytes does the metadata of camera files take in a file of ours, before and after?

Before: every kind as a chunk of its own, as it came. After: the thumbnail and the padding left out,
and packed. The unpacked metadata is compared with what came: all EXIF entries but those that are
made true, and ICC profiles, must be equal; if one is not, that is an error.
"""

import statistics
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from benchmarks.harness import Benchmark, Nothing, Run
from benchmarks.inputs import Photographs
from bitstream import container, metadata
from codec.images.chunks import optional_chunks
from codec.images.load import load
from codec.images.metadata import read
from codec.images.picture import Picture
from codec.options import METADATA, THUMBNAIL

KIND = {"icc": "iccp", "exif": "exif", "xmp": "xmp_"}
MADE_TRUE = {
    *(0x0112, 0x0100, 0x0101, 0x011A, 0x011B, 0xA002, 0xA003, 0x9214, 0xA214, 0xA20E, 0xA20F),
    *(0x1001, 0x1002, 0xA001, 0x0001, 0x8769, 0x8825, 0xA005),
}


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: files as cameras wrote them.
    """

    photographs: Photographs


def measure(run: Run, inputs: Inputs, settings: Nothing) -> dict[str, Any]:
    """Bytes of each file, and the median of all."""
    sizes: dict[str, dict[str, int]] = {}
    for path in inputs.photographs.paths:
        measured = run.part(path.name, partial(of_file, path))
        if measured:
            sizes[path.name] = measured
    names = ("before", "after", "with_thumbnail")
    saved = [1 - one["after"] / one["before"] for one in sizes.values()]
    table = {name: [one[name] for one in sizes.values()] for name in names}
    return {
        "files": len(sizes),
        "median": {name: statistics.median(table[name]) for name in names},
        "mean": {name: round(statistics.fmean(table[name]), 1) for name in names},
        "median_share_saved": round(statistics.median(saved), 4),
        "least_share_saved": round(min(saved), 4),
        "by_file": [{"file": name} | one for name, one in sizes.items()],
    }


def of_file(path: Path) -> dict[str, int]:
    """Bytes of one file's metadata; nothing if it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            image.load()
            came = read(image)
        if not came.exif:
            return {}
        before = {KIND[name]: data for name in METADATA if (data := getattr(came, name))}
        picture = load(path)
        kept = load(path, (*METADATA, THUMBNAIL))
    packed = without_pixels(picture)
    check(path, came.icc, came.exif, metadata.unpack(packed))
    return {
        "before": container.metadata_bytes(before),
        "after": container.metadata_bytes(packed),
        "with_thumbnail": container.metadata_bytes(without_pixels(kept)),
    }


def without_pixels(picture: Picture) -> dict[str, bytes]:
    """The chunks of a picture's metadata."""
    return optional_chunks(Picture(picture.strips[:1], metadata=picture.metadata))


def check(path: Path, icc: bytes, block: bytes, unpacked: dict[str, bytes]) -> None:
    """Raise RuntimeError if something is lost that is not left out on purpose."""
    if unpacked.get("iccp", b"") not in (icc, b""):
        raise RuntimeError(f"{path}: another ICC profile")
    lost = entries(block).items() - entries(unpacked.get("exif", b"")).items()
    if lost:
        raise RuntimeError(f"{path}: {len(lost)} EXIF entries are lost: {sorted(lost)[0]}")


def entries(block: bytes) -> dict[tuple[int, int], str]:
    """The entries of an EXIF block by directory and tag, but for what is made true."""
    found: dict[tuple[int, int], str] = {}
    read_exif = Image.Exif()
    read_exif.load(block)
    directories = {0: dict(read_exif)}
    for number in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        directories[int(number)] = dict(read_exif.get_ifd(number))
    for where, directory in directories.items():
        found |= {(where, t): repr(v) for t, v in directory.items() if t not in MADE_TRUE}
    return found


def figures() -> list[str]:
    """Lines for docs/figures.md."""
    from benchmarks.schema import read as result_of  # noqa: PLC0415

    result = result_of("metadata")
    median = result["median"]
    return [
        f"Metadata of {result['files']} camera files: {median['before']:,.0f} bytes at the median "
        f"as they came, {median['after']:,.0f} in a file of ours, "
        f"{median['with_thumbnail']:,.0f} with the thumbnail.",
    ]


BENCHMARK = Benchmark(Inputs, Nothing, measure, result="metadata.json")
