"""What time and memory do large photographs take?

Photographs are mosaics of the given ones. Encoding and decoding are processes; their processor
seconds stand beside the wall seconds, which other work on the machine stretches. Seconds a
megapixel are processor seconds without those of an image of 32 x 32 pixels, which say what the
start takes. `import torch` alone takes memory that differs between its builds, listed too.
"""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

import codec
from benchmarks import schema
from benchmarks.cost.mosaic import mosaic
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, Model, Photographs
from benchmarks.markdown import paragraph, table
from benchmarks.timing import process
from codec import options

VERBS = ("encode", "decode", "decode_mean")


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: folder of images that the mosaics are made of.
        model: name or folder of a model.
    """

    photographs: Photographs
    model: Model = PACKAGED


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        name: of the result.
        megapixels: of the mosaics, written with commas between.
        threads: of each process.
        tile: pixels a side of the tiles of a pass.
    """

    name: str = "sizes"
    megapixels: tuple[int, ...] = (1, 4, 16, 64, 100)
    threads: int = 1
    tile: int = options.TILE


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Seconds and peak memory by megapixels."""
    limits = ("--threads", str(settings.threads), "--tile", str(settings.tile))
    common = ("--quiet", "-m", inputs.model.source, *limits)
    start = run.part("start", lambda: verbs(Image.new("RGB", (32, 32)), common))
    rows = {}
    for number in settings.megapixels:
        row = run.part(f"{number}", lambda: of_size(inputs.photographs, number, common))  # noqa: B023
        row["seconds_per_megapixel"] = {
            verb: round(
                (row[verb]["processor_seconds"] - start[verb]["processor_seconds"]) / number, 3
            )
            for verb in VERBS
        }
        rows[str(number)] = row
        run.say(f"{number} megapixels: {row}")
    imported = process("import torch", command=(sys.executable, "-c"))
    return {
        "start": start,
        "megapixels": rows,
        "torch": torch.__version__,
        "torch_import_mb": round(imported.peak_mb, 2),
    }


def of_size(photographs: Photographs, megapixels: int, common: tuple[str, ...]) -> dict[str, Any]:
    """The figures of a mosaic of so many megapixels."""
    with mosaic(photographs.paths, megapixels) as image:
        return verbs(image, common) | {"width": image.width, "height": image.height}


def verbs(image: Image.Image, common: tuple[str, ...]) -> dict[str, Any]:
    """Encode an image, and decode it at realism 1 and 0."""
    with tempfile.TemporaryDirectory() as folder:
        photo, coded, out = (str(Path(folder) / name) for name in ("p.png", "p.bibc", "o.png"))
        image.save(photo, compress_level=1)
        mean = ("--realism", "0", *common)
        return {
            "encode": process("encode", photo, "-o", coded, *common).as_json(),
            "decode": process("decode", coded, "-o", out, *common).as_json(),
            "decode_mean": process("decode", coded, "-o", out, "-f", *mean).as_json(),
            "bpp": round(codec.info(coded).bpp, 4),
            "load": round(os.getloadavg()[0], 1),
        }


def sizes() -> dict[str, Any]:
    """The committed figures by megapixels, each of the last time that it was measured."""
    by_size: dict[str, Any] = schema.read("scale_sizes")["megapixels"]
    return by_size | schema.read("scale_100_again")["megapixels"]


def figures() -> list[str]:
    """What docs/figures.md says of large photographs."""
    rows = [
        [
            size,
            *(f"{row[verb]['processor_seconds']:.1f}" for verb in ("encode", "decode")),
            *(f"{row['seconds_per_megapixel'][verb]:.2f}" for verb in ("encode", "decode")),
            *(f"{row[verb]['peak_mb'] / 1e3:.2f}" for verb in ("encode", "decode")),
        ]
        for size, row in sizes().items()
    ]
    pairs = [f"{verb}, {unit}" for unit in ("s", "s/MP", "GB") for verb in ("encode", "decode")]
    again = schema.read("scale_100_again")
    return [
        *table(["megapixels", *pairs], rows),
        *paragraph(
            "Whole processes with one thread: processor seconds, the same a megapixel without the",
            "start, and peak memory. 100 megapixels were measured again with later code. Of the",
            f"memory, {again['torch_import_mb'] / 1e3:.2f} GB is what importing torch",
            f"{again['torch']} alone takes.",
        ),
    ]


BENCHMARK = Benchmark(Inputs, Settings, measure, result="scale_{name}.json")
