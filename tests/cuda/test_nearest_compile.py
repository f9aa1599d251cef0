"""The kernel through the compilers: nvcc with warnings as errors, NVRTC, and the cache on disk."""

import os
import re
import shutil
import stat
import subprocess
import sys

import pytest
import torch

from cuda_ext import compiler
from cuda_ext.compiler import (
    DEPTHS,
    SOURCE,
    TENSOR_DEPTHS,
    CompileError,
    Variant,
    binary,
    build_flags,
)

ARCHITECTURES = (80, 86, 89, 90, 100, 120)
VARIANTS = [Variant(torch.float32, depth, False) for depth in (*DEPTHS, 0)]
VARIANTS += [Variant(torch.float32, depth, True) for depth in TENSOR_DEPTHS]
SHORT = [
    Variant(dtype, variant.depth, variant.tensor)
    for dtype in (torch.float16, torch.bfloat16)
    for variant in VARIANTS
]
GATED = [variant for variant in VARIANTS if variant.depth not in {8, 16}] + [SHORT[0], SHORT[-1]]
# kernel: registers, bytes spilled, bytes of shared memory. Two filter blocks fit a multiprocessor
# with 64 K registers: 256 threads of 128, or 128 threads of 255.
BUDGET = {
    ("bibcodec_prepare", False): (64, 0, 8192),
    ("bibcodec_filter", False): (128, 64, 48 * 1024),
    ("bibcodec_filter", True): (232, 0, 48 * 1024),
    ("bibcodec_finish", False): (64, 0, 1024),
    ("bibcodec_rescan", False): (128, 0, 16 * 1024),
}


def label(variant):
    return "-".join(variant.flags).replace("-D", "")


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed: no register gate")
@pytest.mark.parametrize("variant", GATED, ids=label)
def test_nvcc_accepts_all_architectures_within_the_budget(variant, tmp_path):
    command = ["nvcc", "-fatbin", "--std=c++17", "-fmad=false", "-Werror", "all-warnings"]
    for number in ARCHITECTURES:
        command += ["-gencode", f"arch=compute_{number},code=sm_{number}"]
    command += ["-Xptxas", "-v", *variant.flags, str(SOURCE), "-o", str(tmp_path / "kernels")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert result.returncode == 0, result.stderr
    found = re.findall(
        r"entry function '(\w+)' for 'sm_(\d+)'.*?(\d+) bytes spill stores.*?Used (\d+) registers"
        r"(?:[^\n]*?(\d+) bytes smem)?",
        result.stderr,
        re.DOTALL,
    )
    assert len(found) == 4 * len(ARCHITECTURES)
    for kernel, architecture, spilled, registers, shared in found:
        filters = kernel == "bibcodec_filter"
        most_registers, most_spilled, most_shared = BUDGET[kernel, variant.tensor and filters]
        assert int(registers) <= most_registers, (kernel, architecture, registers)
        assert int(spilled) <= most_spilled, (kernel, architecture, spilled)
        assert int(shared or 0) <= most_shared, (kernel, architecture, shared)


def needs_nvrtc():
    try:
        return compiler.nvrtc()
    except CompileError as error:
        pytest.skip(f"no NVRTC, so nothing to compile with: {error}")


@pytest.mark.parametrize("variant", [*VARIANTS, *SHORT], ids=label)
def test_nvrtc_compiles_every_variant(variant):
    module = needs_nvrtc().compile(SOURCE.read_text(), build_flags(variant, "sm_90"))
    assert module.startswith(b"\x7fELF")
    for kernel in ("prepare", "filter", "finish", "rescan"):
        assert f"bibcodec_{kernel}".encode() in module


def test_unknown_newer_gpu_gets_ptx_and_an_older_one_an_error():
    found = needs_nvrtc()
    newest, oldest = found.architectures[-1], found.architectures[0]
    assert found.target(newest + 10) == f"compute_{newest}"
    assert found.target(90) == "sm_90"
    with pytest.raises(CompileError, match=f"the oldest it knows is {oldest / 10}"):
        found.target(oldest - 10)
    flags = build_flags(Variant.choose(torch.float32, 8), found.target(newest + 10))
    assert b".target sm_" in found.compile(SOURCE.read_text(), flags)


def test_missing_nvrtc_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(compiler, "_places", lambda: ["libnvrtc.none.so"])
    with pytest.raises(CompileError, match=r"not found \(tried libnvrtc.none.so\); install nvidia"):
        compiler.Nvrtc()


def test_compile_error_carries_the_log():
    with pytest.raises(CompileError, match=r"refused nearest.cu .*no_such_type"):
        needs_nvrtc().compile("no_such_type x;", ("-arch=sm_90",))


class FakeNvrtc:
    """Answers at once, and counts what it was asked to compile."""

    version = (1, 2)

    def __init__(self):
        self.calls = []

    def target(self, capability):
        return f"sm_{capability}"

    def compile(self, source, flags):
        self.calls.append(flags)
        return b"module for " + " ".join(flags).encode()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of an empty cache, and the compiler's calls."""
    fake = FakeNvrtc()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "nvrtc", lambda: fake)
    return tmp_path / "bibcodec" / "kernels", fake.calls


VARIANT = Variant.choose(torch.float32, 32)


def test_cache_is_used_and_private(cache):
    folder, calls = cache
    first = binary(VARIANT, 90)
    assert binary(VARIANT, 90) == first and len(calls) == 1
    assert binary(VARIANT, 80) != first and len(calls) == 2
    assert binary(Variant.choose(torch.float16, 32), 90) != first and len(calls) == 3
    files = list(folder.iterdir())
    assert len(files) == 3 and all(file.suffix == ".bin" for file in files)
    for place in (folder, *files):
        assert not stat.S_IMODE(place.stat().st_mode) & 0o077


def test_key_depends_on_source_flags_and_compiler():
    paths = {
        compiler.cache_entry(source, flags, version)
        for source in ("a", "b")
        for flags in (("-x",), ("-y",), ("-x", "-y"))
        for version in ((12, 8), (13, 2))
    }
    assert len(paths) == 12


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 100])
def test_damaged_entry_is_replaced(cache, damage):
    folder, calls = cache
    first = binary(VARIANT, 90)
    next(folder.iterdir()).write_bytes(damage)
    assert binary(VARIANT, 90) == first and len(calls) == 2
    assert binary(VARIANT, 90) == first and len(calls) == 2


def test_entry_that_others_may_write_is_ignored(cache):
    folder, calls = cache
    binary(VARIANT, 90)
    folder.chmod(0o777)
    binary(VARIANT, 90)
    assert len(calls) == 2


def test_unwritable_cache_only_costs_time(cache):
    folder, calls = cache
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("a file where the folder should be")
    binary(VARIANT, 90)
    binary(VARIANT, 90)
    assert len(calls) == 2


def doctor(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "cuda_ext", *arguments],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_doctor_reports_and_rejects():
    result = doctor("doctor")
    assert result.returncode == 0
    for word in ("torch", "compiler", "driver", "CPU tensors", "CUDA tensors"):
        assert word in result.stdout or (word == "CUDA tensors" and "cuda:0" in result.stdout)
    result = doctor("cure")
    assert result.returncode == 2 and "usage" in result.stderr
