"""The kernel's own source, run on the CPU by ``emulation`` through the real launch code.

"Compiled and emulated", not "tested on a GPU": what the emulator cannot show is listed there.
"""

import ctypes
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from emulation.mutants import ANY, MUTANTS, SIMT, TENSOR
from nearest_cases import KINDS, Case, make, reference, wrong

from cuda_ext import launch, operator
from cuda_ext.compiler import SOURCE, Variant
from cuda_ext.driver import Device, Driver, DriverError
from cuda_ext.launch import Kernels, run

EMULATION = Path(__file__).with_name("emulation")
pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None, reason="g++ is not installed: it builds the emulated kernels"
)
FILTERS = {
    SIMT: Variant(torch.float32, 32, False),
    ANY: Variant(torch.float32, 0, False),
    TENSOR: Variant(torch.float32, 32, True),
}
DEPTH = {32: 20, 0: 70}  # D of the test data by the variant's depth


class Emulated(NamedTuple):
    kernels: Kernels
    library: ctypes.CDLL


def build(folder: Path, variant: Variant, source: str) -> Emulated:
    kernel, library = folder / "kernel.cu", folder / "libcuda.so"
    kernel.write_text(source)
    command = ["g++", "-std=c++17", "-O1", "-march=native", "-ffp-contract=off", "-fPIC", "-shared"]
    command += [f'-DKERNELS="{kernel}"', *variant.flags, f"-I{EMULATION}", "-Wno-unknown-pragmas"]
    command += [str(EMULATION / "libcuda.cpp"), "-o", str(library)]
    subprocess.run(command, check=True, timeout=120)
    device = Device(Driver(str(library)), 0)
    loaded = ctypes.CDLL(str(library))
    loaded.emulation_bound.restype = ctypes.c_float
    loaded.emulation_bound.argtypes = [ctypes.c_float] * 3 + [ctypes.c_int]
    return Emulated(Kernels.load(device, variant, b"any image"), loaded)


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    made: dict[Variant, Emulated] = {}

    def get(variant: Variant) -> Emulated:
        if variant not in made:
            made[variant] = build(tmp_path_factory.mktemp("emulated"), variant, SOURCE.read_text())
        return made[variant]

    return get


@pytest.fixture(autouse=True)
def poison():
    """Fill torch.empty with NaN, so that what a kernel forgets to write shows."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def expected_bound(variant, norm, length, spread, depth):
    """The bound of the notes, independent of the kernel's text, in float64."""
    if variant.tensor:
        split, steps = 2.0**-15, 20 * (3 * (variant.depth // 16) + 1)
    else:
        split, steps = 0.0, depth + 3
    bound = split * norm * length + steps * 2.0**-23 * (2.02 * norm * length + spread)
    bound += (depth + 4) * 2.0**-52 * ((norm + length) ** 2 + spread + length**2)
    return bound + (depth + 4) * 2.0**-120 * (1 + norm + length)


def group_of(variant, codes):
    """The group of every code, by the kernel's layout, and how many groups there are."""
    code = np.arange(codes)
    if variant.tensor:
        return code // 64 * 4 + code % 8 // 2, -(-codes // 64) * 4
    return code // 128 * 16 + code % 64 // 4, -(-codes // 128) * 16


def certificate_faults(case: Case, built: Emulated, certificates) -> list[str]:
    """What is wrong with least, second and group of the rows, for data without overflow."""
    variant = built.kernels.variant
    x, codebook, bias = (t.double().numpy() for t in case)
    with np.errstate(invalid="ignore", over="ignore"):
        offset = (codebook**2).sum(1) + bias
        usable = np.isfinite(offset)
        exact = np.where(usable, offset - 2 * x @ np.where(usable[:, None], codebook, 0).T, np.inf)
    rows = np.isfinite(x).all(1)
    length = np.sqrt((codebook[usable] ** 2).sum(1).max())
    spread = np.abs(offset[usable]).max()
    norm = np.sqrt((x[rows] ** 2).sum(1))
    bound = expected_bound(variant, norm, length, spread, x.shape[1])
    faults = []
    theirs = [built.library.emulation_bound(n, length, spread, x.shape[1]) for n in norm]
    if not np.allclose(theirs, bound, rtol=1e-3):
        faults.append("error bound")
    group, groups = group_of(variant, len(codebook))
    minima = np.full((len(x), groups), np.inf)
    for code in range(len(codebook)):
        np.minimum(minima[:, group[code]], exact[:, code], out=minima[:, group[code]])
    least = certificates.least.numpy().astype(np.float64)
    second = certificates.second.numpy().astype(np.float64)
    part = least.argmin(0)
    where = certificates.group.numpy()[part, np.arange(len(x))]
    both = np.sort(np.concatenate([least, second]), axis=0)[:2, rows]
    order = np.sort(minima, axis=1)[rows]
    chosen = minima[np.arange(len(x)), where % groups][rows]
    for name, got, want in (
        ("least", both[0], order[:, 0]),
        ("second", both[1], order[:, 1]),
        ("group", both[0], chosen),
    ):
        with np.errstate(invalid="ignore"):
            close = (got == want) | (np.abs(got - want) <= 0.25 * bound)  # equal: both are +inf
        if not close.all():
            faults.append(name)
    return faults


CASES = [
    ("iid", 150, 300),
    ("iid", 1, 3),
    ("duplicates", 60, 700),
    ("twins", 60, 300),
    ("midpoints", 150, 130),
    ("one ulp", 60, 300),
    ("shuffled", 60, 300),
    ("zeros", 10, 700),
    ("far", 60, 100),
    ("not finite", 150, 300),
    ("-inf bias", 20, 100),
    ("1e+30", 20, 300),
    ("denormal", 20, 100),
]
OVERFLOW = ("1e+30", "-inf bias")


def faults_of(built: Emulated, cases=CASES) -> list[str]:
    """Everything that is wrong with the emulated kernels, as "kind: what"."""
    faults = []
    for seed, (kind, n, k) in enumerate(cases):
        case = make(kind, n, k, DEPTH[built.kernels.variant.depth], seed=seed)
        built.library.emulation_seed(seed)
        try:
            index, value, certificates = run(*case, built.kernels, 0)
        except DriverError as error:
            return [*faults, f"{kind}: {error}"]
        expected_index, expected_value, _ = reference(*case)
        if wrong(index, value, expected_index, expected_value):
            faults.append(f"{kind}: wrong answers")
        if kind not in OVERFLOW:
            faults += [f"{kind}: {f}" for f in certificate_faults(case, built, certificates)]
        if kind in {"iid", "twins", "not finite"} and int(certificates.pending[0]) > 1 + n // 20:
            faults.append(f"{kind}: too many rows without a certificate")
    return faults


@pytest.mark.parametrize("name", FILTERS)
def test_answers_and_certificates(emulated, name):
    assert faults_of(emulated(FILTERS[name])) == []


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("tensor", [False, True])
def test_short_floats(emulated, dtype, tensor):
    built = emulated(Variant.choose(dtype, 20, tensor))
    for kind in ("iid", "not finite", "denormal"):
        case = make(kind, 100, 200, 20)
        x = case.x.to(dtype)
        index, value, _ = run(x, case.codebook, None, built.kernels, 0)
        expected_index, expected_value, _ = reference(x, case.codebook, None)
        assert wrong(index, value, expected_index, expected_value) == 0


@pytest.mark.parametrize("depth", [1, 7, 8, 9, 16, 33, 64, 65, 512])
@pytest.mark.parametrize("tensor", [False, True])
def test_depths(emulated, depth, tensor):
    built = emulated(Variant.choose(torch.float32, depth, tensor))
    for n, k in ((5, 3), (130, 129)):
        case = make("midpoints", n, k, depth)
        index, value, _ = run(*case, built.kernels, 0)
        expected_index, expected_value, _ = reference(*case)
        assert wrong(index, value, expected_index, expected_value) == 0


def test_slices_splits_and_schedules_do_not_show(emulated, monkeypatch):
    case = make("midpoints", 400, 500, 20)
    built = emulated(FILTERS[SIMT])
    index, value, certificates = run(*case, built.kernels, 0)
    expected_index, expected_value, _ = reference(*case)
    assert wrong(index, value, expected_index, expected_value) == 0
    for size in (64, 128, 399):
        monkeypatch.setattr(launch, "SLICE", size)
        built.library.emulation_seed(size)
        again_index, again_value, again = run(*case, built.kernels, 0)
        assert torch.equal(index, again_index) and torch.equal(value, again_value)
        assert len(again.pending) == -(-400 // size)
    assert certificates.least.shape[0] == 1
    assert run(case.x[:40], *case[1:], built.kernels, 0)[2].least.shape[0] == 4


def test_mutants_are_caught(tmp_path, capsys):
    source, table, missed = SOURCE.read_text(), [], []
    for number, mutant in enumerate(MUTANTS):
        assert source.count(mutant.old) >= 1, f"mutant no longer applies: {mutant.what}"
        folder = tmp_path / str(number)
        folder.mkdir()
        changed = source.replace(mutant.old, mutant.new)
        faults = faults_of(build(folder, FILTERS[mutant.filter], changed))
        caught = faults[0] if faults else "MISSED"
        table.append(f"{mutant.what:34} {mutant.filter:26} {caught}")
        if not faults:
            missed.append(mutant.what)
    with capsys.disabled():
        print("\n" + "\n".join(["mutant" + " " * 29 + "filter" + " " * 21 + "caught by", *table]))
    assert missed == []


def test_operator_runs_the_kernels(emulated, monkeypatch):
    case = make("midpoints", 100, 130, 20)
    asked = []

    def kernels_for(ordinal, variant):
        asked.append(variant)
        return emulated(variant).kernels

    monkeypatch.setattr(operator, "kernels_for", kernels_for)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: SimpleNamespace(cuda_stream=0))
    index, value = operator._on_cuda(case.x.t().contiguous().t(), case.codebook.half(), case.bias)
    expected_index, expected_value, _ = reference(case.x, case.codebook.half(), case.bias)
    assert wrong(index, value, expected_index, expected_value) == 0
    assert asked == [FILTERS[SIMT]]


def test_operator_falls_back_with_one_warning():
    case = make("midpoints", 100, 130, 20)
    operator._warn_once.cache_clear()
    with pytest.warns(RuntimeWarning, match="uses torch operations, which are slower: ") as caught:
        answers = [operator._on_cuda(*case) for _ in range(2)]  # no such CUDA device
    assert len(caught) == 1
    expected_index, expected_value, _ = reference(*case)
    assert all(wrong(*answer, expected_index, expected_value) == 0 for answer in answers)


def test_driver_errors(emulated):
    built = emulated(FILTERS[SIMT])
    with pytest.raises(DriverError, match="no-such-libcuda.so was not found"):
        Driver("no-such-libcuda.so")
    with pytest.raises(DriverError, match="cuDeviceGet failed with 101"):
        Device(Driver(built.library._name), 1)
    with pytest.raises(DriverError, match="cuModuleGetFunction failed with 500: named symbol not"):
        built.kernels.device.load(b"image", ["no_such_kernel"])


def test_every_kind_is_emulated():
    assert {kind for kind, _, _ in CASES} >= set(KINDS) - {"itself", "1e-30"}
