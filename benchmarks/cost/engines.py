"""How do the engines compare: torch in float32, in bfloat16, onnxruntime, and OpenVINO?

Processor seconds of a process on one thread, taken in turns, median over images, qualities and
turns. Codes and pixels are compared with those of torch in float32: the share of indices that are
equal, the largest difference of 8-bit samples, and the share of samples that differ. Whether
bfloat16 pays is a matter of the processor, so its flags stand beside the figures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from PIL import Image

import codec
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import Photographs
from benchmarks.timing import fastest
from bitstream import container, stream
from codec.models.choose import is_installed
from codec.models.torch_model import torch_engine
from codec.runtime.cpu import limit_threads
from codec.runtime.model import CodecModel
from codec.runtime.quantize import Indices

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "bf16", "i8mm")
REALISMS = (0.0, 1.0)


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
        turns: of every call.
        limit: only so many images.
    """

    qualities: tuple[int, ...] = (20, 50, 80)
    turns: int = 3
    limit: int = 24


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Seconds and differences of every engine."""
    limit_threads(1)
    models = engines()
    rows = []
    for path in inputs.photographs.paths[: settings.limit]:
        image = Image.open(path).convert("RGB")
        for quality in settings.qualities:
            work = partial(of_image, models, image, quality, settings.turns)
            rows.append(run.part(f"{path.name} {quality}", work))
            run.say(f"{path.name} {quality}")
    return {
        "processor": processor(),
        "engines": {name: summary([row[name] for row in rows]) for name in models},
    }


def engines() -> dict[str, CodecModel]:
    """The packaged model by engine; torch in float32 first, which the others are compared with."""
    single, half = (codec.load_model("default", "cpu", "torch") for _ in range(2))
    torch_engine(single).bf16, torch_engine(half).bf16 = False, True
    onnx = codec.load_model("default", "cpu", "onnx")
    models = {"torch float32": single, "torch bfloat16": half, "onnxruntime": onnx}
    if is_installed("openvino"):
        models["OpenVINO"] = codec.load_model("default", "cpu", "openvino")
    return models


def of_image(
    models: dict[str, CodecModel], image: Image.Image, quality: int, turns: int
) -> dict[str, dict[str, float]]:
    """Seconds of each engine, and what differs from the first one."""
    files = {n: codec.encode(image, quality=quality, model=m) for n, m in models.items()}
    first, *_ = models
    data = files[first]
    expected = indices(data, models[first])
    work: dict[str, Callable[[], Any]] = {}
    for name, model in models.items():
        work[f"{name} encode"] = partial(codec.encode, image, quality=quality, model=model)
        for realism in REALISMS:
            decode = partial(codec.decode, data, model=model, realism=realism)
            work[f"{name} decode {realism:g}"] = decode
    pictures = {name: np.asarray(work[name](), np.int16) for name in work if "decode" in name}
    times = fastest(work, turns, process_time)
    rows: dict[str, dict[str, float]] = {}
    for name, model in models.items():
        row = rows[name] = {"equal_indices": equal(indices(files[name], model), expected)}
        row["encode_seconds"] = times[f"{name} encode"]
        for realism in REALISMS:
            what = f"decode {realism:g}"
            off = np.abs(pictures[f"{name} {what}"] - pictures[f"{first} {what}"])
            row[f"decode_{realism:g}_seconds"] = times[f"{name} {what}"]
            row[f"largest_difference_{realism:g}"] = int(off.max())
            row[f"differing_samples_{realism:g}"] = float((off > 0).mean())
    return rows


def indices(data: bytes, model: CodecModel) -> Indices:
    file = container.parse(data)
    return stream.decode_indices(file.payload, model.prior, file.header)


def equal(one: Indices, other: Indices) -> float:
    same = sum(int((a == b).sum()) for a, b in zip(one, other, strict=True))
    return same / sum(grid.size for grid in one)


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """Medians of seconds, means of shares, the largest of differences, the least of equality."""
    found: dict[str, float] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name.startswith("largest"):
            found[name] = max(values)
        elif name.endswith("seconds"):
            found[name] = round(median(values), 4)
        else:
            found[name] = round(float(np.mean(values)), 7)
    return found


def processor() -> dict[str, Any]:
    """The processor's name, and those of its flags that matter here."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    table = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    flags = set(table.get("flags", table.get("Features", "")).split())
    return {
        "name": table.get("model name", "unknown"),
        "flags": [flag for flag in FLAGS if flag in flags],
    }


BENCHMARK = Benchmark(Inputs, Settings, measure, result="engines.json")
