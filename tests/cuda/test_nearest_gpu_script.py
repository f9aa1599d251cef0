"""The parts of benchmarks/cost/gpu_checks.py that need no GPU, on emulated kernels."""

import shutil

import pytest
import torch
from nearest_cases import make
from test_nearest_kernel import build

from benchmarks.cost import gpu_checks, gpu_timing
from benchmarks.harness import Nothing
from benchmarks.inputs import Missing
from cuda_ext.compiler import SOURCE, Variant
from cuda_ext.search import search

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None, reason="g++ is not installed: it builds the emulated kernels"
)


@pytest.fixture(scope="module", params=[False, True], ids=["float32", "tensor"])
def kernels(request, tmp_path_factory):
    variant = Variant.choose(torch.float32, 32, request.param)
    return build(tmp_path_factory.mktemp("script"), variant, SOURCE.read_text()).kernels


def test_certificate_ratio(kernels):
    for codes in (1, 17, 300):
        case = make("iid", 100, max(3, codes), 31)
        ratio = gpu_checks.certificate_ratio(case.x, case.codebook[:codes], kernels, 0)
        assert 0 < ratio <= 0.25


def test_comparison_with_the_cpu_path_counts(kernels, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "cuda", lambda self: self)
    monkeypatch.setattr(gpu_checks, "stream", lambda: 0)
    monkeypatch.setattr(gpu_checks, "kernels_for", lambda ordinal, variant: kernels)
    case = make("midpoints", 200, 100, 32)
    want = search(*case)
    assert gpu_checks.differs(*case, kernels.variant, want) == 0
    assert gpu_checks.differs(case.x, case.codebook, None, kernels.variant, want) == 200
    shifted = (want[0], want[1].nextafter(torch.tensor(9.0)))
    assert gpu_checks.differs(*case, kernels.variant, shifted) == 200


@pytest.mark.parametrize(
    ("codes", "depth", "microseconds"), [(256, 8, 22), (1024, 32, 243), (8192, 64, 3613)]
)
def test_floor(codes, depth, microseconds):
    assert gpu_timing.floor_seconds(1 << 20, codes, depth) * 1e6 == pytest.approx(
        microseconds, rel=0.02
    )


def test_summary_takes_the_worst_shape_in_scope():
    def entry(codes, depth, us):
        ours = {"us": us, "of_floor": 10 / us, "wrong_indices": 0.0}
        peer = {"us": 100.0, "of_floor": 0.1, "wrong_indices": 0.0}
        return {
            "codes": codes,
            "depth": depth,
            "methods": {"float32 filter": ours, "addmm + argmin": peer},
        }

    timing = [entry(1024, 32, 20.0), entry(8192, 64, 25.0), entry(256, 8, 200.0)]
    timing += [entry(1024, 256, 200.0), {"codes": 8192, "depth": 8, "skipped": "out of time"}]
    shows = gpu_timing.shows(timing)
    assert shows["float32 filter"]["least_speedup_over_addmm"] == 4.0
    assert shows["float32 filter"]["least_fraction_of_floor"] == 0.4


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_the_script_says_so():
    with pytest.raises(Missing, match="nothing to check"):
        gpu_checks.measure(None, Nothing(), Nothing())
