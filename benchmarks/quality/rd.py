"""How do rate and distortion at realism 0 compare with JPEG, WebP and AVIF?

Every figure counts the whole file. A point of a curve is one quality setting: the mean over the
images of bits per pixel, of PSNR (of RGB, of each image) and of MS-SSIM (RGB, linear). Between
points a metric is interpolated over log(bpp), see codec/report/bjontegaard.py, and never
extrapolated.

The result is our codec in CompressAI's schema, with `summary` and `peers` (same schema).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

import codec
from benchmarks import schema
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import ModelOnPhotographs
from benchmarks.markdown import number, paragraph, table
from bitstream import container, stream
from codec.evaluation import peers
from codec.evaluation.metrics import fidelity
from codec.evaluation.peers import Decode, Encode
from codec.evaluation.provenance import versions
from codec.report.bjontegaard import bd_rate, value_at_rate
from codec.runtime.model import CodecModel

Curve = dict[str, list[float]]

OURS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 90, 100)
PEERS: Mapping[str, tuple[str, Sequence[int]]] = {  # of the peers of `bibcodec eval`
    "JPEG": ("jpeg", (2, 4, 6, 8, 10, 13, 16, 20)),
    "WebP": ("webp", (0, 1, 2, 4, 7, 10, 15, 20, 27)),
    "AVIF": ("avif", (0, 4, 8, 12, 16, 20, 25, 30, 36, 42)),
    "AVIF, tuned for PSNR": ("avif-psnr", (0, 2, 4, 8, 12, 16, 20, 25, 31)),
}
AT_BPP = (0.05, 0.1, 0.2, 0.3)
RANGE = (0.03, 0.35)  # bpp, for BD-rate


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        name: of the set of images, for the name of the result.
    """

    name: str = "kodak"


def measure(run: Run, inputs: ModelOnPhotographs, settings: Settings) -> dict[str, Any]:
    """Our curve, those of the peers, and how many bytes our files have beyond the ideal."""
    images = list(inputs.photographs.images())
    model = inputs.model.load()
    ours = Ours(model)
    curves = {"bibcodec": curve(images, OURS, ours.encode, ours.decode)}
    others = []
    for name, (peer_name, qualities) in PEERS.items():
        peer = peers.load(peer_name)
        results = run.kept(
            name,
            f"{peer.description} {qualities} {inputs.photographs.identity} {versions()}",
            lambda: curve(images, qualities, peer.encode, peer.decode),  # noqa: B023
        )
        others.append({"name": name, "description": peer.description, "results": results})
        curves[name] = results
        run.say(f"{name}: {results['bpp']}")
    return {
        "name": "bibcodec",
        "description": "whole files, means over the images; realism 0",
        "results": curves["bibcodec"],
        "summary": summary(curves),
        "overhead": overhead(ours.files, model),
        "peers": others,
    }


class Ours:
    """Our codec at realism 0; keeps the files that it made.

    Args:
        model: to code with.
    """

    def __init__(self, model: CodecModel) -> None:
        self.model = model
        self.files: list[bytes] = []

    def encode(self, image: Image.Image, quality: int) -> bytes:
        """The file of an image."""
        self.files.append(codec.encode(image, quality=quality, model=self.model))
        return self.files[-1]

    def decode(self, data: bytes) -> Image.Image:
        """The image of a file."""
        return codec.decode(data, model=self.model, realism=0.0)


def curve(
    images: Sequence[Image.Image],
    qualities: Sequence[int],
    encode: Encode,
    decode: Decode,
) -> Curve:
    """One curve: a value per quality of bpp, psnr-rgb, ms-ssim-rgb and mean seconds."""
    columns: Curve = {
        key: []
        for key in ("quality", "bpp", "psnr-rgb", "ms-ssim-rgb", "encoding_time", "decoding_time")
    }
    for quality in qualities:
        rows = []
        for image in images:
            start = time.perf_counter()
            data = encode(image, quality)
            encoded = time.perf_counter()
            out = decode(data)
            out.load()
            decoded = time.perf_counter()
            bpp = 8 * len(data) / (image.width * image.height)
            rows.append((bpp, *fidelities(image, out), encoded - start, decoded - encoded))
        values = [quality, *np.mean(rows, axis=0)]
        for key, value in zip(columns, values, strict=True):
            columns[key].append(round(float(value), 6))
    return columns


def fidelities(image: Image.Image, out: Image.Image) -> tuple[float, float]:
    """PSNR in dB and MS-SSIM of two RGB images of the same size."""
    x, y = np.asarray(image), np.asarray(out)
    return fidelity.psnr(x, y), fidelity.ms_ssim(x, y)


def overhead(files: Sequence[bytes], model: CodecModel) -> dict[str, float]:
    """Real bytes against the ideal code length, -sum(log2 p) / 8, of the same indices."""
    real, ideal = [], []
    for data in files:
        file = container.parse(data)
        indices = stream.decode_indices(file.payload, model.prior, file.header)
        real.append(float(len(data)))
        ideal.append(stream.ideal_bits(indices, model.prior, file.header) / 8)
    excess = np.array(real) - np.array(ideal)
    return {
        "files": len(files),
        "real_bytes": sum(real),
        "ideal_bytes": round(sum(ideal), 1),
        "mean_excess_bytes": round(float(excess.mean()), 2),
        "worst_excess_bytes": round(float(excess.max()), 2),
        "worst_excess_beyond_half_a_percent": round(
            float((excess - 0.005 * np.array(ideal)).max()), 2
        ),
    }


def at_rates(curve: Curve, key: str) -> dict[str, float | None]:
    """A curve's values at AT_BPP; None outside of the curve."""
    values = {rate: value_at_rate(curve["bpp"], curve[key], rate) for rate in AT_BPP}
    return {str(rate): None if v is None else round(v, 4) for rate, v in values.items()}


def bd_rate_psnr(curve: Curve, anchor: Curve) -> float | None:
    """Mean difference of rate at equal PSNR within RANGE, in percent."""
    sides = (c[key] for c in (curve, anchor) for key in ("bpp", "psnr-rgb"))
    percent = bd_rate(*sides, within=RANGE)
    return None if percent is None else round(percent, 2)


def summary(curves: Mapping[str, Curve]) -> dict[str, dict[str, Any]]:
    """The figures that the README shows, for each codec."""
    return {
        name: {
            "psnr_at_bpp": at_rates(curve, "psnr-rgb"),
            "ms_ssim_at_bpp": at_rates(curve, "ms-ssim-rgb"),
            "bd_rate_percent": {
                other: bd_rate_psnr(curve, anchor)
                for other, anchor in curves.items()
                if other != name
            },
        }
        for name, curve in curves.items()
    }


def figures() -> list[str]:
    """What docs/figures.md says of rate and distortion."""
    rd = schema.read("rd_kodak")
    rates = list(rd["summary"]["bibcodec"]["psnr_at_bpp"])
    heads = ["", *(f"PSNR at {rate} bpp" for rate in rates), "MS-SSIM at 0.1", "BD-rate, %"]
    rows = []
    for name, row in rd["summary"].items():
        shown = "bibcodec, realism 0" if name == "bibcodec" else name
        psnr = [number(row["psnr_at_bpp"][rate]) for rate in rates]
        bd = row["bd_rate_percent"].get("AVIF")
        rows.append([shown, *psnr, number(row["ms_ssim_at_bpp"]["0.1"], 4), number(bd, 1)])
    over = rd["overhead"]
    return [
        *table(heads, rows),
        *paragraph(
            "The BD-rate is in percent of AVIF's bytes at equal PSNR, from 0.03 to 0.35 bits per",
            "pixel. A dash stands where the qualities of a codec do not reach. AVIF is measured at",
            "Pillow's defaults, and once with libavif's `tune=psnr`, 4:4:4 and speed 4. Our files",
            f"exceed the ideal code length of their indices by {over['mean_excess_bytes']} bytes",
            f"on average and {over['worst_excess_bytes']} at most ({over['files']} files).",
        ),
    ]


BENCHMARK = Benchmark(ModelOnPhotographs, Settings, measure, result="rd_{name}.json")
