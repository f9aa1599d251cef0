"""Rate and distortion over a folder of PNG files, beside Pillow's JPEG, WebP and AVIF.

Every figure counts the whole file. A point of a curve is one quality setting: the mean over the
images of bits per pixel, of PSNR (of RGB, of each image) and of MS-SSIM (RGB, linear). Between
points a metric is interpolated over log(bpp), see codec/report/bjontegaard.py, and never
extrapolated.

    python -m benchmarks.quality.rd KODAK_FOLDER -o benchmarks/results/rd_kodak.json

The JSON is our codec in CompressAI's schema, with `meta`, `summary` and `peers` (same schema).
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import codec
from benchmarks.provenance import meta, photographs
from bitstream import container, stream
from codec.evaluation import peers
from codec.evaluation.metrics import fidelity
from codec.evaluation.peers import Decode, Encode
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


def measure(
    name: str,
    images: Sequence[Image.Image],
    qualities: Sequence[int],
    encode: Encode,
    decode: Decode,
) -> Curve:
    """One curve: a value per quality of bpp, psnr-rgb, ms-ssim-rgb and mean seconds."""
    curve: Curve = {
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
        for key, value in zip(curve, values, strict=True):
            curve[key].append(round(float(value), 6))
        shown = {key: round(curve[key][-1], 4) for key in curve}
        print(name, shown, file=sys.stderr)
    return curve


def fidelities(image: Image.Image, out: Image.Image) -> tuple[float, float]:
    """PSNR in dB and MS-SSIM of two RGB images of the same size."""
    x, y = np.asarray(image), np.asarray(out)
    return fidelity.psnr(x, y), fidelity.ms_ssim(x, y)


def earlier_peers(path: Path, provenance: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The peers of an earlier run: same images, machine, versions, settings."""
    if not path.exists():
        return {}
    earlier = json.loads(path.read_text())
    same = ("images_sha256", "machine", "versions")
    if any(earlier["meta"][key] != provenance[key] for key in same):
        return {}
    return {
        peer["name"]: peer
        for peer in earlier["peers"]
        if peer["name"] in PEERS
        and peer["description"] == peers.load(PEERS[peer["name"]][0]).description
        and peer["results"]["quality"] == list(PEERS[peer["name"]][1])
    }


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, default="benchmarks/results/rd_kodak.json")
    parser.add_argument("-m", "--model", default="default")
    parser.add_argument("--reuse-peers", action="store_true", help="as OUTPUT has them, if it fits")
    arguments = parser.parse_args()

    paths = photographs(arguments.folder)
    images = [Image.open(path).convert("RGB") for path in paths]
    model = codec.load_model(arguments.model, "cpu")
    files: list[bytes] = []

    def encode(image: Image.Image, quality: int) -> bytes:
        files.append(codec.encode(image, quality=quality, model=model))
        return files[-1]

    def decode(data: bytes) -> Image.Image:
        return codec.decode(data, model=model, realism=0.0)

    curves = {"bibcodec": measure("bibcodec", images, OURS, encode, decode)}
    provenance = meta(paths, model.fingerprint)
    others = earlier_peers(arguments.output, provenance) if arguments.reuse_peers else {}
    for name, (codec_name, qualities) in PEERS.items():
        if name not in others:
            peer = peers.load(codec_name)
            results = measure(name, images, qualities, peer.encode, peer.decode)
            others[name] = {"name": name, "description": peer.description, "results": results}
        curves[name] = others[name]["results"]
    result = {
        "name": "bibcodec",
        "description": "whole files, means over the images; realism 0",
        "results": curves["bibcodec"],
        "summary": summary(curves),
        "overhead": overhead(files, model),
        "peers": list(others.values()),
        "meta": provenance,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    print(json.dumps({key: result[key] for key in ("summary", "overhead")}, indent=1))


if __name__ == "__main__":
    main()
