"""How many photographs a second does a folder run code, beside single commands and AVIF?"""

import multiprocessing
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import schema
from benchmarks.cost.mosaic import TILE, varied
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, Model, Photographs
from benchmarks.markdown import paragraph, table
from benchmarks.timing import process, seconds

VERBS = ("encode", "decode", "avif_encode")
SINGLE = 20  # photographs that are encoded by a command each


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: folder of images, which are varied at random.
        model: name or folder of a model.
    """

    photographs: Photographs
    model: Model = PACKAGED


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        photos: how many there are in the folder, 768 x 512 pixels each.
        processes: numbers of processes, written with commas between.
    """

    photos: int = 500
    processes: tuple[int, ...] = (1, 2)


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Photographs a second by processes."""
    rng = np.random.default_rng(0)
    result: dict[str, Any] = {"photos": settings.photos, "width": TILE[0], "height": TILE[1]}
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "in"
        source.mkdir()
        paths = inputs.photographs.paths
        for number in range(settings.photos):
            varied(paths[number % len(paths)], TILE, rng).save(source / f"{number:03}.png")
        sources = sorted(source.iterdir())
        quiet = ("-f", "--quiet", "-m", inputs.model.source)
        result["single_calls"] = run.part("single", lambda: single_calls(sources, quiet))
        for count in settings.processes:
            row = run.part(f"{count}", lambda: by_processes(sources, count, quiet))  # noqa: B023
            result[f"{count}_processes"] = row
            run.say(f"{count} processes: {row}")
    return result


def single_calls(sources: Sequence[Path], options: Sequence[str]) -> float:
    """Photographs a second, a command for each."""
    with tempfile.TemporaryDirectory() as out:
        costs = [process("encode", str(path), "-o", out, *options) for path in sources[:SINGLE]]
    return round(len(costs) / sum(cost.seconds for cost in costs), 3)


def by_processes(sources: Sequence[Path], count: int, options: Sequence[str]) -> dict[str, float]:
    """Photographs a second by so many processes: ours each way, and AVIF."""
    with tempfile.TemporaryDirectory() as name:
        coded, back, out = (Path(name) / part for part in ("coded", "back", "avif"))
        out.mkdir()
        jobs = ("-j", str(count), *options)
        spent = {
            "encode": process("encode", str(sources[0].parent), "-o", str(coded), *jobs).seconds,
            "decode": process("decode", str(coded), "-o", str(back), *jobs).seconds,
            "avif_encode": seconds(lambda: avif_run(sources, out, count)),
        }
    return {verb: round(len(sources) / value, 3) for verb, value in spent.items()}


def avif_run(sources: Sequence[Path], out: Path, processes: int) -> None:
    """Encode files by so many processes, as a shell's parallel loop over one tool would."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(avif, [(path, out / f"{path.stem}.avif") for path in sources], chunksize=4)


def avif(paths: tuple[Path, Path]) -> None:
    """Encode a file as AVIF at Pillow's defaults, on one thread."""
    buffer = BytesIO()
    with Image.open(paths[0]) as image:
        image.save(buffer, "AVIF", max_threads=1)
    paths[1].write_bytes(buffer.getvalue())


def figures() -> list[str]:
    """What docs/figures.md says of folders."""
    result = schema.read("folders")
    rows = [
        [str(count), *(f"{result[f'{count}_processes'][verb]:.1f}" for verb in VERBS)]
        for count in result["meta"]["settings"]["processes"]
    ]
    return [
        *table(["processes", "encode", "decode", "AVIF encodes"], rows),
        *paragraph(
            f"Photographs a second, of a folder of {result['photos']} with {result['width']} x",
            f"{result['height']} pixels. A command for each photograph encodes",
            f"{result['single_calls']:.1f} a second.",
        ),
    ]


BENCHMARK = Benchmark(Inputs, Settings, measure, result="folders.json")
