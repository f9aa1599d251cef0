"""How long do encoding and decoding take, beside Pillow's AVIF in the same run?

Ratios compare the fastest of a few turns for each image, taken in turns with AVIF, so that other
work on the machine falls on both. AVIF runs at its default speed, once at its default quality and
once at the quality whose files come closest to the size of ours.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

import codec
from benchmarks import schema
from benchmarks.cost.entropy import beside_compressai
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import ModelOnPhotographs
from benchmarks.markdown import paragraph, table
from benchmarks.timing import fastest, medians, process, seconds
from bitstream import container, stream
from bitstream.header import Header
from codec.images.load import load
from codec.images.strips import Strips
from codec.runtime.model import CodecModel

QUALITY = 50
TURNS = 3
STAGE_TURNS = 7
TWELVE_MEGAPIXELS = (4000, 3000)


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        quality: of our files.
    """

    quality: int = QUALITY


def measure(run: Run, inputs: ModelOnPhotographs, settings: Settings) -> dict[str, Any]:
    """Calls, their steps, entropy coding, and whole processes."""
    images = list(inputs.photographs.images())
    load_seconds = seconds(inputs.model.load)
    model = inputs.model.load()
    return {
        "beside_avif": beside_avif(images, model, settings.quality),
        "stages": stages(inputs.photographs.paths[0], model, settings.quality),
        "entropy_coding": beside_compressai(images, model, settings.quality),
        "model_load_seconds": round(load_seconds, 3),
        "processes": as_a_user(inputs.photographs.paths, inputs.model.source),
    }


def avif(image: Image.Image, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "AVIF", **options)
    return buffer.getvalue()


def open_and_load(data: bytes) -> None:
    Image.open(BytesIO(data)).load()


def avif_quality_near(image: Image.Image, size: int) -> int:
    """The AVIF quality whose file is closest to `size` bytes."""
    return min(range(0, 60, 2), key=lambda q: abs(len(avif(image, quality=q)) - size))


def beside_avif(images: Sequence[Image.Image], model: CodecModel, quality: int) -> dict[str, Any]:
    """Seconds an image, mean over the images, and their ratios to AVIF's."""
    rows = []
    for image in images:
        coded = codec.encode(image, quality=quality, model=model)
        near = avif_quality_near(image, len(coded))
        plain, same = avif(image), avif(image, quality=near)
        work: dict[str, Callable[[], Any]] = {
            "encode": partial(codec.encode, image, quality=quality, model=model),
            "avif_encode_default": partial(avif, image),
            "avif_encode_same_size": partial(avif, image, quality=near),
            "decode": partial(codec.decode, coded, model=model),
            "decode_mean": partial(codec.decode, coded, model=model, realism=0.0),
            "avif_decode_default": partial(open_and_load, plain),
            "avif_decode_same_size": partial(open_and_load, same),
        }
        rows.append(fastest(work, TURNS))
    mean = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    ratios = {
        f"{verb}_over_avif_{kind}": round(mean[verb] / mean[f"avif_{verb}_{kind}"], 2)
        for verb in ("encode", "decode")
        for kind in ("default", "same_size")
    }
    ratios["decode_over_decode_mean"] = round(mean["decode"] / mean["decode_mean"], 2)
    return {"seconds": {name: round(value, 4) for name, value in mean.items()}, "ratios": ratios}


def stages(path: Path, model: CodecModel, quality: int) -> dict[str, dict[str, float]]:
    """Median milliseconds of each step of the two flows, for one image."""
    picture = load(path)
    height, width = picture.rgb.shape[:2]
    analysis = model.analyze(Strips([picture.rgb]))
    indices = model.quantize(analysis, quality).indices
    header = Header(width, height, quality, len(indices), model.fingerprint)
    payload = stream.encode_indices(indices, model.prior, header)
    data = container.write(header, payload)

    return {
        "encode_ms": milliseconds(
            {
                "read the PNG": lambda: load(path),
                "analyze": lambda: model.analyze(Strips([picture.rgb])),
                "quantize": lambda: model.quantize(analysis, quality),
                "entropy coding": lambda: stream.encode_indices(indices, model.prior, header),
                "container": lambda: container.write(header, payload),
            }
        ),
        "decode_ms": milliseconds(
            {
                "container": lambda: container.parse(data),
                "entropy decoding": lambda: stream.decode_indices(payload, model.prior, header),
                "synthesize the mean": lambda: model.synthesize(indices, quality, height, width),
                "synthesize with detail": lambda: model.synthesize(
                    indices, quality, height, width, realism=1.0
                ),
            }
        ),
    }


def milliseconds(steps: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Median milliseconds of each step."""
    return {name: round(1e3 * value, 2) for name, value in medians(steps, STAGE_TURNS).items()}


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
        quiet = ("-m", model, "-f", "--quiet")
        costs = {
            "kodak_encode": process("encode", str(paths[0]), "-o", small, *quiet),
            "kodak_decode": process("decode", small, "-o", out, *quiet),
            "12_megapixel_encode": process("encode", photo, "-o", coded, *quiet),
            "12_megapixel_decode": process("decode", coded, "-o", out, *quiet),
            "info": min((process("info", coded) for _ in range(5)), key=lambda cost: cost.seconds),
        }
    return {name: cost.as_json("seconds", "peak_mb", digits=3) for name, cost in costs.items()}


def figures() -> list[str]:
    """What docs/figures.md says of speed."""
    speed = schema.read("speed")
    meta, beside, processes = speed["meta"], speed["beside_avif"], speed["processes"]
    ms = {name: 1e3 * value for name, value in beside["seconds"].items()}
    rows = [
        ["encode a Kodak image, ms", f"{ms['encode']:.0f}", f"{ms['avif_encode_default']:.1f}"],
        ["decode it, ms", f"{ms['decode']:.0f}", f"{ms['avif_decode_default']:.1f}"],
        ["decode it at realism 0, ms", f"{ms['decode_mean']:.0f}", "-"],
    ]
    encode, decode = (processes[f"12_megapixel_{verb}"] for verb in ("encode", "decode"))
    return [
        *table(["", "bibcodec", "AVIF"], rows),
        *paragraph(
            f"The machine is an {meta['machine']}, of which bibcodec uses {meta['threads']}. The",
            f"model is loaded once, in {1e3 * speed['model_load_seconds']:.0f} ms. AVIF runs at",
            "Pillow's defaults. As whole processes, a photograph of 12 megapixels takes",
            f"{encode['seconds']:.1f} s and {encode['peak_mb'] / 1e3:.2f} GB to encode,",
            f"{decode['seconds']:.1f} s and {decode['peak_mb'] / 1e3:.2f} GB to decode, and",
            f"`bibcodec info` takes {processes['info']['seconds']:.2f} s.",
        ),
        *entropy_coding(speed["entropy_coding"]),
    ]


def entropy_coding(entropy: dict[str, Any]) -> list[str]:
    """What docs/figures.md says of entropy coding."""
    ms = entropy["milliseconds"]
    return paragraph(
        "Entropy coding with its contexts, on one core, takes",
        f"{ms['encode']:.0f} ms to encode and {ms['decode']:.0f} ms to decode the",
        f"{entropy['symbols_an_image']:,} indices of a Kodak image at quality",
        f"{entropy['quality']}. With the tables already chosen it takes",
        f"{ms['encode_tables_known']:.1f} and {ms['decode_tables_known']:.1f} ms. CompressAI's",
        f"rANS takes {ms['compressai_encode']:.1f} and {ms['compressai_decode']:.1f} ms for the",
        "same symbols and tables.",
    )


BENCHMARK = Benchmark(ModelOnPhotographs, Settings, measure, result="speed.json")
