"""Do the engines agree: the same codes, and pixels within a step of 8 bits, at every size?

Each image is encoded by torch in float32 and by onnxruntime, at each quality; both files are
verified and decoded under either. Odd sizes are cut out of the first image. A figure of a group is
over all its files: the share of files and of indices that are equal, the share of samples that
differ between the engines' pictures of one file, and the largest difference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

import codec
from benchmarks.cost.engines import REALISMS, equal, indices, processor
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import Photographs
from codec.models.torch_model import torch_engine
from codec.runtime.cpu import limit_threads
from codec.runtime.model import CodecModel

Row = dict[str, float]


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: folder of images.
    """

    photographs: Photographs


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        qualities: of the files.
        widths: of the odd sizes, beside `heights`.
        heights: of the odd sizes.
        limit: only so many images.
    """

    qualities: tuple[int, ...] = (10, 30, 50, 70, 90)
    widths: tuple[int, ...] = (1, 2, 300, 31, 33, 257, 64, 500)
    heights: tuple[int, ...] = (1, 77, 7, 33, 31, 100, 512, 333)
    limit: int = 24


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """What differs between the engines, over whole images and over odd sizes."""
    limit_threads(1)
    models = [codec.load_model("default", "cpu", engine) for engine in ("torch", "onnx")]
    torch_engine(models[0]).bf16 = False
    groups: dict[str, list[Row]] = {"images": [], "odd_sizes": []}
    for group, name, image in pictures(inputs.photographs, settings):
        for quality in settings.qualities:
            work = partial(compared, models, image, quality)
            groups[group].append(run.part(f"{name} {quality}", work))
            run.say(f"{name} {quality}: {groups[group][-1]}")
    return {
        "processor": processor(),
        **{group: summary(rows) for group, rows in groups.items() if rows},
    }


def pictures(
    photographs: Photographs, settings: Settings
) -> Iterator[tuple[str, str, Image.Image]]:
    """Group, name and image of all that is compared; small ones first."""
    first = next(photographs.images())
    for width, height in zip(settings.widths, settings.heights, strict=True):
        yield "odd_sizes", f"{width}x{height}", first.crop((0, 0, width, height))
    paths = photographs.paths[: settings.limit]
    for path, image in zip(paths, photographs.images(), strict=False):
        yield "images", path.name, image


def compared(models: Sequence[CodecModel], image: Image.Image, quality: int) -> Row:
    """What differs between two models of one image."""
    files = [codec.encode(image, quality=quality, model=model) for model in models]
    one, other = (indices(data, model) for data, model in zip(files, models, strict=True))
    row: Row = {
        "files": 1,
        "equal_files": float(files[0] == files[1]),
        "indices": sum(grid.size for grid in one),
        "equal_indices": equal(one, other),
        "samples": 3 * image.width * image.height,
    }
    for realism in REALISMS:
        offs = []
        for data in dict.fromkeys(files):  # once if they are equal
            for model in models:
                codec.verify(data, model=model)
            x, y = (
                np.asarray(codec.decode(data, model=model, realism=realism), np.int16)
                for model in models
            )
            offs.append(np.abs(x - y))
        row[f"differing_samples_{realism:g}"] = float(np.mean([(off > 0).mean() for off in offs]))
        row[f"largest_difference_{realism:g}"] = max(int(off.max()) for off in offs)
    return row


def summary(rows: Sequence[Row]) -> dict[str, float]:
    """The figures of a group of files."""
    found: dict[str, float] = {"files": len(rows)}
    found["equal_files"] = sum(row["equal_files"] for row in rows) / len(rows)
    weights = {"equal_indices": "indices"}
    for realism in REALISMS:
        weights[f"differing_samples_{realism:g}"] = "samples"
        name = f"largest_difference_{realism:g}"
        found[name] = max(row[name] for row in rows)
    for name, of in weights.items():
        total = sum(row[of] for row in rows)
        found[name] = round(sum(row[name] * row[of] for row in rows) / total, 9)
    return found


BENCHMARK = Benchmark(Inputs, Settings, measure, result="agreement.json")
