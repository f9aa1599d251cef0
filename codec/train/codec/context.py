"""Fitting the context prior: which context vector, which centres, which tables.

The contexts are trained as floats, by gradient, in two phases: first so that a linear map of the
context vector predicts the code (multinomial logistic regression), then with M tables mixed by
distance to M centres, the mixing sharpened until one table is left. Then everything is rounded to
the integers of `bitstream.context`, and the tables are counted anew under those integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from bitstream.context import CLIP, ContextPrior, StageContext
from bitstream.prior import QUALITIES
from bitstream.tables import IntArray, Tables, frequencies_from_counts
from codec.networks.config import Stage
from codec.train.codec.context_vectors import Contexts
from codec.train.codec.sample import Sample

FEATURE_SCALE, MAP_SCALE, SHIFT = 16, 256, 6  # context vectors come in units of 1/64
SMOOTHING = 20.0  # counts of the stage's overall distribution added to each table
SYMBOLS = 1 << 14  # symbols of a stage whose bits a step of a fit counts, drawn anew each step


class Fit:
    """A fit in progress: contexts, centres and tables of all stages."""

    def __init__(
        self, stages: Sequence[Stage], books: list[Tensor], tables: int, length: int, dim: int
    ) -> None:
        torch.manual_seed(0)
        self.contexts = Contexts(stages, length, dim, books)
        self.count = tables
        self.centres = nn.ParameterList()
        self.logits = nn.ParameterList()

    def linear(self, sample: Sample, epochs: float, batch: int = 64) -> float:
        """Phase 1: contexts whose linear map predicts the codes; returns bits a crop.

        Afterwards the vectors are scaled so that distances between them are differences between the
        distributions they predict (half the squared distance is about the divergence in nats).
        """
        stages = self.contexts.stages
        weights = nn.ParameterList(0.05 * torch.randn(self.contexts.dim, s.codes) for s in stages)
        shares = [
            torch.bincount(grid.flatten().int(), minlength=s.codes) + 0.5
            for grid, s in zip(sample.indices, stages, strict=True)
        ]
        biases = nn.ParameterList((share / share.sum()).log() for share in shares)

        def bits(part: Sample, _: float) -> Tensor:
            total = torch.zeros(())
            for vector, w, b, grid in zip(
                self.contexts(part), weights, biases, part.indices, strict=True
            ):
                points, codes, each = drawn(vector, grid)
                nats = nn.functional.cross_entropy(points @ w + b, codes, reduction="sum")
                total = total + each * nats
            return total / math.log(2) / len(part)

        groups = [
            {"params": list(self.contexts.parameters()), "lr": 0.01},
            {"params": [*weights, *biases], "lr": 0.02},
        ]
        final = descend(bits, groups, sample, epochs, batch)
        with torch.no_grad():
            for number, (w, b) in enumerate(zip(weights, biases, strict=True)):
                p = b.softmax(0)
                centred = w - (w * p).sum(1, keepdim=True)
                values, axes = torch.linalg.eigh((centred * p) @ centred.T)
                scale = axes * values.clamp_min(1e-6).sqrt()
                for group in ("own", "coarse", "place", "quality"):
                    getattr(self.contexts, group)[number].copy_(
                        getattr(self.contexts, group)[number] @ scale
                    )
        return final

    @torch.no_grad()
    def cluster(self, sample: Sample, rounds: int = 15) -> None:
        """Centres by k-means on the context vectors, tables by counting; between the two phases."""
        self.centres, self.logits = nn.ParameterList(), nn.ParameterList()
        generator = torch.Generator().manual_seed(0)
        for vector, grid, stage in zip(
            self.contexts(sample), sample.indices, self.contexts.stages, strict=True
        ):
            points, codes = vector.flatten(0, 2), grid.flatten().long()
            some = torch.randperm(len(points), generator=generator)[:60_000]
            points, codes = points[some], codes[some]
            centres = points[: self.count].clone()
            for _ in range(rounds):
                nearest = distance(points, centres).argmin(1)
                size = torch.bincount(nearest, minlength=self.count)
                total = torch.zeros_like(centres).index_add_(0, nearest, points)
                centres[size > 0] = total[size > 0] / size[size > 0, None]
                rare = size < 20
                centres[rare] = points[
                    torch.randint(len(points), (int(rare.sum()),), generator=generator)
                ]
            nearest = distance(points, centres).argmin(1)
            counts = torch.zeros(self.count, stage.codes)
            counts.view(-1).index_add_(0, nearest * stage.codes + codes, torch.ones(len(codes)))
            self.centres.append(centres)
            self.logits.append(smooth(counts).log().float())

    def mix(
        self,
        sample: Sample,
        epochs: float,
        batch: int = 64,
        sharpness: tuple[float, float] = (4, 60),
    ) -> float:
        """Phase 2: centres, tables and contexts together, ever less mixed; returns bits a crop."""

        def bits(part: Sample, progress: float) -> Tensor:
            tau = sharpness[0] * (sharpness[1] / sharpness[0]) ** progress
            total = torch.zeros(())
            for number, vector in enumerate(self.contexts(part)):
                points, codes, each = drawn(vector, part.indices[number])
                weight = (-tau * distance(points, self.centres[number])).softmax(1)
                likely = self.logits[number].softmax(1).T[codes]
                total = total - each * (weight * likely).sum(1).add(1e-12).log2().sum()
            return total / len(part)

        groups = [
            {"params": list(self.logits), "lr": 0.03},
            {"params": [*self.contexts.parameters(), *self.centres], "lr": 0.003},
        ]
        return descend(bits, groups, sample, epochs, batch)

    def rounded(self) -> tuple[Contexts, list[Tensor], list[Tensor]]:
        """Contexts and centres as integers in float64; the quality's part (101, D) per stage."""
        floats = self.contexts
        length = floats.features[0].shape[1]
        whole = Contexts(floats.stages, length, floats.dim, list(floats.features)).double()
        both = FEATURE_SCALE * MAP_SCALE
        units = {"features": FEATURE_SCALE, "own": MAP_SCALE, "coarse": MAP_SCALE, "place": both}
        for group, unit in units.items():
            for target, source in zip(getattr(whole, group), getattr(floats, group), strict=True):
                target.copy_((source * unit).round())
        qualities = torch.arange(QUALITIES)
        curves = [
            (floats.curve(number, qualities) * both).round().double()
            for number in range(len(floats.stages))
        ]
        whole.curves = curves
        centres = [
            (centre.double() * (both >> SHIFT)).round().clamp(-CLIP, CLIP)
            for centre in self.centres
        ]
        return whole, centres, curves

    @torch.no_grad()
    def table_ids(self, sample: Sample) -> list[Tensor]:
        """The tables that `ContextPrior` will choose for every symbol: per stage (N, h, w)."""
        whole, centres, _ = self.rounded()
        return [
            distance(vector.flatten(0, 2), centre).argmin(1).view(vector.shape[:3])
            for vector, centre in zip(whole(sample, clipped), centres, strict=True)
        ]

    @torch.no_grad()
    def prior(self, sample: Sample) -> ContextPrior:
        """Round to integers and count the tables under them."""
        stages = self.contexts.stages
        counts = [torch.zeros(self.count, stage.codes) for stage in stages]
        for first in range(0, len(sample), 32):
            part = sample.part(slice(first, first + 32))
            for count, ids, grid in zip(counts, self.table_ids(part), part.indices, strict=True):
                place = (ids * count.shape[1] + grid).flatten()
                count.view(-1).index_add_(0, place, torch.ones(len(place)))

        whole, centres, curves = self.rounded()
        contexts = [
            StageContext(
                own=integers(whole.own[s]),
                coarse=integers(whole.coarse[s]),
                place=integers(whole.place[s]),
                quality=integers(curves[s]),
                centres=integers(centres[s]),
                tables=Tables(
                    frequencies_from_counts((smooth(counts[s]).double() * 2**30).long().numpy())
                ),
            )
            for s in range(len(stages))
        ]
        features = [integers(feature) for feature in whole.features]
        return ContextPrior(tuple(stage.cell for stage in stages), features, contexts, SHIFT)


def drawn(vectors: Tensor, grid: Tensor) -> tuple[Tensor, Tensor, float]:
    """Some symbols of a stage: context vectors (n, D), codes (n,), and how many each stands for."""
    points, codes = vectors.flatten(0, 2), grid.flatten().long()
    if len(points) <= SYMBOLS:
        return points, codes, 1.0
    some = torch.randint(len(points), (SYMBOLS,))
    return points[some], codes[some], len(points) / SYMBOLS


def clipped(vector: Tensor) -> Tensor:
    """Context vectors in the units and the range of `bitstream.context`, whole numbers."""
    return torch.floor(vector / 2**SHIFT).clamp(-CLIP, CLIP)


def integers(tensor: Tensor) -> IntArray:
    """Whole numbers in a tensor of any type, as int32."""
    return tensor.numpy().astype(np.int32)


def distance(points: Tensor, centres: Tensor) -> Tensor:
    """Squared distances less the points' own squares: (n, M)."""
    return torch.addmm(centres.square().sum(1), points, centres.T, alpha=-2)


def smooth(counts: Tensor) -> Tensor:
    """Rows of counts to distributions, drawn towards the distribution of all rows together."""
    overall = counts.sum(0) + 0.5
    drawn = counts + SMOOTHING * overall / overall.sum()
    return drawn / drawn.sum(1, keepdim=True)


def descend(
    bits: Callable[[Sample, float], Tensor],
    groups: list[dict[str, object]],
    sample: Sample,
    epochs: float,
    batch: int,
) -> float:
    """Minimize bits(batch, progress) by Adam; returns the mean of the last tenth."""
    optimizer = torch.optim.Adam(groups)
    peaks = [group["lr"] for group in optimizer.param_groups]
    each = max(1, len(sample) // batch)
    steps = max(1, int(epochs * each))
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(sample), generator=generator)
    last = []
    for step in range(steps):
        if step % each == 0:
            order = torch.randperm(len(sample), generator=generator)
        first = step % each * batch
        progress = step / steps
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = (
                peak * (0.03 + 0.485 * (1 + math.cos(math.pi * progress))) * min(1, (step + 1) / 20)
            )
        loss = bits(sample.part(order[first : first + batch]), progress)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if progress >= 0.9:
            last.append(loss.item())
    return sum(last) / max(1, len(last))
