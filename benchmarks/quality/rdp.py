"""Rate, distortion and perception at equal rates: ours at three realisms beside other codecs.

Each image gets, per codec and target, the largest file within so many bits per pixel; where even a
codec's smallest file is larger, that file stands ("over-target" counts them). One JSON a codec, as
`bibcodec eval` writes them:

    python -m benchmarks.quality.rdp KODAK_FOLDER --name kodak
    python -m benchmarks.quality.rdp val-0000.tar --name val

What was measured of an image is kept in a cache, under what coded and measured it: a killed run
goes on, and the peers are measured once. Needs the extras `metrics` and `baselines`.
"""

import argparse
import hashlib
import json
import sys
import tarfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.provenance import commit
from codec.evaluation import Plan
from codec.evaluation.metrics.lpips import Lpips
from codec.evaluation.run import fingerprint_of_plan, photographs, processes, result, run
from codec.files import writing

TARGETS = (0.05, 0.1, 0.2)  # bits per pixel
REALISMS = (0.0, 0.5, 1.0)
PEERS = ("avif", "avif-psnr", "webp", "jxl", "heic")
SHOWN = {"bpp": 3, "psnr-rgb": 2, "ms-ssim-rgb": 4, "ssimulacra2": 1, "flip": 3, "lpips": 3} | {
    "frechet-256": 2,
    "kid-256": 3,
}
CACHE = Path.home() / ".cache" / "bibcodec" / "rdp"
LPIPS_EXAMPLE = 0.1008  # of torchmetrics' documentation: LPIPS of two batches of noise, seed 123


def unpacked(source: Path, cache: Path) -> Path:
    """The folder of images: the source, or what a tar holds."""
    if source.is_dir():
        return source
    folder = cache / hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    if not folder.is_dir():
        partial = folder.with_suffix(".partial")
        with tarfile.open(source) as tar:
            tar.extractall(partial, filter="data")
        partial.rename(folder)
    return folder


def lpips_example(weights: str) -> float:
    """LPIPS of torchmetrics' documented example, which is 0.1008."""
    torch.manual_seed(123)
    x, y = (torch.rand(10, 3, 100, 100) * 2 - 1 for _ in range(2))
    return round(float(Lpips(weights)(x, y).mean()), 4)


def tell(codec: str, path: Path, error: str | None) -> None:
    print(codec, error or path.name, file=sys.stderr)


def rows(results: Mapping[str, Any]) -> list[str]:
    """A result's rows of a Markdown table."""
    table = results["results"]
    lines = []
    for i, target in enumerate(table["target-bpp"]):
        realism = table["realism"][i]
        name = results["name"] if realism is None else f"{results['name']}, realism {realism:g}"
        cells = [
            f"{table[key][i]:.{digits}f}" if key in table else "-" for key, digits in SHOWN.items()
        ]
        lines.append(f"| {target:g} | {name} | {' | '.join(cells)} | {table['over-target'][i]} |")
    return lines


def show(results: Sequence[Mapping[str, Any]]) -> str:
    """All results as one Markdown table, by target."""
    head = f"| target | codec | {' | '.join(SHOWN)} | over |"
    lines = sorted((row for one in results for row in rows(one)), key=lambda row: row.split("|")[1])
    return "\n".join([head, "| --- " * (len(SHOWN) + 3) + "|", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="folder of images, or a tar of them")
    parser.add_argument("--name", required=True, help="of the set of images, for the files' names")
    parser.add_argument("-m", "--model", default="default")
    parser.add_argument("--samples", type=int, default=1, help="seeds per realism above 0")
    parser.add_argument("--lpips", help="weights of LPIPS 0.1 on SqueezeNet")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--limit", type=int, help="only so many images")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()

    arguments.cache.mkdir(parents=True, exist_ok=True)
    images = photographs(unpacked(arguments.source, arguments.cache))[: arguments.limit]
    plans = [
        Plan(
            targets=TARGETS,
            realisms=REALISMS,
            samples=arguments.samples,
            model=arguments.model,
            lpips=arguments.lpips,
        ),
        *(
            Plan(codec=peer, targets=TARGETS, lpips=arguments.lpips)
            for peer in filter(None, arguments.peers.split(","))
        ),
    ]
    made = []
    for plan in plans:
        key = hashlib.sha256(json.dumps(fingerprint_of_plan(plan)).encode()).hexdigest()[:16]
        records, errors = run(
            plan,
            images,
            arguments.cache / f"{plan.codec}-{key}.jsonl",
            executor=partial(processes, jobs=arguments.jobs),
            progress=partial(tell, plan.codec),
        )
        if errors:
            raise SystemExit(f"{plan.codec}: {len(errors)} images could not be measured")
        one = result(plan, images, records, errors)
        one["meta"]["commit"] = commit()
        if plan.lpips:
            one["meta"]["lpips_example"] = {
                "measured": lpips_example(plan.lpips),
                "documented": LPIPS_EXAMPLE,
            }
        made.append(one)
        suffix = "" if plan.codec == "bibcodec" else f"_{plan.codec}"
        arguments.output.mkdir(parents=True, exist_ok=True)
        path = arguments.output / f"rdp_{arguments.name}{suffix}.json"
        with writing(str(path), force=True) as file:
            file.write((json.dumps(one, indent=1, allow_nan=False) + "\n").encode())
    print(show(made))


if __name__ == "__main__":
    main()
