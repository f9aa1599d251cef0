"""The search on the CPU against a float64 brute force, and the operator around it."""

import os
import subprocess
import sys
import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nearest_cases import KINDS, make, reference, wrong

from cuda_ext import canonical, nearest, nearest_stages
from cuda_ext import search as search_module


def check(x, codebook, bias):
    index, value = nearest(x, codebook, bias)
    assert index.dtype == torch.int64 and value.dtype == torch.float32
    expected_index, expected_value, _ = reference(x, codebook, bias)
    assert wrong(index, value, expected_index, expected_value) == 0


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_no_wrong_index_among_a_million_queries(kind, biased):
    for seed, (n, k, d) in enumerate([(500_000, 16, 4), (490_000, 12, 5), (10_000, 64, 24)]):
        case = make(kind, n, k, d, seed=seed)
        check(case.x, case.codebook, case.bias if biased else None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("n", "k", "d"),
    [(1, 3, 1), (3, 17, 512), (65, 256, 32), (50, 300, 64), (33, 1025, 7), (20, 4096, 3)],
)
def test_shapes(kind, n, k, d):
    case = make(kind, n, k, d, seed=n)
    check(case.x, case.codebook, case.bias)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.integers(1, 80),
    st.integers(3, 600),
    st.integers(1, 40),
    st.integers(0, 2**31),
)
def test_any_shape(kind, n, k, d, seed):
    case = make(kind, n, k, d, seed=seed)
    check(case.x, case.codebook, case.bias)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_short_floats_are_searched_without_rounding(dtype):
    case = make("iid", 500, 100, 16)
    check(case.x.to(dtype), case.codebook, case.bias)
    check(case.x.to(dtype), case.codebook.to(dtype), case.bias.to(dtype))


def test_many_blocks_and_one_block_agree(monkeypatch):
    case = make("midpoints", 3000, 200, 12)
    whole = nearest(*case)
    for name, size in (("ROWS", 700), ("BLOCK", 4096), ("WAITING", 100)):
        monkeypatch.setattr(search_module, name, size)
    parts = nearest(*case)
    assert torch.equal(whole[0], parts[0]) and torch.equal(whole[1], parts[1])


def test_adding_columns_and_scanning_them_agree(monkeypatch):
    assert canonical._cumsum_goes_in_order(24)  # else the search is right but slow
    case = make("shuffled", 400, 100, 24)
    scanned = nearest(*case)
    monkeypatch.setattr(canonical, "_cumsum_goes_in_order", lambda depth: False)
    added = nearest(*case)
    assert torch.equal(scanned[0], added[0]) and torch.equal(scanned[1], added[1])


def test_lower_matmul_precision_changes_nothing():
    case = make("midpoints", 2000, 256, 32)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        assert search_module._filter_dtype(torch.device("cpu")) == torch.float64
        check(*case)
    finally:
        torch.set_float32_matmul_precision(before)
    assert search_module._filter_dtype(torch.device("cpu")) == torch.float32


@pytest.mark.parametrize("kind", KINDS)
def test_filter_error_stays_under_a_quarter_of_the_bound(kind):
    case = make(kind, 400, 200, 24)
    x, codebook, bias = case
    codes = search_module._prepare(codebook, bias, torch.float32)
    rows = torch.isfinite(x).all(1)
    norm = torch.linalg.vector_norm(x[rows], dim=1, dtype=torch.float64)
    filtered = torch.addmm(codes.offset, x[rows], codes.matrix.t(), alpha=-2).double()
    usable = torch.isfinite(codes.offset) & torch.isfinite(codebook).all(1)
    scores = torch.from_numpy(reference(x[rows], codebook, bias)[2])
    error = ((filtered - (scores - norm[:, None] ** 2)).abs())[:, usable]
    bound = search_module._error_bound(norm, codes, x.shape[1])[:, None]
    # |x|^2 was subtracted in float64 here, which is this test's own error.
    own = norm[:, None] ** 2 * 2.0**-50
    assert bool((error <= 0.25 * bound + own).all())


def test_strided_inputs():
    case = make("iid", 300, 40, 6)
    check(case.x.t().contiguous().t(), case.codebook.t().contiguous().t(), case.bias)
    wide = torch.randn(300, 13)
    check(wide[:, 1:7], case.codebook, torch.stack([case.bias, case.bias], 1)[:, 0])


def test_empty_input_and_one_code():
    index, value = nearest(torch.zeros(0, 4), torch.zeros(3, 4))
    assert index.shape == value.shape == (0,)
    index, value = nearest(torch.ones(2, 4), torch.zeros(1, 4))
    assert index.tolist() == [0, 0] and value.tolist() == [4.0, 4.0]


def test_all_codes_masked():
    index, value = nearest(torch.ones(2, 4), torch.zeros(5, 4), torch.full((5,), torch.inf))
    assert index.tolist() == [0, 0] and value.tolist() == [torch.inf, torch.inf]


@pytest.mark.parametrize("biased", [False, True])
def test_stages_equal_composed_searches(biased):
    case = make("iid", 500, 64, 16)
    books = [case.codebook, case.codebook[:20] * 0.5, case.codebook[5:40] * 0.2]
    biases = [case.bias, None, case.bias[5:40] * 0.1] if biased else [None] * 3
    index, value = nearest_stages(case.x, books, biases if biased else None)
    assert index.shape == value.shape == (3, 500)
    residual = case.x
    for stage, (book, bias) in enumerate(zip(books, biases, strict=True)):
        one_index, one_value = nearest(residual, book, bias)
        assert torch.equal(index[stage], one_index) and torch.equal(value[stage], one_value)
        residual = residual - book[one_index]


def test_stacked_stages_equal_listed_stages():
    x, codebook, bias = make("iid", 200, 32, 8)
    books, biases = torch.stack([codebook, codebook * 0.3]), torch.stack([bias, bias * 0.1])
    stacked = nearest_stages(x.half(), books, biases)
    listed = nearest_stages(x.half(), list(books), list(biases))
    assert torch.equal(stacked[0], listed[0]) and torch.equal(stacked[1], listed[1])


def test_opcheck():
    case = make("iid", 20, 10, 4)
    operator = torch.ops.bibcodec.nearest.default
    torch.library.opcheck(operator, tuple(case))
    torch.library.opcheck(operator, (case.x, case.codebook))


def test_compiled_training_step_matches_eager():
    def step(x, codebook, bias):
        index, value = nearest(x, codebook, bias)
        chosen = codebook[index]
        through = x + (chosen - x).detach()
        return through.sum() + (chosen - x.detach()).square().mean() + value.mean()

    compiled = torch.compile(step, fullgraph=True, dynamic=True, backend="aot_eager")
    for n in (30, 50):
        case = make("iid", n, 10, 4)
        gradients = []
        for run in (step, compiled):
            x = case.x.clone().requires_grad_()
            codebook = case.codebook.clone().requires_grad_()
            run(x, codebook, case.bias).backward()
            gradients.append((x.grad, codebook.grad))
        for eager, traced in zip(*gradients, strict=True):
            torch.testing.assert_close(eager, traced)


def test_threads_share_the_operator():
    case = make("midpoints", 500, 64, 8)
    expected, results = nearest(*case), []
    threads = [threading.Thread(target=lambda: results.append(nearest(*case)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(torch.equal(result, expected[0]) for result in results)


def test_import_needs_torch_and_numpy_only():
    code = (
        "import sys, cuda_ext; allowed = {'torch', 'numpy'}; "
        "bad = {'codec', 'bitstream', 'compressai', 'constriction', 'PIL'} & set(sys.modules); "
        "sys.exit(f'imported {bad}' if bad else 0)"
    )
    environment = {**os.environ, "PYTHONPATH": "."}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )


X, BOOK, BIAS = torch.zeros(4, 3), torch.zeros(5, 3), torch.zeros(5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[0.0]], BOOK), TypeError, "x is a list, expected a torch.Tensor"),
        ((X.double(), BOOK), TypeError, "x has dtype torch.float64"),
        ((X, BOOK.long()), TypeError, "codebook has dtype torch.int64"),
        ((X, BOOK, BIAS.double()), TypeError, "bias has dtype torch.float64"),
        ((X[0], BOOK), ValueError, r"x has shape \(3,\), expected \[N, D\]"),
        ((X[:, :0], BOOK[:, :0]), ValueError, r"D in 1..512"),
        ((torch.zeros(1, 513), torch.zeros(2, 513)), ValueError, r"D in 1..512"),
        ((X, BOOK[:, :2]), ValueError, r"codebook has shape \(5, 2\), expected \[K, 3\]"),
        ((X, BOOK[:0]), ValueError, "codebook has 0 codes, expected 1..65536"),
        ((X, torch.zeros(65537, 3)), ValueError, "65537 codes"),
        ((X, BOOK, BIAS[:4]), ValueError, r"bias has shape \(4,\), expected \[5\]"),
        ((X, BOOK.to("meta")), ValueError, "codebook is on meta but x is on cpu"),
        ((X, BOOK, BIAS.to("meta")), ValueError, "bias is on meta but x is on cpu"),
        ((X.to("meta"), BOOK.to("meta")), ValueError, "x is on meta, expected a CPU or CUDA"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        nearest(*arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((X, []), ValueError, "codebooks is empty"),
        ((X, BOOK), ValueError, r"codebooks has shape \(5, 3\), expected a stack"),
        ((X, 7), TypeError, "codebooks is a int"),
        ((X, [BOOK, BOOK], [BIAS]), ValueError, "got 1 biases for 2 codebooks"),
        ((X, [BOOK, BOOK[:, :1]]), ValueError, r"codebooks\[1\] has shape \(5, 1\)"),
        ((X, [BOOK, BOOK], [None, BIAS[:2]]), ValueError, r"biases\[1\] has shape \(2,\)"),
    ],
)
def test_wrong_stage_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        nearest_stages(*arguments)
