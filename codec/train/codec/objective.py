"""One training step's forward pass: term C plus λ·rate through the straight-through quantizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from codec.lagrangian import squared_error
from codec.networks.config import beam_width, quality_range
from codec.networks.pyramid import Networks
from codec.train.kernels.search import search

START = 4.0  # uses of each code that the running means begin with


@dataclass
class Used:
    """What a stage did in a step: how often each code was used, and for what in sum."""

    stage: int
    count: Tensor  # (K,) float32
    total: Tensor  # (K, D): sums of what the other stages left to the vectors that use a code


@dataclass
class Outcome:
    """Losses of a step, all per batch: scalars, with the stages' usage for the statistics."""

    loss: Tensor
    mse: Tensor  # per pixel and channel, pixels in [-1, 1]
    bits: Tensor  # per pixel, under the running statistics
    used: list[Used]


class StraightThrough:
    """Quantizes a batch level by level, with gradients to the encoder; see `Objective` and `Code`.

    Args:
        networks: as they are trained.
        latents: per level (N, D, h, w), what the encoder made of the batch.
        quality: 0..100.
        stages: how many stages are coded.
        effort: of the search, 1..9.

    Attributes:
        used: what the stages did, in coding order.
        bits: of all codes, under the running statistics, a scalar.
        pull: squared distances between latents and their quantizations, both ways, a scalar.
    """

    def __init__(
        self,
        networks: Networks,
        latents: Sequence[Tensor],
        quality: float,
        stages: int,
        effort: int,
    ) -> None:
        quantizer = networks.quantizer
        self._networks, self._latents = networks, latents
        self._lambda, self._stages, self._effort = (
            networks.config.lambda_at(quality),
            stages,
            effort,
        )
        self._lengths = [quantizer.code_lengths(s, quality) for s in range(len(quantizer.stages))]
        self.used: list[Used] = []
        self.bits = self.pull = latents[0].new_zeros((), dtype=torch.float32)

    def __call__(self, level: int, prediction: Tensor) -> Tensor | None:
        """The quantized remainder of a level, from its prediction (N, D, h, w)."""
        stages = self._networks.quantizer.stages_of_level(level)
        here = [stage for stage in stages if stage < self._stages]
        if not here and self._networks.decoder.optional[level]:
            return None
        y = self._latents[level]
        with torch.no_grad():
            e = (y - prediction).permute(0, 2, 3, 1)  # (N, h, w, D)
            r = self._quantized(level, here, e) if here else torch.zeros_like(e)
            kept = ((r * e).sum(3) / e.square().sum(3).clamp_min(1e-9)).clamp_(0, 1)[:, None]
            r = r.permute(0, 3, 1, 2)
            target = prediction + r
        to_target = (y - target).square().sum()
        self.pull = self.pull + to_target + (y.detach() - prediction - r).square().sum()
        return r + kept * (y - y.detach())

    def _quantized(self, level: int, here: Sequence[int], e: Tensor) -> Tensor:
        """The sum of a level's centroids (N, h, w, D) that is nearest to e."""
        quantizer = self._networks.quantizer
        flat = e.reshape(-1, e.shape[3]).float().contiguous()
        biases = [self._lambda * self._lengths[s] for s in here]
        width = beam_width(self._effort, level, quantizer.stages[self._stages - 1])
        codes = search(quantizer, here, flat, biases, width)
        r = quantizer.centroids(here, codes)
        rest = flat - r
        for s, index in zip(here, codes.unbind(1), strict=True):
            book = quantizer.codebook(s)
            count = torch.bincount(index, minlength=len(book)).float()
            total = (count[:, None] * book).index_add_(0, index, rest)
            self.used.append(Used(s, count, total))
            self.bits = self.bits + count @ self._lengths[s]
        return r.view(e.shape)


class Objective(nn.Module):
    """Term C, −log p(x|ẑ) of a Gaussian up to constants, plus commitment; rate by assignment.

    The quantizer passes gradients to the encoder in proportion to what it kept: with e the
    latent's remainder and r its quantization, ∂r/∂e := clamp(⟨r, e⟩ / ⟨e, e⟩, 0, 1). A remainder
    coded as zero tells the encoder nothing; one coded finely passes straight through.
    """

    def __init__(self, networks: Networks, commitment: float, balance: float, effort: int) -> None:
        super().__init__()
        self.networks = networks
        self.commitment, self.balance, self.effort = commitment, balance, effort

    def forward(self, x: Tensor, quality: float, stages: int) -> Outcome:
        """Losses of a batch (N, 3, H, W) in [-1, 1] at one quality, with the first stages only."""
        networks, config = self.networks, self.networks.config
        code = StraightThrough(networks, networks.encoder(x), quality, stages, self.effort)
        condition = x.new_tensor([config.condition(quality, stages)]).expand(len(x), -1)
        mean = networks.decoder(condition, code, x.shape)
        mse = squared_error(x, mean.pixels)
        distance = mse + self.commitment * code.pull / x.numel()
        loss = (0.2 / config.lambda_at(quality)) ** self.balance * distance
        return Outcome(loss, mse.detach(), code.bits / (x.numel() // x.shape[1]), code.used)


class Statistics:
    """Running means: the codebooks (van den Oord 2017, appendix) and the shares of their codes."""

    def __init__(self, networks: Networks, decay: float) -> None:
        self.quantizer = networks.quantizer
        self.decay = decay
        books = [self.quantizer.codebook(n) for n in range(len(self.quantizer.stages))]
        self.counts = [book.new_full(book.shape[:1], START) for book in books]
        self.sums = [START * book for book in books]

    @torch.no_grad()
    def update(self, used: list[Used], quality: float) -> None:
        """Fold a step's usage into the codebooks and the shares of the step's quality range."""
        shares = self.quantizer.shares[quality_range(quality)]  # (S, K)
        for u in used:
            stage, count, total = self.quantizer.stages[u.stage], u.count, u.total
            if torch.distributed.is_initialized():
                torch.distributed.all_reduce(count)
                torch.distributed.all_reduce(total)
            self.counts[u.stage].lerp_(count, 1 - self.decay)
            self.sums[u.stage].lerp_(total, 1 - self.decay)
            book = self.quantizer.codebook(u.stage)
            alive = self.counts[u.stage] > 1e-3
            alive[0] &= u.stage == 0  # code 0 stays the zero vector
            book[alive] = self.sums[u.stage][alive] / self.counts[u.stage][alive, None]
            shares[u.stage, : stage.codes].lerp_(
                (count + 0.02) / (count.sum() + 0.02 * stage.codes), 1 - self.decay
            )

    def state_dict(self) -> dict[str, list[Tensor]]:
        """What a checkpoint keeps."""
        return {"counts": self.counts, "sums": self.sums}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        """Take over what `state_dict` returned."""
        self.counts, self.sums = state["counts"], state["sums"]
