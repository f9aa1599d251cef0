"""Large images and many: seconds and peak memory by megapixels, files a second by processes.

Images are mosaics of the given photographs, each mirrored and changed in brightness at random, so
that no two tiles are equal. Encode and decode are processes; their processor seconds stand beside
the wall seconds, which other work on the machine stretches. Seconds a megapixel are processor
seconds without those of an image of 32 x 32 pixels, which say what the start takes. How much memory
`import torch` alone takes differs between torch's builds, and is listed too.

    python -m benchmarks.cost.scale KODAK_FOLDER
    python -m benchmarks.cost.scale KODAK_FOLDER --only sizes --megapixels 1 4
    python -m benchmarks.cost.scale KODAK_FOLDER --only folder
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

import codec
from benchmarks.provenance import meta, photographs
from codec import options

MEGAPIXELS = (1, 4, 16, 64, 100)
TILE = (768, 512)
PHOTOS = 500
SINGLE = 20  # of them, for the loop of single calls
COMMAND = [sys.executable, "-m", "codec.cli"]
LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
wall, cpu = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), wall, cpu, usage.ru_maxrss * 1024]))
"""


def process(*arguments: str, command: Sequence[str] = COMMAND) -> dict[str, float]:
    """Wall and processor seconds and peak memory in MB of one run of a command."""
    launch = [sys.executable, "-S", "-c", LAUNCHER, *command, *arguments]
    done = subprocess.run(launch, check=True, stdout=subprocess.PIPE)
    code, wall, cpu, peak = json.loads(done.stdout)
    if code:
        raise SystemExit(f"{' '.join([*command, *arguments])}: exit code {code}")
    figures = {"seconds": wall, "processor_seconds": cpu, "peak_mb": peak / 1e6}
    return {name: round(value, 2) for name, value in figures.items()}


def varied(path: Path, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A photograph cropped to a size, perhaps mirrored or upside down, darker or lighter."""
    with Image.open(path) as image:
        photo = ImageOps.fit(image.convert("RGB"), size)
    if rng.integers(2):
        photo = ImageOps.mirror(photo)
    if rng.integers(2):
        photo = ImageOps.flip(photo)
    return ImageEnhance.Brightness(photo).enhance(rng.uniform(0.7, 1.2))


def mosaic(paths: Sequence[Path], megapixels: int) -> Image.Image:
    """A photograph of so many megapixels, 3:2."""
    width = round((megapixels * 1e6 * 1.5) ** 0.5)
    height = round(megapixels * 1e6 / width)
    rng = np.random.default_rng(megapixels)
    photo = Image.new("RGB", (width, height))
    for top in range(0, height, TILE[1]):
        for left in range(0, width, TILE[0]):
            photo.paste(varied(paths[int(rng.integers(len(paths)))], TILE, rng), (left, top))
    return photo


def sizes(
    paths: Sequence[Path], megapixels: Sequence[int], threads: int, tile: int
) -> dict[str, Any]:
    """Encode and decode, as processes."""
    start = verbs(Image.new("RGB", (32, 32)), threads, tile)
    rows = {}
    for number in megapixels:
        with mosaic(paths, number) as image:
            rows[str(number)] = row = verbs(image, threads, tile)
            row |= {"width": image.width, "height": image.height}
        row["seconds_per_megapixel"] = {
            verb: round(
                (row[verb]["processor_seconds"] - start[verb]["processor_seconds"]) / number, 3
            )
            for verb in ("encode", "decode", "decode_mean")
        }
        print(number, json.dumps(row), flush=True)
    return {"start": start, "megapixels": rows}


def verbs(image: Image.Image, threads: int, tile: int) -> dict[str, Any]:
    """Encode an image, and decode it at realism 1 and 0."""
    common = ("--quiet", "--threads", str(threads), "--tile", str(tile))
    with tempfile.TemporaryDirectory() as folder:
        photo, coded, out = (str(Path(folder) / name) for name in ("p.png", "p.bibc", "o.png"))
        image.save(photo, compress_level=1)
        return {
            "encode": process("encode", photo, "-o", coded, *common),
            "decode": process("decode", coded, "-o", out, *common),
            "decode_mean": process("decode", coded, "-o", out, "-f", "--realism", "0", *common),
            "bpp": round(codec.info(coded).bpp, 4),
            "load": round(os.getloadavg()[0], 1),
        }


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def avif(paths: tuple[Path, Path]) -> None:
    """Encode a file as AVIF at Pillow's defaults, on one thread."""
    buffer = BytesIO()
    with Image.open(paths[0]) as image:
        image.save(buffer, "AVIF", max_threads=1)
    paths[1].write_bytes(buffer.getvalue())


def avif_run(sources: Sequence[Path], out: Path, processes: int) -> None:
    """Encode files by so many processes, as a shell's parallel loop over one tool would."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(avif, [(path, out / f"{path.stem}.avif") for path in sources], chunksize=4)


def folder(paths: Sequence[Path], count: int, processes: Sequence[int]) -> dict[str, Any]:
    """Files a second of a folder of photos: ours, a loop of single calls, and AVIF."""
    rng = np.random.default_rng(0)
    result: dict[str, Any] = {"photos": count, "width": TILE[0], "height": TILE[1]}
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name) / "in", Path(name) / "out"
        source.mkdir()
        out.mkdir()
        for number in range(count):
            varied(paths[number % len(paths)], TILE, rng).save(source / f"{number:03}.png")
        sources = sorted(source.iterdir())

        calls = sources[:SINGLE]

        def single() -> None:
            for path in calls:
                process("encode", str(path), "-o", str(out), "-f", "--quiet")

        result["single_calls"] = round(len(calls) / seconds(single), 3)
        for number in processes:
            jobs = ("-j", str(number), "-f", "--quiet")
            coded, back = str(Path(name) / f"coded{number}"), str(Path(name) / f"back{number}")
            spent = {
                "encode": process("encode", str(source), "-o", coded, *jobs),
                "decode": process("decode", coded, "-o", back, *jobs),
            }
            here = {verb: round(count / row["seconds"], 3) for verb, row in spent.items()}
            here["avif_encode"] = round(count / seconds(lambda: avif_run(sources, out, number)), 3)  # noqa: B023
            result[f"{number}_processes"] = here
            print(number, json.dumps(here), flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, default="benchmarks/results/scale.json")
    parser.add_argument("--only", choices=("sizes", "folder"))
    parser.add_argument("--megapixels", type=int, nargs="+", default=MEGAPIXELS)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--tile", type=int, default=options.TILE)
    parser.add_argument("--name", default="sizes", help="of the sizes' results, before the tile")
    parser.add_argument("--photos", type=int, default=PHOTOS)
    parser.add_argument("--processes", type=int, nargs="+", default=(1, 2))
    arguments = parser.parse_args()

    paths = photographs(arguments.folder)
    result: dict[str, Any] = {}
    if arguments.output.exists():
        result = json.loads(arguments.output.read_text())
    about = meta(paths, codec.load_model("default", "cpu").fingerprint)
    about["threads"] = arguments.threads
    if arguments.only != "folder":
        imported = process("import torch", command=[sys.executable, "-c"])
        build = {"torch": torch.__version__, "torch_import_mb": imported["peak_mb"]}
        rows = sizes(paths, arguments.megapixels, arguments.threads, arguments.tile)
        result[f"{arguments.name}_tile_{arguments.tile}"] = {**rows, **build, "meta": about}
    if arguments.only != "sizes":
        figures = folder(paths, arguments.photos, arguments.processes)
        result["folder"] = figures | {"meta": about}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
