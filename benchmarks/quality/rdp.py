"""What do rate, distortion and perception come to at equal rates, beside other codecs?

Each image gets, per codec and target, the largest file within so many bits per pixel; where even a
codec's smallest file is larger, that file stands ("over-target" counts them). There is one result
file a codec, such as `bibcodec eval` writes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import schema
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, File, Model, Photographs
from benchmarks.markdown import number, paragraph, table
from codec.evaluation import Plan
from codec.evaluation.metrics.lpips import Lpips
from codec.evaluation.plan import OURS
from codec.evaluation.run import fingerprint_of_plan, processes, result
from codec.evaluation.run import run as evaluated

TARGETS = (0.05, 0.1, 0.2)  # bits per pixel
REALISMS = (0.0, 0.5, 1.0)
LPIPS_EXAMPLE = 0.1008  # of torchmetrics' documentation: LPIPS of two batches of noise, seed 123
COLUMNS = {  # key of a result: heading, digits
    "bpp": ("bpp", 3),
    "psnr-rgb": ("PSNR", 2),
    "ssimulacra2": ("SSIMULACRA 2", 1),
    "lpips": ("LPIPS", 3),
    "frechet-256": ("Fréchet", 1),
    "kid-256": ("KID", 2),
}
HEADS = [heading for heading, _ in COLUMNS.values()]
NAMES = {
    "avif": "AVIF",
    "avif-psnr": "AVIF, tuned for PSNR",
    "heic": "HEIC",
    "jxl": "JPEG XL",
    "webp": "WebP",
}


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: folder of images, or a tar file of them.
        model: name or folder of a model.
        lpips: file with the weights of LPIPS 0.1 on SqueezeNet.
    """

    photographs: Photographs
    model: Model = PACKAGED
    lpips: File | None = None


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        name: of the set of images, for the names of the results.
        codecs: ours and the peers, written with commas between.
        targets: bits per pixel.
        samples: seeds per realism above 0.
        jobs: processes.
    """

    name: str = "kodak"
    codecs: tuple[str, ...] = (OURS, "avif", "avif-psnr", "webp", "jxl", "heic")
    targets: tuple[float, ...] = TARGETS
    samples: int = 1
    jobs: int = 1


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """A result for every codec; what is measured of an image is kept, under what measured it."""
    lpips = inputs.lpips.source if inputs.lpips else None
    parts = {}
    for name in settings.codecs:
        plan = Plan(codec=name, targets=settings.targets, lpips=lpips)
        if name == OURS:
            plan = replace(
                plan, realisms=REALISMS, samples=settings.samples, model=inputs.model.source
            )
        made = of_codec(run, plan, inputs.photographs, settings.jobs)
        if lpips:
            made["meta"]["lpips_example"] = {
                "measured": lpips_example(lpips),
                "documented": LPIPS_EXAMPLE,
            }
        parts["" if name == OURS else f"_{name}"] = made
    return parts


def of_codec(run: Run, plan: Plan, photographs: Photographs, jobs: int) -> dict[str, Any]:
    """The result of one codec."""
    key = hashlib.sha256(json.dumps(fingerprint_of_plan(plan)).encode()).hexdigest()[:16]
    records, errors = evaluated(
        plan,
        photographs.paths,
        run.folder / f"{plan.codec}-{key}.jsonl",
        executor=partial(processes, jobs=jobs),
        progress=partial(tell, run, plan.codec),
    )
    if errors:
        raise RuntimeError(f"{plan.codec}: {len(errors)} images could not be measured")
    return result(plan, photographs.paths, records, errors)


def tell(run: Run, name: str, path: Path, error: str | None) -> None:
    """Tell of an image of a codec."""
    run.say(f"{name} {error or path.name}")


def lpips_example(weights: str) -> float:
    """LPIPS of torchmetrics' documented example, which is 0.1008."""
    torch.manual_seed(123)
    x, y = (torch.rand(10, 3, 100, 100) * 2 - 1 for _ in range(2))
    return round(float(Lpips(weights)(x, y).mean()), 4)


def read_all(images: str) -> list[dict[str, Any]]:
    """The committed results of a set of images: ours first, then the peers by name."""
    names = ["", *(f"_{name}" for name in NAMES)]
    files = [f"rdp_{images}{name}" for name in names]
    return [schema.read(file) for file in files if (schema.RESULTS / f"{file}.json").exists()]


def named_rows(one: Mapping[str, Any]) -> list[list[str]]:
    """The points of a result as rows: a name, and the values of `COLUMNS`."""
    results, rows = one["results"], []
    for i, realism in enumerate(results["realism"]):
        name = NAMES.get(one["name"], one["name"])
        name += "" if realism is None else f", realism {realism:g}"
        over = results["over-target"][i] if "over-target" in results else 0
        name += f" ({over} above)" if over else ""
        cells = [number(results[key][i], digits) for key, (_, digits) in COLUMNS.items()]
        rows.append([name, *cells])
    return rows


def by_target(made: Sequence[Mapping[str, Any]], realisms: Sequence[float]) -> list[list[str]]:
    """The rows of several codecs, by our targets, which stand first; ours at some realisms."""
    return [
        [f"{target:g}", *row]
        for target in sorted(set(made[0]["results"]["target-bpp"]))
        for one in made
        for i, row in enumerate(named_rows(one))
        if one["results"]["target-bpp"][i] == target
        and one["results"]["realism"][i] in (None, *realisms)
    ]


def at(one: Mapping[str, Any], key: str, target: float, realism: float | None = None) -> float:
    """A value of a result, at a target and a realism."""
    results = one["results"]
    for i, point in enumerate(zip(results["target-bpp"], results["realism"], strict=True)):
        if point == (target, realism):
            value: float = results[key][i]
            return value
    raise KeyError(f"{one['name']} has no point at {target} bpp and realism {realism}")


def figures() -> list[str]:
    """What docs/figures.md says of rate, distortion and perception."""
    return [*of_kodak(), *of_large()]


def of_kodak() -> list[str]:
    """The table of Kodak, and what it says."""
    made = read_all("kodak")
    ours, peers = made[0], {one["name"]: one for one in made[1:]}
    rows = by_target(made, REALISMS)
    lost = at(ours, "psnr-rgb", 0.1, 0.0) - at(ours, "psnr-rgb", 0.1, 1.0)
    return [
        *table(["at most", "", *HEADS], rows),
        *paragraph(
            f"The table is of {ours['meta']['images']} Kodak images and counts whole files. Each",
            'codec has the largest file within a rate; "above" counts the images whose smallest',
            "file of that codec is above it. Fréchet and KID are distances of EfficientNet-Lite2",
            "features of windows of 256 pixels, which can be compared with each other only. LPIPS",
            "is version 0.1 on SqueezeNet. Of LPIPS, Fréchet and KID less is better.",
        ),
        *paragraph(
            "At 0.1 bits per pixel and realism 1 the Fréchet distance to the photographs is",
            f"{ratio(ours, peers['avif'], 'frechet-256', 0.1)} times AVIF's, and the kernel",
            f"distance {ratio(ours, peers['avif'], 'kid-256', 0.1)} times. The price is",
            f"{lost:.1f} dB of PSNR under realism 0. At 0.05 bits per pixel they are",
            f"{ratio(ours, peers['heic'], 'frechet-256', 0.05)} and",
            f"{ratio(ours, peers['heic'], 'kid-256', 0.05)} times HEIC's. SSIMULACRA 2, which",
            "compares pixel by pixel, calls the synthesized detail an error.",
        ),
    ]


def of_large() -> list[str]:
    """The table of photographs at their own size, and what it says."""
    made = read_all("native")
    ours, avif = made[0], next(one for one in made if one["name"] == "avif")
    targets = sorted(set(ours["results"]["target-bpp"]))
    rows = by_target(made, (0.0, 1.0))
    lpips, frechet = (
        " / ".join(ratio(ours, avif, key, target) for target in targets)
        for key in ("lpips", "frechet-256")
    )
    return [
        *table(["photographs at their own size, at most", "", *HEADS], rows),
        *paragraph(
            f"These are {ours['meta']['images']} crops of 768 x 768 pixels from photographs that",
            "no weights were trained on and that nobody scaled down. Beside AVIF, realism 1 has",
            f"{lpips} times its LPIPS and {frechet} times its Fréchet distance at",
            f"{' / '.join(f'{target:g}' for target in targets)} bits per pixel.",
        ),
    ]


def ratio(ours: Mapping[str, Any], peer: Mapping[str, Any], key: str, target: float) -> str:
    """Our value at realism 1 over a peer's."""
    return f"{at(ours, key, target, 1.0) / at(peer, key, target):.2f}"


BENCHMARK = Benchmark(Inputs, Settings, measure, result="rdp_{name}{part}.json")
