"""The C of training steps does what torch does; it is compiled here, as CI has a compiler."""

import copy

import pytest
import torch

from codec.networks.layers import BlockTransform, channels_last
from codec.networks.quantizer import ResidualQuantizer, Stage
from codec.train.kernels import blocks
from codec.train.kernels.build import library
from codec.train.kernels.convolution import accelerate
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


def gradients(convolution, x, slope):
    """Output of a convolution under autocast, and the gradients of input, weight and bias."""
    x = x.clone().requires_grad_()
    convolution.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = convolution(x)
    y.backward(slope.to(y.dtype))
    return [y, x.grad, convolution.weight.grad, convolution.bias.grad]


@pytest.mark.parametrize(("inputs", "outputs"), [(64, 128), (192, 48), (80, 32), (16, 112)])
@pytest.mark.parametrize("size", [(2, 2), (1, 1), (10, 16), (21, 7)])
def test_a_convolution_and_its_gradients_are_as_near_as_direct_ones(inputs, outputs, size):
    if not fast():
        pytest.skip("this processor has no bfloat16 products of AVX-512, or it has AMX")
    torch.manual_seed(0)
    direct = channels_last(torch.nn.Conv2d(inputs, outputs, 3, padding=1))
    quick = copy.deepcopy(direct)
    assert accelerate(quick) == 1
    x, slope = torch.randn(3, inputs, *size), torch.randn(3, outputs, *size)
    exact = copy.deepcopy(direct).double()
    x64 = x.double().requires_grad_()
    y = exact(x64)
    y.backward(slope.double())
    expected = [y, x64.grad, exact.weight.grad, exact.bias.grad]
    for kind, limit in ((direct, 0.004), (quick, 0.007)):
        for found, right in zip(gradients(kind, x, slope), expected, strict=True):
            assert (found.double() - right).norm() < limit * right.norm()


def test_what_does_not_fit_is_left_to_torch():
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(64, 64, 1),
        torch.nn.Conv2d(64, 40, 3, padding=1),
        torch.nn.Conv2d(64, 64, 3, padding=1, stride=2),
        torch.nn.Conv2d(64, 64, 3, padding=1, groups=2),
        torch.nn.Conv2d(64, 64, 3, padding=1, bias=False),
        torch.nn.Conv2d(64, 64, 3),
    )
    assert accelerate(layers) == 0
    one, single = torch.nn.Conv2d(64, 64, 3, padding=1), torch.randn(1, 64, 4, 4)
    expected = one(single)
    assert accelerate(one) == int(fast())
    assert torch.equal(one(single), expected)  # float32 is not rounded
    assert one.state_dict().keys() == {"weight", "bias"}


def test_frozen_weights_get_no_gradient():
    layers = torch.nn.Sequential(*(torch.nn.Conv2d(64, 64, 3, padding=1) for _ in range(2)))
    layers[1].requires_grad_(False)
    accelerate(layers)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layers(torch.randn(1, 64, 4, 4)).sum().backward()
    assert layers[1].weight.grad is None
    assert layers[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("cell", "dim"), [(32, 96), (16, 32), (8, 64), (4, 16), (4, 48)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_block_transforms_and_their_gradients(cell, dim, layout):
    torch.manual_seed(0)
    slow = BlockTransform(cell, dim)
    quick = copy.deepcopy(slow)
    assert blocks.accelerate(quick) == 1
    x = torch.randn(3, 3, 32, 96).contiguous(memory_format=layout)
    found = []
    for transform in (slow, quick):
        pixels = x.clone().requires_grad_()
        latents = transform.analysis(pixels)
        image = transform.synthesis(latents * 2)
        (image.square().sum() + latents.sum()).backward()
        bases = (transform.forward_basis.grad, transform.inverse_basis.grad)
        found.append([latents, image, pixels.grad, *bases])
    for expected, result in zip(*found, strict=True):
        assert result.shape == expected.shape
        assert (result - expected).norm() < 1e-5 * expected.norm()


def fast():
    known = torch.cpu.get_capabilities()
    return known["avx512_bf16"] and not known["amx_tile"]
