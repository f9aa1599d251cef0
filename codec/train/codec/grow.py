"""Growing a trained codec into a larger shape: it begins with what the smaller one has learned.

The grown networks compute the same image as before, bit rates included, until training changes
them: what is new begins as zero, as the identity, or as a split of what was there. Only the new
stages' codebooks come from data, as in `codec.train.codec.linear`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bitstream.errors import CodecError
from codec.networks.config import RANGES, STEM, ModelConfig, beam_width, stages_of
from codec.networks.pyramid import Networks
from codec.options import EFFORT
from codec.train.codec.linear import FINE, GRID, entropy_kmeans, klt, shares_by_range
from codec.train.data import Crops

FIRST = 1 << 29  # number of the first batch that growing looks at


class _Affine(NamedTuple):
    """What a linear layer and a convolution have."""

    weight: Tensor
    bias: Tensor


@torch.no_grad()
def grow(small: Networks, config: ModelConfig, crops: Crops, batches: int, seed: int) -> Networks:
    """Networks of a larger configuration that begin where a smaller model stands.

    Args:
        small: the trained networks.
        config: the larger shape: the same cells first and one level of `STEM` pixels more at the
            most, no dim, number of stages or of blocks smaller, the same widths.
        crops: what the new bases and codebooks are fitted on.
        batches: how many batches of it.
        seed: of the draws.

    Raises:
        CodecError: the small model does not fit into the configuration.
    """
    _check(small.config, config)
    grown = Networks(config)
    x = torch.cat([crops(FIRST + k) for k in range(batches)])
    state = grown.state_dict()
    for name, tensor in small.state_dict().items():  # the quantizer follows, with its stages
        if name in state and state[name].shape == tensor.shape and "quantizer" not in name:
            state[name].copy_(tensor)
    _rescale_quality(grown, small)
    for level, kept in enumerate(small.config.levels):
        more = config.levels[level].dim - kept.dim
        _widen(grown, small, level, _more_axes(small, x, level, more))
    _copy_codebooks(grown, small)
    if len(config.levels) > len(small.config.levels):
        _split_finest(grown, small, x)
    _new_codebooks(grown, small.config, x, torch.Generator().manual_seed(seed))
    return grown


def _check(old: ModelConfig, new: ModelConfig) -> None:
    levels = list(zip(old.levels, new.levels, strict=False))
    fits = len(levels) == len(old.levels) and old.encoder == new.encoder
    fits &= old.decoder == new.decoder
    fits &= len(new.levels) - len(old.levels) in (0, 1)
    for a, b in levels:
        fits &= (a.cell, a.codes, a.begin > 0) == (b.cell, b.codes, b.begin > 0)
        fits &= a.dim <= b.dim and a.stages <= b.stages
    blocks = zip(old.blocks or (1,) * len(levels), new.blocks or (1,) * len(levels), strict=False)
    fits &= all(before <= after for before, after in blocks)
    fits &= old.lambda_coarse == new.lambda_coarse and old.lambda_fine >= new.lambda_fine
    if not fits:
        raise CodecError(
            "the model to start from does not grow into this configuration: expected the same "
            "cells and widths, and no dim or number of stages or blocks smaller"
        )


def _rescale_quality(grown: Networks, small: Networks) -> None:
    """Quality counts from the new λ range: the same λ must give the same embedding."""
    old, new = small.config, grown.config
    stretch = math.log(new.lambda_coarse / new.lambda_fine)
    stretch /= math.log(old.lambda_coarse / old.lambda_fine)
    first, before = _linear(grown.decoder.condition[0]), _linear(small.decoder.condition[0])
    first.weight.zero_()
    first.weight[:, : before.weight.shape[1]].copy_(before.weight)
    first.weight[:, 0] *= stretch
    first.bias.copy_(before.bias + before.weight[:, 0] * (stretch - 1))
    for number in range(RANGES):  # the shares of each range of λ
        near = min(int((number + 0.5) * stretch), RANGES - 1)
        for was, now in _stages_kept(old, new):
            grown.quantizer.shares[number, now].copy_(small.quantizer.shares[near, was])


def _stages_kept(old: ModelConfig, new: ModelConfig) -> list[tuple[int, int]]:
    """Numbers of each stage of a latent in the old and in the new configuration."""
    return [
        pair
        for level in range(len(old.levels))
        for pair in zip(stages_of(old.stages, level), stages_of(new.stages, level), strict=False)
    ]


def _more_axes(small: Networks, x: Tensor, level: int, count: int) -> Tensor:
    """The principal axes (count, 3·cell²) of what a level's bases and the coarser levels leave."""
    transforms = list(small.decoder.transforms)
    if not count:
        return transforms[level].forward_basis[:0]
    left = x
    for transform in transforms[:level]:
        left = left - transform.synthesis(transform.analysis(left))
    own = transforms[level]
    encoder = list(small.encoder.transforms)[level]
    spanned = torch.cat([own.forward_basis, own.inverse_basis, encoder.forward_basis])
    _, scale, axes = torch.linalg.svd(spanned, full_matrices=False)
    axes = axes[scale > 1e-4 * scale[0]]
    k = own.cell
    blocks = torch.nn.functional.pixel_unshuffle(left, k).permute(0, 2, 3, 1).reshape(-1, 3 * k * k)
    blocks = blocks - blocks @ axes.T @ axes
    _, vectors = torch.linalg.eigh(blocks.T @ blocks / len(blocks))
    return vectors.flip(1)[:, :count].T.contiguous()


def _widen(grown: Networks, small: Networks, level: int, axes: Tensor) -> None:
    """More dimensions for a level's latent: new rows of the bases, zeros elsewhere."""
    for mine, its in ((grown.encoder, small.encoder), (grown.decoder, small.decoder)):
        to, source = list(mine.transforms)[level], list(its.transforms)[level]
        for name, basis in source.named_parameters():
            to.get_parameter(name).copy_(torch.cat([basis, axes]))
    dim, kept = grown.config.levels[level].dim, small.config.levels[level].dim
    _pad(grown.encoder.heads[level], small.encoder.heads[level], kept)
    embed, before = _linear(grown.decoder.embed[level]), _linear(small.decoder.embed[level])
    embed.weight.zero_()
    embed.weight[:, :kept].copy_(before.weight[:, :kept])
    embed.weight[:, dim : dim + kept].copy_(before.weight[:, kept:])
    embed.bias.copy_(before.bias)
    if level:
        _pad(grown.decoder.predict[level - 1], small.decoder.predict[level - 1], kept)


def _pad(layer: nn.Module, before: nn.Module, kept: int) -> None:
    """The first `kept` rows of a layer are those of the one before, the others are zero."""
    for name, tensor in before.named_parameters():
        layer.get_parameter(name).zero_()
        layer.get_parameter(name)[:kept].copy_(tensor)


def _linear(layer: nn.Module) -> _Affine:
    """The weight and the bias of a linear layer or a convolution."""
    return _Affine(layer.get_parameter("weight"), layer.get_parameter("bias"))


def _copy_codebooks(grown: Networks, small: Networks) -> None:
    for was, now in _stages_kept(small.config, grown.config):
        book = grown.quantizer.codebook(now)
        book.zero_()
        before = small.quantizer.codebook(was)
        book[:, : before.shape[1]].copy_(before)


def _split_finest(grown: Networks, small: Networks, x: Tensor) -> None:
    """The new level predicts what `out` added in its blocks' space; `out` keeps the rest."""
    decoder, before = grown.decoder, small.decoder
    level = len(grown.config.levels) - 1
    new = list(decoder.transforms)[level]
    error = torch.cat([coded.error for lam in GRID[-2:] for coded in _coded(small, x, lam)])
    basis = klt(error, new.cell, new.dim)
    new.set_basis(basis)
    list(grown.encoder.transforms)[level].set_basis(basis)
    decoder.ups[level - 1].load_state_dict(before.up4.state_dict())
    decoder.before[level - 1].load_state_dict(before.last.state_dict())
    out, predict = _linear(before.out), _linear(decoder.predict[level - 1])
    predict.weight.copy_(torch.einsum("dk,kcij->dcij", basis, out.weight))
    predict.bias.copy_(basis @ out.bias)
    rest = (
        torch.eye(3 * STEM**2) - basis.T @ basis
    )  # (48, 48): the rows of the basis are orthonormal
    left = _linear(decoder.out)
    left.weight.copy_(torch.einsum("kl,lcij->kcij", rest, out.weight))
    left.bias.copy_(rest @ out.bias)
    for parameter in decoder.embed[level].parameters():
        parameter.zero_()


class _Remainders:
    """Codes a batch level by level, and keeps what the stages with codebooks leave of each level.

    Args:
        networks: the networks; a level without any codebook is not coded.
        x: pixels (N, 3, H, W) in [-1, 1].
        lam: λ of the search.
    """

    def __init__(self, networks: Networks, x: Tensor, lam: float) -> None:
        config = networks.config
        self.lam, self._quantizer = lam, networks.quantizer
        self._quality = config.quality_of(lam)
        self._latents = networks.encoder(x)
        self.left: list[Tensor] = []  # per level (N, h, w, D)
        stages = config.coded_stages(self._quality)
        condition = x.new_tensor([config.condition(self._quality, stages)]).expand(len(x), -1)
        self.error: Tensor = x - networks.decoder(condition, self._code, x.shape).pixels

    def _code(self, level: int, prediction: Tensor) -> Tensor | None:
        quantizer = self._quantizer
        e = (self._latents[level] - prediction).permute(0, 2, 3, 1)
        known = [s for s in quantizer.stages_of_level(level) if quantizer.codebook(s).any()]
        if not known:
            self.left.append(e)
            return None
        biases = [self.lam * quantizer.code_lengths(s, self._quality) for s in known]
        width = beam_width(EFFORT, level, quantizer.stages[known[-1]])
        codes = quantizer.search(known, e.flatten(0, 2), biases, width)
        r = quantizer.centroids(known, codes).view(e.shape)
        self.left.append(e - r)
        return r.permute(0, 3, 1, 2)


def _coded(networks: Networks, x: Tensor, lam: float) -> Iterator[_Remainders]:
    """The batches of a large one, coded at one λ."""
    for batch in x.split(8):
        yield _Remainders(networks, batch, lam)


def _new_codebooks(
    grown: Networks, old: ModelConfig, x: Tensor, generator: torch.Generator
) -> None:
    """Fit the codebooks of stages that the small model has not, level by level."""
    kept = {now for _, now in _stages_kept(old, grown.config)}
    quantizer, config = grown.quantizer, grown.config
    lambdas = tuple(lam for lam in (*GRID[2:], *FINE) if lam >= config.lambda_fine)
    for level in range(len(config.levels)):
        fresh = [s for s in quantizer.stages_of_level(level) if s not in kept]
        if not fresh:
            continue
        groups = [
            torch.cat([coded.left[level].flatten(0, 2) for coded in _coded(grown, x, lam)])
            for lam in lambdas
        ]
        for stage in fresh:
            book, bits = entropy_kmeans(
                groups,
                lambdas=lambdas,
                codes=quantizer.stages[stage].codes,
                zero=True,
                rounds=12,
                generator=generator,
            )
            quantizer.codebook(stage).copy_(book)
            for g, lam in enumerate(lambdas):
                codes = quantizer.search([stage], groups[g], [lam * bits[g]], 1)
                groups[g] = groups[g] - quantizer.centroids([stage], codes)
            quantizer.shares[:, stage].copy_(shares_by_range(bits, lambdas, config))
