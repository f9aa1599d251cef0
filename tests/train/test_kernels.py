"""The C of training steps does what torch does; it is compiled here, as CI has a compiler."""

import pytest
import torch

from codec.networks.quantizer import ResidualQuantizer, Stage
from codec.train.kernels.build import library
from codec.train.kernels.search import search


def quantizer_of(dim, codes, stages):
    """Codebooks that shrink from stage to stage, with a zero code from the second on."""
    generator = torch.Generator().manual_seed(dim)
    quantizer = ResidualQuantizer([Stage(0, 8, dim, codes)] * stages)
    for stage in range(stages):
        book = torch.randn(codes, dim, generator=generator) * 0.6**stage
        book[0] *= stage == 0
        quantizer.codebook(stage).copy_(book)
    return quantizer, generator


@pytest.mark.parametrize(("dim", "codes", "stages"), [(32, 256, 3), (7, 64, 1), (64, 128, 6)])
@pytest.mark.parametrize("width", [1, 2, 8, 32])
def test_the_search_finds_the_same_codes(dim, codes, stages, width):
    quantizer, generator = quantizer_of(dim, codes, stages)
    latent = torch.randn(77, dim, generator=generator)
    biases = [3 * torch.rand(codes, generator=generator) for _ in range(stages)]
    assert library("search") is not None
    found = search(quantizer, range(stages), latent, biases, width)
    expected = quantizer.search(range(stages), latent, biases, width)
    assert (found == expected).all(1).float().mean() > 0.98  # but for ties up to rounding


def test_what_is_no_number_gets_some_code():
    quantizer, _ = quantizer_of(8, 64, 2)
    latent = torch.zeros(5, 8)
    latent[2] = torch.nan
    found = search(quantizer, range(2), latent, [torch.zeros(64)] * 2, 4)
    assert 0 <= found.min() <= found.max() < 64
    assert (found[[0, 1, 3]] == found[4]).all()


def test_without_a_compiler_torch_searches(monkeypatch):
    quantizer, generator = quantizer_of(8, 64, 2)
    latent = torch.randn(9, 8, generator=generator)
    monkeypatch.setenv("CC", "/no/such/compiler")
    library.cache_clear()
    try:
        with pytest.warns(UserWarning, match="training is slower without the C compiler"):
            found = search(quantizer, range(2), latent, [torch.zeros(64)] * 2, 2)
    finally:
        monkeypatch.undo()
        library.cache_clear()
    assert torch.equal(found, quantizer.search(range(2), latent, [torch.zeros(64)] * 2, 2))
