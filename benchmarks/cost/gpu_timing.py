"""Times of the nearest-centroid search on a GPU, beside what else users have. See gpu_checks.py."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cuda_ext.compiler import Variant
from cuda_ext.launch import kernels_for, run

ROWS = (24_576, 1_048_576)
CODES = (256, 1024, 8192, 65536)
DEPTHS = (8, 32, 64, 256)
CHUNK = 32 << 20  # bytes of scores that stay in the L2 cache
SCORES = 8 << 30  # bytes of scores at most where nothing is chunked
CHECKED = 8192  # rows whose indices are compared
SECONDS_EACH = 0.25
Method = Callable[[Tensor, Tensor], Tensor]

# H100 SXM, from its data sheet.
MULTIPROCESSORS, CLOCK, BANDWIDTH, BF16 = 132, 1.83e9, 3.35e12, 989e12


def floor_seconds(rows: int, codes: int, depth: int) -> float:
    """The least time of an exact fused search on an H100 SXM: memory, 3 x bf16 or minima."""
    scores = rows * codes
    memory = (rows * (4 * depth + 12) + codes * depth * 4) / BANDWIDTH
    tensor = 2 * scores * (3 * depth + 16) / BF16  # three products and a step for the offset
    minima = 1.25 * scores / (64 * MULTIPROCESSORS * CLOCK)
    return max(memory, tensor, minima)


def ours(tensor: bool) -> Method:
    def search(x: Tensor, book: Tensor) -> Tensor:
        kernels = kernels_for(0, Variant.choose(x.dtype, x.shape[1], tensor))
        return run(x, book, None, kernels, torch.cuda.current_stream().cuda_stream)[0]

    return search


def operator(x: Tensor, book: Tensor) -> Tensor:
    index: Tensor = torch.ops.bibcodec.nearest.default(x, book)[0]
    return index


def addmm(x: Tensor, book: Tensor) -> Tensor:
    offset = book.square().sum(1)
    step = max(1, CHUNK // (4 * len(book)))
    parts = [torch.addmm(offset, part, book.t(), alpha=-2).argmin(1) for part in x.split(step)]
    return torch.cat(parts)


def addmm_tf32(x: Tensor, book: Tensor) -> Tensor:
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        return addmm(x, book)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


def cdist(x: Tensor, book: Tensor) -> Tensor:
    step = max(1, SCORES // (16 * len(book)))
    return torch.cat([torch.cdist(part, book).argmin(1) for part in x.split(step)])


def _whole(x: Tensor, book: Tensor) -> Tensor:
    return (book.square().sum(1) - 2 * x @ book.t()).argmin(1)


def compiled() -> Method:
    function = torch.compile(_whole, dynamic=False)

    def search(x: Tensor, book: Tensor) -> Tensor:
        step = max(1, SCORES // (8 * len(book)))
        return torch.cat([function(part, book) for part in x.split(step)])

    return search


def flash() -> Method | None:
    """flash-kmeans' assignment, which multiplies float32 as TF32; None if not installed."""
    try:
        from flash_kmeans.assign_euclid_triton import (  # type: ignore[import-not-found] # noqa: PLC0415
            euclid_assign_triton,
        )
    except ImportError:
        return None

    def search(x: Tensor, book: Tensor) -> Tensor:
        index: Tensor = euclid_assign_triton(x[None], book[None], x.square().sum(1)[None])[0]
        return index

    return search


def median_seconds(method: Method, inputs: list[Tensor], book: Tensor) -> float:
    """The median time over rotated inputs, after one run to warm up."""
    method(inputs[0], book)
    torch.cuda.synchronize()
    times: list[float] = []
    begun = time.time()
    while len(times) < 3 or (time.time() - begun < SECONDS_EACH and len(times) < 50):
        x = inputs[len(times) % len(inputs)]
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        method(x, book)
        stop.record()
        stop.synchronize()
        times.append(start.elapsed_time(stop) / 1e3)
    return statistics.median(times)


def measure(deadline: float) -> list[dict[str, Any]]:
    """One entry per shape, small ones first; shapes after ``deadline`` are marked as skipped."""
    flash_kmeans = flash()
    shapes = [(rows, codes, depth) for rows in ROWS for codes in CODES for depth in DEPTHS]
    shapes.sort(key=lambda shape: shape[0] * shape[1] * shape[2])
    results: list[dict[str, Any]] = []
    for rows, codes, depth in shapes:
        entry: dict[str, Any] = {"rows": rows, "codes": codes, "depth": depth}
        results.append(entry)
        if time.time() > deadline:
            entry["skipped"] = "out of time"
            continue
        copies = max(2, min(8, (100 << 20) // (rows * depth * 4)))
        inputs = [torch.randn(rows, depth, device="cuda") for _ in range(copies)]
        book = torch.randn(codes, depth, device="cuda")
        exact = ours(False)(inputs[0], book)[:CHECKED]
        methods: dict[str, Method | None] = {
            "nearest": operator,
            "float32 filter": ours(False),
            "tensor-core filter": ours(True) if depth <= 64 else None,
            "addmm + argmin": addmm,
            "addmm + argmin, TF32": addmm_tf32,
            "cdist + argmin": cdist,
            "torch.compile": compiled() if rows == ROWS[0] and depth in {32, 64} else None,
            "flash-kmeans (TF32)": flash_kmeans,
        }
        floor = floor_seconds(rows, codes, depth)
        entry["floor_us"] = round(floor * 1e6, 1)
        entry["methods"] = {}
        for name, method in methods.items():
            if method is None or time.time() > deadline:
                continue
            try:
                seconds = median_seconds(method, inputs, book)
                found = method(inputs[0], book)[:CHECKED]
            except Exception as error:  # one that runs out of memory is a result too
                entry["methods"][name] = {"error": str(error)[:200]}
                continue
            entry["methods"][name] = {
                "us": round(seconds * 1e6, 1),
                "of_floor": round(floor / seconds, 3),
                "wrong_indices": int((found != exact).sum()) / min(rows, CHECKED),
            }
        print(entry, flush=True)
        del inputs, book
        torch.cuda.empty_cache()
    return results


def shows(timing: list[dict[str, Any]]) -> dict[str, Any]:
    """The least speedup over addmm + argmin, and the least fraction of the floor, at K >= 1,024."""
    ratios: dict[str, list[float]] = {}
    fractions: dict[str, list[float]] = {}
    for entry in timing:
        methods = entry.get("methods", {})
        peer = methods.get("addmm + argmin", {}).get("us")
        if entry["codes"] < 1024 or entry["depth"] > 64 or peer is None:
            continue
        for name in ("float32 filter", "tensor-core filter"):
            if "us" in methods.get(name, {}):
                ratios.setdefault(name, []).append(round(peer / methods[name]["us"], 2))
                fractions.setdefault(name, []).append(methods[name]["of_floor"])
    return {
        name: {
            "least_speedup_over_addmm": min(ratios[name]),
            "least_fraction_of_floor": min(fractions[name]),
            "speedups": ratios[name],
            "fractions": fractions[name],
        }
        for name in ratios
    }
