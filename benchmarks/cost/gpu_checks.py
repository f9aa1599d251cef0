"""Does the search of cuda_ext hold on a GPU, and how fast is it there?

gpu_checks.sh runs it on a machine that has nothing but torch and NumPy. As a script this module is
one search with each kernel, for compute-sanitizer.
"""

import json
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import torch
from nearest_cases import KINDS, make, reference, wrong
from torch import Tensor

from benchmarks.cost import gpu_timing
from benchmarks.harness import Benchmark, Nothing, Run
from benchmarks.inputs import Missing
from cuda_ext import nearest, nearest_stages
from cuda_ext.compiler import DEPTHS, TENSOR_DEPTHS, Variant, nvrtc
from cuda_ext.driver import driver
from cuda_ext.launch import Kernels, kernels_for, run
from cuda_ext.search import search

SECONDS = 570
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
Answer = tuple[Tensor, Tensor]
SANITIZER_TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")


def group_minima(exact: Tensor, tensor: bool) -> Tensor:
    """Minima [N, groups] of exact scores [N, K] over the groups of the kernel's filter."""
    tile, shape, axes = (64, (8, 4, 2), (2, 4)) if tensor else (128, (2, 16, 4), (2, 4))
    rows, codes = exact.shape
    padded = exact.new_full((rows, -(-codes // tile) * tile), torch.inf)
    padded[:, :codes] = exact
    return padded.view(rows, -1, *shape).amin(axes).flatten(1)


def certificate_ratio(x: Tensor, codebook: Tensor, kernels: Kernels, stream: int) -> float:
    """The largest |filter minimum - exact minimum| / e over least and second, for finite data."""
    depth, variant = x.shape[1], kernels.variant
    certificates = run(x, codebook, None, kernels, stream)[2]
    rows, codes = x.double(), codebook.double()
    offset = codes.square().sum(1)
    minima = group_minima(torch.addmm(offset, rows, codes.t(), alpha=-2), variant.tensor)
    want = minima.sort(1).values[:, :2]
    got = torch.cat([certificates.least, certificates.second]).double().sort(0).values[:2].t()
    norm, length, spread = rows.norm(dim=1), offset.max().sqrt(), offset.max()
    if variant.tensor:
        split, steps = 2.0**-15, 20 * (3 * (variant.depth // 16) + 1)
    else:
        split, steps = 0.0, depth + 3
    bound = split * norm * length + steps * 2.0**-23 * (2.02 * norm * length + spread)
    error = (got - want).abs().masked_fill(~torch.isfinite(want), 0)
    return float((error / bound[:, None]).max())


def variants(dtype: torch.dtype, depth: int) -> list[Variant]:
    """The builds that can search rows of that depth: both filters, or the float32 one."""
    both = [Variant.choose(dtype, depth, tensor) for tensor in (False, True)]
    return both if both[1].tensor else both[:1]


def check_compile() -> dict[str, Any]:
    """Compile and load every variant."""
    start, count = time.time(), 0
    for dtype in DTYPES:
        for depth in (*DEPTHS, 512):
            kernels_for(0, Variant.choose(dtype, depth))
            count += 1
        for depth in TENSOR_DEPTHS:
            kernels_for(0, Variant.choose(dtype, depth, True))
            count += 1
    return {"ok": True, "variants": count, "seconds": round(time.time() - start, 1)}


def check_certificate() -> dict[str, Any]:
    """The filter's error over its bound, which must be at most a quarter."""
    worst: dict[str, float] = {}
    for dtype in DTYPES:
        for depth in (4, 8, 16, 31, 32, 64, 100, 128, 256, 512):
            for codes in (1, 16, 17, 256, 1000, 1024, 4096, 65536):
                generator = torch.Generator("cuda").manual_seed(codes + depth)
                x = torch.randn(500, depth, generator=generator, device="cuda")
                x = (x * torch.rand(500, 1, generator=generator, device="cuda")).to(dtype)
                book = torch.randn(codes, depth, generator=generator, device="cuda")
                for variant in variants(dtype, depth):
                    ratio = certificate_ratio(x, book, kernels_for(0, variant), stream())
                    name = f"{dtype}, {'tensor cores' if variant.tensor else 'float32'} filter"
                    worst[name] = max(worst.get(name, 0.0), ratio)
    return {"ok": max(worst.values()) <= 0.25, "largest_ratio": worst}


def stream() -> int:
    return torch.cuda.current_stream().cuda_stream


def differs(
    x: Tensor, codebook: Tensor, bias: Tensor | None, variant: Variant, want: Answer
) -> int:
    """Rows whose index or value bits are not those wanted; all tensors are on the CPU."""
    there = None if bias is None else bias.cuda()
    index, value, _ = run(x.cuda(), codebook.cuda(), there, kernels_for(0, variant), stream())
    return wrong(index, value, want[0].numpy(), want[1].numpy())


def check_answers() -> dict[str, Any]:
    """Index and value bits against the CPU path, and that against NumPy float64."""
    counts = {"queries": 0, "differ_from_cpu": 0, "cpu_differs_from_numpy": 0}
    torch.use_deterministic_algorithms(True, warn_only=True)  # poisons torch.empty
    for kind in KINDS:
        for rows, codes, depth in (
            *((rows, 300, 20) for rows in (1, 63, 64, 65)),
            *((500, 1000, depth) for depth in (4, 32, 64, 100)),
            (24576, 256, 8),
        ):
            made = make(kind, rows, codes, depth, seed=rows)
            for dtype in DTYPES:
                for bias in (None, made.bias):
                    x, book = made.x.to(dtype), made.codebook
                    want = search(x, book, bias)
                    for variant in variants(dtype, depth):
                        counts["differ_from_cpu"] += differs(x, book, bias, variant, want)
                        counts["queries"] += rows
            if rows <= 500:
                index, value, _ = reference(*made)
                counts["cpu_differs_from_numpy"] += wrong(*search(*made), index, value)
    torch.use_deterministic_algorithms(False)
    ok = counts["differ_from_cpu"] == 0 and counts["cpu_differs_from_numpy"] == 0
    return {"ok": ok, **counts}


def check_stability() -> dict[str, Any]:
    """The same bits from repeats, other streams, split batches, K splits and odd addresses."""
    case = make("midpoints", 30_000, 1024, 32)
    x, book, bias = (tensor.cuda() for tensor in case)
    index, value = nearest(x, book, bias)
    faults = []

    def same(name: str, other: tuple[Tensor, Tensor]) -> None:
        if not (torch.equal(index, other[0]) and torch.equal(value, other[1])):
            faults.append(name)

    for _ in range(20):
        same("repeat", nearest(x, book, bias))
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        other = nearest(x, book, bias)
    side.synchronize()
    same("stream", other)
    for size in (100, 5000):  # small batches split the codebook
        parts = [nearest(part, book, bias) for part in x.split(size)]
        same(
            f"batches of {size}",
            (torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])),
        )
    odd = torch.empty(x.numel() + 1, device="cuda")[1:].view_as(x).copy_(x)
    same("odd address", nearest(odd, book, bias))
    with torch.autocast("cuda", dtype=torch.bfloat16):
        same("autocast", nearest(x, book, bias))
    staged = nearest_stages(x, [book, book * 0.5], [bias, None])
    residual = x - book[index]
    second = nearest(residual, book * 0.5)
    if not (torch.equal(staged[0][1], second[0]) and torch.equal(staged[1][1], second[1])):
        faults.append("stages")
    return {"ok": not faults, "faults": sorted(set(faults))}


def check_large() -> dict[str, Any]:
    """N x D above 2^31: the last rows, and some in between, against small searches of them."""
    rows, depth = 70_000_000, 32
    x = torch.zeros(rows, depth, dtype=torch.float16, device="cuda").normal_()
    book = torch.randn(256, depth, device="cuda")
    index, value = nearest(x, book)
    faults = 0
    for first in (0, 2**26 - 500, rows // 2, rows - 1000):
        part = nearest(x[first : first + 1000], book)
        here = slice(first, first + 1000)
        faults += int(((index[here] != part[0]) | (value[here] != part[1])).sum())
    return {"ok": faults == 0, "elements": rows * depth, "differ": faults}


def check_graph() -> dict[str, Any]:
    """Capture a search in a CUDA graph, then replay it on other data."""
    first, second = (make("midpoints", 5000, 1024, 32, seed=seed) for seed in (1, 2))
    x, book, bias = (tensor.cuda() for tensor in first)
    nearest(x, book, bias)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        index, value = nearest(x, book, bias)
    x.copy_(second.x)
    graph.replay()
    torch.cuda.synchronize()
    want = nearest(x, book, bias)
    return {"ok": torch.equal(index, want[0]) and torch.equal(value, want[1])}


def check_torch_compile() -> dict[str, Any]:
    """A training step through torch.compile(fullgraph=True), against eager."""

    def step(x: Tensor, book: Tensor) -> Tensor:
        index, value = nearest(x, book)
        chosen = book[index]
        return (x + (chosen - x).detach()).sum() + (chosen - x).square().mean() + value.mean()

    case = make("iid", 2000, 256, 32)
    losses, gradients = [], []
    for function in (step, torch.compile(step, fullgraph=True)):
        x, book = case.x.cuda().requires_grad_(), case.codebook.cuda().requires_grad_()
        loss = function(x, book)
        loss.backward()
        losses.append(loss.detach())
        gradients.append(book.grad)
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(gradients[0], gradients[1])
    return {"ok": True}


def check_sanitizer() -> dict[str, Any]:
    """compute-sanitizer over `small`."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        return {"ok": True, "skipped": "compute-sanitizer is not installed"}
    results = {}
    for name in SANITIZER_TOOLS:
        small_run = (sys.executable, __file__)
        command = [tool, "--tool", name, "--error-exitcode", "9", *small_run]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
        results[name] = "clean" if done.returncode == 0 else (done.stdout + done.stderr)[-2000:]
    return {"ok": set(results.values()) == {"clean"}, "tools": results}


def small() -> None:
    """One search with each kernel, with rows that need a rescan."""
    for depth in (8, 32, 64, 100):
        for variant in variants(torch.float32, depth):
            x, book, bias = (tensor.cuda() for tensor in make("duplicates", 200, 200, depth))
            run(x, book, bias, kernels_for(0, variant), stream())
    torch.cuda.synchronize()


CHECKS: dict[str, Callable[[], dict[str, Any]]] = {
    "compile": check_compile,
    "certificate": check_certificate,
    "answers": check_answers,
    "stability": check_stability,
    "graph": check_graph,
    "torch_compile": check_torch_compile,
    "sanitizer": check_sanitizer,
    "large": check_large,
}


def device() -> dict[str, Any]:
    """The device and the versions that a figure needs beside it."""
    return {
        "device": torch.cuda.get_device_name(0),
        "capability": torch.cuda.get_device_capability(0),
        "driver": ".".join(map(str, driver().version)),
        "nvrtc": ".".join(map(str, nvrtc().version)),
    }


def measure(going: Run, inputs: Nothing, settings: Nothing) -> dict[str, Any]:
    """Every check, then the times; a check that fails does not stop the others."""
    if not torch.cuda.is_available():
        raise Missing("torch.cuda.is_available() is False, so there is nothing to check")
    started = time.time()
    checks = {}
    for name, check in CHECKS.items():
        checks[name] = going.part(name, lambda: checked(check))  # noqa: B023
        going.say(f"{name:14} {json.dumps(checks[name])[:300]}")
        torch.cuda.empty_cache()
    timing = gpu_timing.measure(started + SECONDS)
    return {
        "checks": checks,
        "timing": timing,
        "shows": gpu_timing.shows(timing),
        "took_s": round(time.time() - started, 1),
        "meta": device(),
    }


def checked(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a check says, or how it failed, and the seconds that it took."""
    begun = time.time()
    try:
        result = check()
    except Exception:  # the other checks still say something
        result = {"ok": False, "error": traceback.format_exc()[-2000:]}
    return result | {"took_s": round(time.time() - begun, 1)}


BENCHMARK = Benchmark(Nothing, Nothing, measure, result="nearest_centroid_gpu.json")

if __name__ == "__main__":
    small()
