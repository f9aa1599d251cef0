"""Time and memory, beside Pillow's AVIF in the same run on the same images.

Ratios compare the fastest of a few turns for each image, taken in turns with AVIF, so that other
work on the machine falls on both. AVIF runs at its default speed, once at its default quality and
once at the quality whose files come closest to the size of ours.

    python -m benchmarks.cost.speed KODAK_FOLDER -o benchmarks/results/speed.json
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image, ImageOps

import codec
from benchmarks.cost.entropy import beside_compressai
from benchmarks.provenance import meta, photographs
from bitstream import container, stream
from bitstream.header import Header
from codec.images.load import load
from codec.images.strips import Bands
from codec.runtime.model import CodecModel

QUALITY = 50
TURNS = 3
STAGE_TURNS = 7
TWELVE_MEGAPIXELS = (4000, 3000)
COMMAND = [sys.executable, "-m", "codec.cli"]


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def avif(image: Image.Image, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "AVIF", **options)
    return buffer.getvalue()


def open_and_load(data: bytes) -> None:
    Image.open(BytesIO(data)).load()


def avif_quality_near(image: Image.Image, size: int) -> int:
    """The AVIF quality whose file is closest to `size` bytes."""
    return min(range(0, 60, 2), key=lambda q: abs(len(avif(image, quality=q)) - size))


def beside_avif(images: Sequence[Image.Image], model: CodecModel) -> dict[str, Any]:
    """Seconds an image, mean over the images, and their ratios to AVIF's."""
    rows = []
    for image in images:
        coded = codec.encode(image, quality=QUALITY, model=model)
        near = avif_quality_near(image, len(coded))
        plain, same = avif(image), avif(image, quality=near)
        work: dict[str, Callable[[], Any]] = {
            "encode": partial(codec.encode, image, quality=QUALITY, model=model),
            "avif_encode_default": partial(avif, image),
            "avif_encode_same_size": partial(avif, image, quality=near),
            "decode": partial(codec.decode, coded, model=model),
            "decode_mean": partial(codec.decode, coded, model=model, realism=0.0),
            "avif_decode_default": partial(open_and_load, plain),
            "avif_decode_same_size": partial(open_and_load, same),
        }
        turns = [{name: seconds(run) for name, run in work.items()} for _ in range(TURNS)]
        rows.append({name: min(turn[name] for turn in turns) for name in work})
    mean = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    ratios = {
        f"{verb}_over_avif_{kind}": round(mean[verb] / mean[f"avif_{verb}_{kind}"], 2)
        for verb in ("encode", "decode")
        for kind in ("default", "same_size")
    }
    ratios["decode_over_decode_mean"] = round(mean["decode"] / mean["decode_mean"], 2)
    return {"seconds": {name: round(value, 4) for name, value in mean.items()}, "ratios": ratios}


def stages(path: Path, model: CodecModel) -> dict[str, dict[str, float]]:
    """Median milliseconds of each step of the two flows, for one image."""
    picture = load(path)
    height, width = picture.rgb.shape[:2]
    analysis = model.analyze(Bands([picture.rgb]))
    indices = model.quantize(analysis, QUALITY).indices
    header = Header(width, height, QUALITY, len(indices), model.fingerprint)
    payload = stream.encode_indices(indices, model.prior, header)
    data = container.write(header, payload)

    def timed(steps: dict[str, Callable[[], Any]]) -> dict[str, float]:
        turns = [{name: seconds(run) for name, run in steps.items()} for _ in range(STAGE_TURNS)]
        return {name: round(1e3 * median(turn[name] for turn in turns), 2) for name in steps}

    return {
        "encode_ms": timed(
            {
                "read the PNG": lambda: load(path),
                "analyze": lambda: model.analyze(Bands([picture.rgb])),
                "quantize": lambda: model.quantize(analysis, QUALITY),
                "entropy coding": lambda: stream.encode_indices(indices, model.prior, header),
                "container": lambda: container.write(header, payload),
            }
        ),
        "decode_ms": timed(
            {
                "container": lambda: container.parse(data),
                "entropy decoding": lambda: stream.decode_indices(payload, model.prior, header),
                "synthesize the mean": lambda: model.synthesize(indices, QUALITY, height, width),
                "synthesize with detail": lambda: model.synthesize(
                    indices, QUALITY, height, width, realism=1.0
                ),
            }
        ),
    }


# A small parent: a child's peak memory counts what its parent held when it forked.
LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
seconds = time.perf_counter() - start
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss * 1024]))
"""


def process(*arguments: str) -> dict[str, float]:
    """Wall seconds and peak memory in MB of one run of the command."""
    launch = [sys.executable, "-S", "-c", LAUNCHER, *COMMAND, *arguments]
    done = subprocess.run(launch, check=True, stdout=subprocess.PIPE)
    code, wall, peak = json.loads(done.stdout)
    if code:
        raise SystemExit(f"bibcodec {' '.join(arguments)}: exit code {code}")
    return {"seconds": round(wall, 3), "peak_mb": round(peak / 1e6, 1)}


def mosaic(paths: Sequence[Path]) -> Image.Image:
    """A 12-megapixel photograph: 4 x 4 images, each enlarged to 1000 x 750."""
    width, height = TWELVE_MEGAPIXELS
    photo = Image.new("RGB", TWELVE_MEGAPIXELS)
    for place in range(16):
        with Image.open(paths[place % len(paths)]) as image:
            tile = ImageOps.fit(image.convert("RGB"), (width // 4, height // 4))
        photo.paste(tile, (place % 4 * width // 4, place // 4 * height // 4))
    return photo


def as_a_user(paths: Sequence[Path], model: str) -> dict[str, Any]:
    """Whole processes: Kodak-sized and 12-megapixel encode and decode, and info."""
    with tempfile.TemporaryDirectory() as folder:
        photo, coded, out = (str(Path(folder) / name) for name in ("p.png", "p.bibc", "o.png"))
        small = str(Path(folder) / "s.bibc")
        mosaic(paths).save(photo, compress_level=1)
        result: dict[str, Any] = {
            "kodak_encode": process("encode", str(paths[0]), "-o", small, "-m", model, "--quiet"),
            "kodak_decode": process("decode", small, "-o", out, "-m", model, "--quiet"),
            "12_megapixel_encode": process("encode", photo, "-o", coded, "-m", model, "--quiet"),
            "12_megapixel_decode": process(
                "decode", coded, "-o", out, "-m", model, "-f", "--quiet"
            ),
        }
        result["info"] = min((process("info", coded) for _ in range(5)), key=lambda r: r["seconds"])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, default="benchmarks/results/speed.json")
    parser.add_argument("-m", "--model", default="default")
    arguments = parser.parse_args()

    paths = photographs(arguments.folder)
    images = [Image.open(path).convert("RGB") for path in paths]
    load = seconds(lambda: codec.load_model(arguments.model, "cpu"))
    model = codec.load_model(arguments.model, "cpu")
    result = {
        "beside_avif": beside_avif(images, model),
        "stages": stages(paths[0], model),
        "entropy_coding": beside_compressai(images, model, QUALITY),
        "model_load_seconds": round(load, 3),
        "processes": as_a_user(paths, arguments.model),
        "meta": meta(paths, model.fingerprint),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
