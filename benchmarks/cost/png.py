"""How long do PNG files of decoded pictures take to write, and how large are they, beside Pillow's?

Photographs of a folder, and drawn screenshots, are coded and decoded, without and with detail; then
each picture is written in turns by `codec.images.png`, as its first version did it, and by Pillow.
The times are processor time.
"""

import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

import codec
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import ModelOnPhotographs
from benchmarks.quality.unusual_images import images
from benchmarks.timing import fastest
from codec.images.png import SIGNATURE, PngFile
from codec.images.save import save

LEVELS = (1, 6)  # of Pillow; 6 is its default


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        quality: of the files.
        screenshots: how many are drawn.
        turns: how often each picture is written; the time is the least.
    """

    quality: int = 50
    screenshots: int = 8
    turns: int = 3


def measure(run: Run, inputs: ModelOnPhotographs, settings: Settings) -> dict[str, Any]:
    """Milliseconds and bytes, means over the pictures, and their shares of the first version's."""
    result = {}
    for kind in ("photographs", "screenshots"):
        for realism in (0.0, 1.0):
            name = f"{kind}_realism_{realism:g}"
            result[name] = run.part(
                name,
                lambda: row(inputs, settings, kind, realism),  # noqa: B023
            )
            run.say(f"{name}: {result[name]}")
    return result


def row(
    inputs: ModelOnPhotographs, settings: Settings, kind: str, realism: float
) -> dict[str, Any]:
    """One kind of pictures at one realism."""
    model = inputs.model.load()
    names = ["ours", "before", *(f"pillow_{level}" for level in LEVELS)]
    seconds, sizes, count = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0), 0
    for original in originals(inputs, settings, kind):
        data = codec.encode(original, quality=settings.quality, model=model)
        picture = codec.decode(data, realism=realism, model=model)
        work = {"ours": partial(ours, picture), "before": partial(before, picture)}
        work |= {f"pillow_{level}": partial(pillows, picture, level) for level in LEVELS}
        for name, spent in fastest(work, settings.turns, time.process_time).items():
            seconds[name] += spent
            sizes[name] += work[name]()
        count += 1
    return {
        "pictures": count,
        "ms": {name: round(1e3 * value / count, 2) for name, value in seconds.items()},
        "bytes": {name: round(value / count) for name, value in sizes.items()},
        "ms_share": {name: round(s / seconds["before"], 3) for name, s in seconds.items()},
        "bytes_share": {name: round(size / sizes["before"], 3) for name, size in sizes.items()},
    }


def originals(inputs: ModelOnPhotographs, settings: Settings, kind: str) -> Iterator[Image.Image]:
    """The pictures that are coded."""
    if kind == "photographs":
        return inputs.photographs.images()
    drawn = images("screenshot", settings.screenshots)
    return (Image.fromarray(samples).convert("RGB") for samples in drawn)


def ours(picture: Image.Image) -> int:
    """Write a PNG file; its bytes."""
    buffer = BytesIO()
    file, samples = PngFile(buffer, picture.height, {}), np.asarray(picture)
    file.write(samples.reshape(picture.height, picture.width, -1))
    file.close()
    return buffer.tell()


def before(picture: Image.Image) -> int:
    """Compress the rows that Pillow filters, as our first version did; their bytes."""
    buffer = BytesIO()
    save(picture, buffer, "PNG", compress_level=0)
    rows = b"".join(data for kind, data in chunks(buffer.getbuffer()) if kind == b"IDAT")
    return len(zlib.compress(zlib.decompress(rows), 3))


def chunks(file: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and data of every chunk."""
    at = len(SIGNATURE)
    while at < len(file):
        (size,) = struct.unpack(">I", file[at : at + 4])
        yield bytes(file[at + 4 : at + 8]), file[at + 8 : at + 8 + size]
        at += 12 + size


def pillows(picture: Image.Image, level: int) -> int:
    """Write a PNG file at a level of zlib; its bytes."""
    buffer = BytesIO()
    save(picture, buffer, "PNG", compress_level=level)
    return buffer.tell()


BENCHMARK = Benchmark(ModelOnPhotographs, Settings, measure, result="png.json")
