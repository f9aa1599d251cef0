"""What do exact answers of cuda_ext.nearest cost on the CPU, beside torch.cdist and addmm?

One thread. Times are the process's CPU time, so that a busy machine distorts them less. Every turn
times each method once; a ratio is the median over turns of the ratio within a turn.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import Benchmark, Nothing, Run
from benchmarks.timing import in_turns
from cuda_ext import nearest

SHAPES = [(1536, 256, 32), (6144, 256, 64), (24576, 1024, 32), (24576, 4096, 64)]
ROUNDS = 9


def with_cdist(x: Tensor, codebook: Tensor) -> Tensor:
    return torch.cdist(x, codebook).argmin(1)


def with_addmm(x: Tensor, codebook: Tensor) -> Tensor:
    return torch.addmm(codebook.square().sum(1), x, codebook.t(), alpha=-2).argmin(1)


def memory(field: str) -> int:
    """A field of this process's status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def inputs(rows: int, codes: int, depth: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, depth, generator=generator)
    codebook = torch.randn(codes, depth, generator=generator)
    return x, codebook, torch.rand(codes, generator=generator) * depth


METHODS: dict[str, Callable[[Tensor, Tensor, Tensor], object]] = {
    "nearest": lambda x, codebook, bias: nearest(x, codebook),
    "nearest, biased": nearest,
    "cdist + argmin": lambda x, codebook, bias: with_cdist(x, codebook),
    "addmm + argmin": lambda x, codebook, bias: with_addmm(x, codebook),
}


def extra_memory(name: str, shape: tuple[int, int, int]) -> int:
    """Bytes by which the resident set grows at its largest; for a process that did nothing yet."""
    torch.set_num_threads(1)
    arguments = inputs(*shape)
    METHODS[name](arguments[0][:16], arguments[1][:16], arguments[2][:16])  # loads libraries
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    before = memory("VmRSS")
    METHODS[name](*arguments)
    return max(0, memory("VmHWM") - before)


def in_new_process(name: str, shape: tuple[int, int, int]) -> int:
    """``extra_memory``, where no freed memory of an earlier run can be used again."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(extra_memory, (name, shape))


def of_shape(rows: int, codes: int, depth: int) -> dict[str, Any]:
    x, codebook, bias = inputs(rows, codes, depth)
    methods = {name: partial(method, x, codebook, bias) for name, method in METHODS.items()}
    peaks = {name: in_new_process(name, (rows, codes, depth)) for name in methods}
    times = in_turns(methods, ROUNDS, clock=time.process_time)
    exact = nearest(x, codebook)[0]
    against = {}
    for name in ("cdist + argmin", "addmm + argmin"):
        pairs = zip(times[name], times["nearest"], strict=True)
        against[name] = round(statistics.median(theirs / ours for theirs, ours in pairs), 2)
    return {
        "rows": rows,
        "codes": codes,
        "depth": depth,
        "median_cpu_ms": {name: round(statistics.median(t) * 1e3, 3) for name, t in times.items()},
        "least_cpu_ms": {name: round(min(t) * 1e3, 3) for name, t in times.items()},
        "times_faster_than": against,
        "peak_extra_mb": {name: round(peak / 1e6, 1) for name, peak in peaks.items()},
        "wrong_indices": {
            "cdist + argmin": int((with_cdist(x, codebook) != exact).sum()),
            "addmm + argmin": int((with_addmm(x, codebook) != exact).sum()),
        },
    }


def measure(run: Run, inputs: Nothing, settings: Nothing) -> dict[str, Any]:
    """Time, memory and wrong answers of every shape."""
    torch.set_num_threads(1)
    shapes = [run.part(str(shape), partial(of_shape, *shape)) for shape in SHAPES]
    return {"rounds": ROUNDS, "shapes": shapes}


BENCHMARK = Benchmark(Nothing, Nothing, measure, result="nearest_centroid_cpu.json")
