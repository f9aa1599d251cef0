"""The README's picture and tables, from the committed JSON and the example photo.

python -m benchmarks.figures.readme_figures
"""

import json
import textwrap
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from PIL import Image

import codec

mpl.use("Agg")

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PHOTO = ROOT / "examples" / "kodim23.png"
CROP = (300, 90, 620, 330)
BPP = 0.1
BEGIN, END = "<!-- figures: ", "<!-- end of figures -->"
REALISM_COLUMNS = {  # key of a result: heading, digits
    "bpp": ("bpp", 3),
    "psnr-rgb": ("PSNR", 2),
    "ssimulacra2": ("SSIMULACRA 2", 1),
    "lpips": ("LPIPS", 3),
    "frechet-256": ("Fréchet", 1),
    "kid-256": ("KID", 2),
}
HEADS = [head for head, _ in REALISM_COLUMNS.values()]
NAMES = {"avif": "AVIF", "heic": "HEIC", "jxl": "JPEG XL", "webp": "WebP"}
COLOURS = {"bibcodec": "C3", "JPEG": "C7", "WebP": "C2", "AVIF": "C0"}


def picture(rd: dict[str, Any], path: Path) -> None:
    """The rate-distortion curves, and the example photo at one size by three codecs."""
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.2), width_ratios=(1.25, 1, 1, 1))
    for entry in (*rd["peers"], rd):
        results, name = entry["results"], entry["name"]
        if name in COLOURS:
            width = 2.2 if name == "bibcodec" else 1.3
            axes[0].plot(
                results["bpp"],
                results["psnr-rgb"],
                marker=".",
                color=COLOURS[name],
                linewidth=width,
                label=name,
            )
    axes[0].set(xlim=(0, 0.4), ylim=(22, 32), xlabel="bits per pixel", ylabel="PSNR, dB")
    axes[0].set_title(f"Kodak, {rd['meta']['images']} images", fontsize=9)
    axes[0].grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    photo = Image.open(PHOTO).convert("RGB")
    shown = {"original": photo} | coded(photo)
    for axis, (title, image) in zip(axes[1:], shown.items(), strict=True):
        axis.imshow(image.crop(CROP))
        axis.set_axis_off()
        axis.set_title(title, fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


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


def number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def rd_table(rd: dict[str, Any]) -> list[str]:
    rates = list(rd["summary"]["bibcodec"]["psnr_at_bpp"])
    lines = [
        "| | " + " | ".join(f"PSNR at {r} bpp" for r in rates) + " | MS-SSIM at 0.1 | BD-rate |",
        "| --- |" + " --- |" * (len(rates) + 2),
    ]
    for name, row in rd["summary"].items():
        psnr = " | ".join(number(row["psnr_at_bpp"][r]) for r in rates)
        bd = row["bd_rate_percent"].get("AVIF")
        shown = "bibcodec, realism 0" if name == "bibcodec" else name
        cells = [shown, psnr, number(row["ms_ssim_at_bpp"]["0.1"], 4), number(bd, 1)]
        lines.append("| " + " | ".join(cells) + " |")
    over = rd["overhead"]
    mean, worst = over["mean_excess_bytes"], over["worst_excess_bytes"]
    return [
        *lines,
        "",
        *paragraph(
            "BD-rate in percent of AVIF's bytes at equal PSNR, 0.03-0.35 bpp; a dash is outside of",
            "what the codec's qualities reach. AVIF is Pillow's default, and once libavif's",
            "`tune=psnr` with 4:4:4 at speed 4. Our files exceed the ideal code length of their",
            f"indices by {mean} bytes on average and {worst} at most ({over['files']} files).",
        ),
    ]


def realism_table(targets: tuple[float, ...]) -> list[str]:
    """Ours at three realisms beside the other codecs, at equal rates."""
    made = read_all("kodak", *NAMES)
    rows = [
        [f"{target:g}", *row]
        for target in targets
        for one in made
        for i, row in enumerate(realism_rows(one))
        if one["results"]["target-bpp"][i] == target
    ]
    return [
        *table(["at most", "", *HEADS], rows),
        "",
        *paragraph(
            f"{made[0]['meta']['images']} Kodak images, whole files. Fréchet and KID are distances",
            "of EfficientNet-Lite2 features of 256-pixel windows, comparable with each other only.",
            'LPIPS 0.1 on SqueezeNet. "larger": so many images whose smallest file of that codec',
            "is above the target.",
        ),
    ]


def validation_table(target: float) -> list[str]:
    """The same of other photographs, at one rate."""
    made = read_all("val", "avif", "heic")
    rows = [
        row
        for one in made
        for i, row in enumerate(realism_rows(one))
        if one["results"]["target-bpp"][i] == target and one["results"]["realism"][i] != 0.5
    ]
    return [
        *table([f"validation photographs, at most {target:g}", *HEADS], rows),
        "",
        *paragraph(
            f"{made[0]['meta']['images']} photographs that no weights were trained on, with short",
            "sides of 320 to 448 pixels: of a small file, more is container and metadata.",
            "Their figures and Kodak's are not comparable with each other.",
        ),
    ]


def peer_table() -> list[str]:
    """The learned peer beside ours at the bytes of its files."""
    _, peer, ours = read_all("kodak", "mbt2018-mean", "bibcodec")
    rows = []
    for i, run in enumerate(peer["meta"]["runs"]):
        rows.append([f"mbt2018-mean, λ = {run['lmbda']:g}", *realism_rows(peer)[i][1:]])
        rows += realism_rows(ours)[i * 2 : i * 2 + 2]
    works = [(run, run["start"] or {"seconds": 0, "step": 0}) for run in peer["meta"]["runs"]]
    hours = " / ".join(f"{(a['seconds'] + b['seconds']) / 3600:.1f}" for a, b in works)
    steps = " / ".join(f"{a['step'] + b['step']:,}" for a, b in works)
    training = json.loads((RESULTS / "training_default.json").read_text())
    seconds = [part["seconds"] for part in training["means"]]  # a step
    our_hours = training["steps"] * sum(seconds) / len(seconds) / 3600
    return [
        *table(["learned, equal data", *HEADS], rows),
        "",
        *paragraph(
            "CompressAI's mbt2018-mean, its own code and coder, trained on our photographs on one",
            f"core for {hours} hours ({steps} steps of 8 crops of 128 pixels, the first",
            f"{works[0][1]['step']:,} of them shared), a network a rate; ours, one network for all",
            f"rates, for {our_hours:.1f} hours (realism 1: and the training of the",
            "detail), each image in at most the bytes of the",
            "peer's file of it. This says what a little training gives, not what the peer can:",
            "CompressAI's published figures of it are in `published.json`.",
        ),
    ]


def read_all(images: str, *others: str) -> list[dict[str, Any]]:
    """Our result file of a set of images, and those of others."""
    suffixes = ["", *(f"_{name}" for name in others)]
    return [json.loads((RESULTS / f"rdp_{images}{end}.json").read_text()) for end in suffixes]


def realism_rows(one: dict[str, Any]) -> list[list[str]]:
    """The points of a result as rows: a name, and the columns of `REALISM_COLUMNS`."""
    results, rows = one["results"], []
    for i, realism in enumerate(results["realism"]):
        name = NAMES.get(one["name"], one["name"])
        name += "" if realism is None else f", realism {realism:g}"
        over = results["over-target"][i] if "over-target" in results else 0
        name += f" ({over} larger)" if over else ""
        cells = [number(results[key][i], digits) for key, (_, digits) in REALISM_COLUMNS.items()]
        rows.append([name, *cells])
    return rows


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def paragraph(*parts: str) -> list[str]:
    """Text in lines of the README's width."""
    return textwrap.wrap(" ".join(parts), 104)


def noise_lines(noise: dict[str, Any]) -> list[str]:
    """What the calibration of the detail came to."""
    mean = {name: figure["mean"] for name, figure in noise["summary"].items()}
    low, high = (noise["summary"]["sample"][end] for end in ("low", "high"))
    pairs = ", ".join(
        f"{alpha:g}: {measured:.2f} ({predicted:.2f})"
        for alpha, measured, predicted in zip(
            noise["alphas"], mean["measured"], mean["predicted"], strict=True
        )
    )
    images, target, samples = (
        noise["meta"]["images"],
        noise["meta"]["settings"]["target_bpp"],
        noise["samples"],
    )
    return paragraph(
        f"The noise, on {images} Kodak images at {target:g} bpp. MSE of a sample over MSE of",
        f"the conditional mean: {mean['sample']:.2f} (95 %: {low:.2f}-{high:.2f}; 2 in theory at",
        f"perfect realism). MSE of the mean of {samples} samples over it:",
        f"{mean['mean_of_samples']:.3f}. MSE over it by realism, measured (and predicted by",
        "D + realism² E‖r‖²):",
        f"{pairs}.",
        f"Standard deviation over seeds: {mean['spread_flat']:.1f} of 255 in the flattest tenth of",
        f"an image, {mean['spread_textured']:.1f} in the most textured. Encoding a decoded",
        f"image again returns {100 * mean['idempotence_0']:.0f} % of the indices at realism 0,",
        f"{100 * mean['idempotence_1']:.0f} % at 1.",
    )


def speed_table(speed: dict[str, Any]) -> list[str]:
    beside, processes = speed["beside_avif"], speed["processes"]
    rows = [
        (f"{verb} a Kodak image, ms", 1e3 * beside["seconds"][verb], 1e3 * beside["seconds"][avif])
        for verb, avif in (("encode", "avif_encode_default"), ("decode", "avif_decode_default"))
    ]
    meta, load = speed["meta"], 1e3 * speed["model_load_seconds"]
    entropy = speed["entropy_coding"]
    ms, mean_ms = entropy["milliseconds"], 1e3 * beside["seconds"]["decode_mean"]
    encode, decode = (processes[f"12_megapixel_{verb}"] for verb in ("encode", "decode"))
    return [
        "| | bibcodec | AVIF |",
        "| --- | --- | --- |",
        *(f"| {what} | {ours:.0f} | {theirs:.1f} |" for what, ours, theirs in rows),
        "",
        *paragraph(
            f"On {meta['machine']}, {meta['threads']} of them used by ours, the model loaded",
            f"(once, {load:.0f} ms); AVIF at Pillow's defaults. Realism 0 decodes in",
            f"{mean_ms:.0f} ms. A",
            "12-megapixel photo, as a process:",
            f"{encode['seconds']:.1f} s and {encode['peak_mb'] / 1e3:.2f} GB to encode,",
            f"{decode['seconds']:.1f} s and {decode['peak_mb'] / 1e3:.2f} GB to decode.",
            f"`bibcodec info`: {processes['info']['seconds']:.2f} s.",
        ),
        "",
        *paragraph(
            "Entropy coding with its contexts, on one core:",
            f"{ms['encode']:.0f} ms to encode and {ms['decode']:.0f} ms to decode the",
            f"{entropy['symbols_an_image']:,} indices of a Kodak image (quality",
            f"{entropy['quality']}). With the tables already chosen",
            f"{ms['encode_tables_known']:.1f} and {ms['decode_tables_known']:.1f} ms; CompressAI's",
            "rANS on the same symbols and tables",
            f"{ms['compressai_encode']:.1f} and {ms['compressai_decode']:.1f} ms.",
        ),
    ]


def main() -> None:
    rd = json.loads((RESULTS / "rd_kodak.json").read_text())
    speed = json.loads((RESULTS / "speed.json").read_text())
    picture(rd, ROOT / "docs" / "kodak.png")
    readme = (ROOT / "README.md").read_text()
    start = readme.index("\n", readme.index(BEGIN)) + 1
    stop = readme.index(END)
    parts = [
        realism_table((0.05, 0.1, 0.2)),
        validation_table(0.1),
        noise_lines(json.loads((RESULTS / "noise.json").read_text())),
        rd_table(rd),
        peer_table(),
        speed_table(speed),
    ]
    tables = "".join("\n" + "\n".join(part) + "\n" for part in parts) + "\n"
    (ROOT / "README.md").write_text(readme[:start] + tables + readme[stop:])


if __name__ == "__main__":
    main()
