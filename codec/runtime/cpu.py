"""What the processor is good at."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

MOST_THREADS = 1024


@cache
def fast_bfloat16(cpuinfo: str | None = None) -> bool:
    r"""Whether convolutions in bfloat16 are faster than in float32 here.

    They are with AMX, and on AMD's processors with AVX-512 BF16. With AVX-512 BF16 alone on
    Intel's, and wherever bfloat16 is emulated, they are slower, which torch's own test does not
    tell (`python -m benchmarks engines` measures it). False where there is no /proc/cpuinfo.

    Args:
        cpuinfo: the text to look at instead of /proc/cpuinfo.

    Example:
        >>> fast_bfloat16("vendor_id : GenuineIntel\nflags : avx512_bf16")
        False
        >>> fast_bfloat16("vendor_id : GenuineIntel\nflags : avx512_bf16 amx_bf16")
        True
    """
    cpuinfo = _cpuinfo() if cpuinfo is None else cpuinfo
    return has_amx(cpuinfo) or {"avx512_bf16", "AuthenticAMD"} <= set(cpuinfo.split())


@cache
def has_amx(cpuinfo: str | None = None) -> bool:
    """Whether the processor multiplies matrices of bfloat16, see `fast_bfloat16`."""
    return "amx_bf16" in (_cpuinfo() if cpuinfo is None else cpuinfo).split()


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def thread_count() -> int:
    """CPU threads for each step of the networks: OMP_NUM_THREADS, or the cores we may use.

    Of a list, such as OpenMP takes for nested regions, the first number counts. What is no number
    in 1..`MOST_THREADS` does not count: onnxruntime would begin any number of threads.
    """
    given = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if given.isascii() and given.isdigit() and len(given) < 5 and 1 <= int(given) <= MOST_THREADS:
        return int(given)
    return core_count()


def core_count() -> int:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not everywhere
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def limit_threads(threads: int) -> None:
    """Use so many CPU threads in this process from now on; models that are loaded keep theirs."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
