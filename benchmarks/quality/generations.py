"""What does it cost to save a decoded image again and again, beside other codecs?

Every save decodes the file before it (ours at realism 0) and encodes the pixels with the quality of
the first save. A codec's first file is the largest within a rate; peers are measured a second time
at a quality of everyday use, which takes many more bytes. Per codec, means over the images, a value
a save: "bytes", "psnr" in dB against the original, and "shift", the mean of all pixels' R, G and B
less the original's, in steps of 1/255. "same" counts the images whose last two files are equal.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

import codec
from benchmarks import schema
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import ModelOnPhotographs
from benchmarks.markdown import number, paragraph, table
from benchmarks.quality.rdp import NAMES
from codec.errors import UnusualImageWarning
from codec.evaluation import peers
from codec.evaluation.metrics import fidelity
from codec.runtime.model import CodecModel

Encode = Callable[[Image.Image], bytes]
Decode = Callable[[bytes], Image.Image]


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        codecs: peers, written with commas between.
        images: how many, the first by name.
        saves: of every image.
        target_bpp: bits per pixel that the first file has at most.
        quality: of the peers' second measurement.
    """

    codecs: tuple[str, ...] = ("webp", "avif", "jxl")
    images: int = 4
    saves: int = 10
    target_bpp: float = 0.2
    quality: int = 75


def of_saves(image: Image.Image, encode: Encode, decode: Decode, saves: int) -> dict[str, Any]:
    """Bytes, PSNR and shift after every save of one image."""
    original = np.asarray(image)
    found: dict[str, Any] = {"bytes": [], "psnr": [], "shift": []}
    files = [b""]
    for _ in range(saves):
        files.append(encode(image))
        image = decode(files[-1])
        pixels = np.asarray(image)
        found["bytes"].append(len(files[-1]))
        found["psnr"].append(fidelity.psnr(original, pixels))
        found["shift"].append((pixels.mean((0, 1)) - original.mean((0, 1))).tolist())
    return found | {"same": int(files[-1] == files[-2])}


def ours(image: Image.Image, model: CodecModel, settings: Settings) -> dict[str, Any]:
    """The saves of an image by our codec, at realism 0."""
    first = codec.encode(image, target_bpp=settings.target_bpp, model=model)
    quality = codec.info(first).quality

    def encode(shown: Image.Image) -> bytes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnusualImageWarning)  # no detail is synthesized here
            return codec.encode(shown, quality=quality, model=model)

    def decode(file: bytes) -> Image.Image:
        return codec.decode(BytesIO(file), model=model, realism=0.0)

    return of_saves(image, encode, decode, settings.saves)


def theirs(image: Image.Image, name: str, settings: Settings, fixed: bool) -> dict[str, Any]:
    """The saves of an image by a peer, within the rate or at the fixed quality."""
    peer = peers.load(name)
    quality = settings.quality
    if not fixed:
        budget = int(settings.target_bpp * image.width * image.height / 8)
        [(quality, _, _)] = peer.within(image, [budget])
    return of_saves(image, lambda shown: peer.encode(shown, quality), peer.decode, settings.saves)


def mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the images, and how many of them have reached a file that no longer changes."""
    figures = {
        key: np.round(np.mean([row[key] for row in rows], axis=0), 4).tolist()
        for key in ("bytes", "psnr", "shift")
    }
    return figures | {"same": sum(row["same"] for row in rows)}


def measure(run: Run, inputs: ModelOnPhotographs, settings: Settings) -> dict[str, Any]:
    """The saves of every codec, ours first."""
    model = inputs.model.load()
    images = list(inputs.photographs.images())[: settings.images]
    within = f"within {settings.target_bpp:g} bpp"
    measured: list[tuple[str, str, Callable[[Image.Image], dict[str, Any]]]]
    measured = [("bibcodec", within, lambda image: ours(image, model, settings))]
    for name in settings.codecs:
        for fixed, at in ((False, within), (True, f"quality {settings.quality}")):
            measured.append(
                (name, at, lambda image, n=name, f=fixed: theirs(image, n, settings, f))  # type: ignore[misc]
            )
    codecs = []
    for name, at, work in measured:
        rows = [
            run.part(f"{name} {at} {i}", lambda: work(image))  # noqa: B023
            for i, image in enumerate(images)
        ]
        codecs.append({"name": name, "at": at, **mean(rows)})
        run.say(codecs[-1])
    return {"codecs": codecs}


def figures() -> list[str]:
    """What docs/figures.md says of repeated saves."""
    found = schema.read("generations")
    settings = found["meta"]["settings"]
    rows = []
    for one in found["codecs"]:
        bytes_, psnr, shift = one["bytes"], one["psnr"], np.array(one["shift"])
        drift = shift[-1] - shift[0]
        rows.append(
            [
                f"{NAMES.get(one['name'], one['name'])}, {one['at']}",
                f"{bytes_[0]:.0f}",
                f"{100 * (bytes_[-1] / bytes_[0] - 1):+.1f} %",
                number(psnr[0]),
                f"{psnr[-1] - psnr[0]:+.2f}",
                ", ".join(f"{value:+.2f}" for value in drift),
                f"{one['same']} of {settings['images']}",
            ]
        )
    heads = ["", "bytes", "growth", "PSNR", "change", "shift of R, G, B", "no longer changes"]
    return [
        *table(heads, rows),
        *paragraph(
            f"{settings['images']} Kodak images are saved {settings['saves']} times over, each",
            "time from the file before, decoded, at the quality of the first save; ours at realism",
            "0. Growth, change in dB and shift (of the mean colour, in steps of 255) are from the",
            "first save to the last. JPEG XL's quality 75 is distance 6.25 here.",
        ),
    ]


BENCHMARK = Benchmark(ModelOnPhotographs, Settings, measure, result="generations.json")
