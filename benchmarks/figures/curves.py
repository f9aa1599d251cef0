"""Draws docs/pictures/kodak.png: curves of rate and distortion, and a photograph beside AVIF."""

from io import BytesIO
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from PIL import Image

import codec
from benchmarks import schema
from benchmarks.harness import Benchmark, Nothing, Run

mpl.use("Agg")

PICTURE = schema.ROOT / "docs" / "pictures" / "kodak.png"
PHOTO = schema.ROOT / "examples" / "kodim23.png"
CROP = (300, 90, 620, 330)
BPP = 0.1
COLOURS = {"bibcodec": "C3", "JPEG": "C7", "WebP": "C2", "AVIF": "C0"}


def curves(axes: Axes, rd: dict[str, Any]) -> None:
    """PSNR by rate."""
    for entry in (*rd["peers"], rd):
        results, name = entry["results"], entry["name"]
        if name in COLOURS:
            width = 2.2 if name == "bibcodec" else 1.3
            style: dict[str, Any] = {"marker": ".", "color": COLOURS[name], "linewidth": width}
            axes.plot(results["bpp"], results["psnr-rgb"], label=name, **style)
    axes.set(xlim=(0, 0.4), ylim=(22, 32), xlabel="bits per pixel", ylabel="PSNR, dB")
    axes.set_title(f"Kodak, {rd['meta']['images']} images", fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def coded(photo: Image.Image) -> dict[str, Image.Image]:
    """The photo at BPP by our codec, and by AVIF at the first quality that is not smaller."""
    ours = codec.encode(photo, target_bpp=BPP)
    for quality in range(101):
        buffer = BytesIO()
        photo.save(buffer, "AVIF", quality=quality)
        if buffer.tell() >= len(ours):
            break
    return {
        f"bibcodec, {len(ours):,} bytes": codec.decode(ours),
        f"AVIF, {buffer.tell():,} bytes": Image.open(buffer),
    }


def measure(run: Run, inputs: Nothing, settings: Nothing) -> None:
    """Draw it."""
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.2), width_ratios=(1.25, 1, 1, 1))
    curves(axes[0], schema.read("rd_kodak"))
    photo = Image.open(PHOTO).convert("RGB")
    shown = {"original": photo} | coded(photo)
    for axis, (title, image) in zip(axes[1:], shown.items(), strict=True):
        axis.imshow(image.crop(CROP))
        axis.set_axis_off()
        axis.set_title(title, fontsize=9)
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=110)


BENCHMARK = Benchmark(Nothing, Nothing, measure, result=None)
