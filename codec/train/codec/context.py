"""Fitting the context prior: which context vector, which centres, which tables.

The contexts are trained as floats, by gradient, in two phases: first so that a linear map of the
context vector predicts the code (multinomial logistic regression), then with M tables mixed by
distance to M centres, the mixing sharpened until one table is left. Then everything is rounded to
the integers of `bitstream.context`, and the tables are counted anew under those integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bitstream.context import CLIP, COARSE_PARTS, OWN_PARTS, ContextPrior, StageContext
from bitstream.prior import QUALITIES
from bitstream.tables import IntArray, Tables, frequencies_from_counts
from codec.networks.config import Stage, texture_stage
from codec.networks.pyramid import Networks
from codec.train.codec.coding import coded_mean
from codec.train.codec.texture import texture_codes
from codec.train.data import Crops

GOLDEN = (math.sqrt(5) - 1) / 2
FEATURE_SCALE, MAP_SCALE, SHIFT = 16, 256, 6  # context vectors come in units of 1/64
SILENT = 32  # of so many batches, one has no texture codes
SMOOTHING = 20.0  # counts of the stage's overall distribution added to each table


@dataclass(frozen=True)
class Sample:
    """Indices of N crops: per stage (N, h, w) uint8 or wider, and their qualities (N,)."""

    indices: list[Tensor]
    quality: Tensor

    def __len__(self) -> int:
        return len(self.quality)

    def part(self, which: Tensor | slice) -> Sample:
        """Some of the crops."""
        return Sample([grid[which] for grid in self.indices], self.quality[which])


@torch.inference_mode()
def collect(networks: Networks, crops: Crops, batches: int, first: int) -> Sample:
    """Code random crops at all qualities in turn, as the encoder would.

    Args:
        networks: trained networks, on any device.
        crops: the source; its batches first, first + 1, ... are taken.
        batches: how many.
        first: number of the first batch.
    """
    quantizer, textured = networks.quantizer, texture_stage(networks.config.stages)
    device = next(networks.parameters()).device
    grids: list[list[Tensor]] = [[] for _ in quantizer.stages]
    qualities = []
    for number in range(batches):
        quality = round(100 * (number * GOLDEN % 1))
        x = crops(first + number).to(device, memory_format=torch.channels_last)
        found: list[Tensor] = []
        with torch.autocast(device.type, dtype=torch.bfloat16):
            mean = coded_mean(networks, x, quality, found)
        if textured is not None:
            codes = texture_codes(networks, textured, x, mean.pixels, quality)
            found.insert(textured, codes * bool(number % SILENT))
        for stage, codes in enumerate(found):
            grids[stage].append(codes.to("cpu", torch.int16))
        qualities += [quality] * len(x)
    return Sample([torch.cat(grid) for grid in grids], torch.tensor(qualities))


def shifted(x: Tensor, down: int, right: int) -> Tensor:
    """x[:, y + down, x + right], zero outside; (N, H, W, R)."""
    padded = nn.functional.pad(x, (0, 0, 1, 1, 1, 1))
    rows, columns = x.shape[1:3]
    return padded[:, 1 + down : 1 + down + rows, 1 + right : 1 + right + columns]


def beside(x: Tensor) -> Tensor:
    """Left plus right neighbour."""
    return shifted(x, 0, -1) + shifted(x, 0, 1)


def above(x: Tensor) -> Tensor:
    """Upper plus lower neighbour."""
    return shifted(x, -1, 0) + shifted(x, 1, 0)


class Contexts(nn.Module):
    """The context vectors of `bitstream.context`, as floats to train or as integers to count.

    Args:
        stages: the quantizer's stages.
        length: R, features of a code.
        dim: D, length of a context vector.
        books: the codebooks; the features start from their principal components.
    """

    def __init__(self, stages: Sequence[Stage], length: int, dim: int, books: list[Tensor]) -> None:
        super().__init__()
        self.stages, self.dim = tuple(stages), dim
        levels = max(stage.level for stage in stages) + 1
        self.cells = [next(s.cell for s in stages if s.level == level) for level in range(levels)]
        self.curves: list[Tensor] = []  # rounded by quality (101, D), in place of the polynomials
        self.features = nn.ParameterList(nn.Parameter(start(book, length)) for book in books)
        self.own = nn.ParameterList()
        self.coarse = nn.ParameterList()
        self.place = nn.ParameterList()
        self.quality = nn.ParameterList()
        for stage in stages:
            side = self.cells[0] // stage.cell
            self.own.append(0.15 * torch.randn(OWN_PARTS, length, dim))
            self.coarse.append(0.15 * torch.randn(stage.level, COARSE_PARTS, length, dim))
            self.place.append(torch.zeros(side, side, dim))
            self.quality.append(0.3 * torch.randn(4, dim))  # coefficients of 1, q, q², q³

    def curve(self, stage: int, quality: Tensor) -> Tensor:
        """The part of the vector that the quality decides: (N, D)."""
        if self.curves:
            return self.curves[stage][quality.long()]
        q = quality.to(self.quality[stage].dtype)[:, None] / 50 - 1
        return torch.cat([torch.ones_like(q), q, q**2, q**3], dim=1) @ self.quality[stage]

    def forward(
        self, sample: Sample, units: Callable[[Tensor], Tensor] | None = None
    ) -> list[Tensor]:
        """Context vectors of every symbol: per stage (N, h, w, D).

        Args:
            sample: the indices.
            units: rounds and clips vectors, where the parameters are integers; None for floats.
        """
        sums: dict[int, Tensor] = {}
        vectors = []
        for number, stage in enumerate(self.stages):
            found = self.features[number][sample.indices[number].long()]  # (N, h, w, R)
            rows, columns = found.shape[1:3]
            own = sums.get(stage.level, torch.zeros_like(found))
            odd = (torch.arange(rows)[:, None] + torch.arange(columns)) % 2
            current = (beside(found) + above(found)) * odd[None, :, :, None]
            parts = [own, beside(own), above(own), above(beside(own)), current]
            vector = sum(part @ self.own[number][k] for k, part in enumerate(parts))
            side = self.place[number].shape[0]
            y, x = torch.arange(rows), torch.arange(columns)
            vector = vector + self.place[number][y[:, None] % side, x % side]
            vector = vector + self.curve(number, sample.quality)[:, None, None]
            for coarser in range(stage.level):
                ratio = self.cells[coarser] // stage.cell
                up = sums[coarser][:, y // ratio][:, :, x // ratio]
                nearer_x = torch.where(
                    (x % ratio * 2 >= ratio)[:, None],
                    shifted(sums[coarser], 0, 1)[:, y // ratio][:, :, x // ratio],
                    shifted(sums[coarser], 0, -1)[:, y // ratio][:, :, x // ratio],
                )
                nearer_y = torch.where(
                    (y % ratio * 2 >= ratio)[:, None, None],
                    shifted(sums[coarser], 1, 0)[:, y // ratio][:, :, x // ratio],
                    shifted(sums[coarser], -1, 0)[:, y // ratio][:, :, x // ratio],
                )
                for k, part in enumerate((up, nearer_x, nearer_y)):
                    vector = vector + part @ self.coarse[number][coarser, k]
            vectors.append(units(vector) if units else vector)
            sums[stage.level] = own + found
        return vectors


def start(book: Tensor, length: int) -> Tensor:
    """First features of a stage's codes: principal components, size, whether it is not code 0."""
    centred = book - book.mean(0)
    axes = torch.linalg.svd(centred, full_matrices=False)[2][: length - 2]
    spread = centred @ axes.T
    features = torch.zeros(len(book), length)
    features[:, : spread.shape[1]] = 0.5 * spread / spread.std()
    features[:, -2] = book.norm(dim=1) / book.norm(dim=1).mean()
    features[1:, -1] = 1
    return features + 0.02 * torch.randn_like(features)


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
                logits = vector.flatten(0, 2) @ w + b
                total = total + nn.functional.cross_entropy(
                    logits, grid.flatten().long(), reduction="sum"
                )
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
                weight = (-tau * distance(vector.flatten(0, 2), self.centres[number])).softmax(1)
                likely = self.logits[number].softmax(1).T[part.indices[number].flatten().long()]
                total = total - (weight * likely).sum(1).add(1e-12).log2().sum()
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

        def units(vector: Tensor) -> Tensor:
            return torch.floor(vector / 2**SHIFT).clamp(-CLIP, CLIP)

        return [
            distance(vector.flatten(0, 2), centre).argmin(1).view(vector.shape[:3])
            for vector, centre in zip(whole(sample, units), centres, strict=True)
        ]

    @torch.no_grad()
    def prior(self, sample: Sample) -> ContextPrior:
        """Round to integers and count the tables under them."""
        stages = self.contexts.stages
        counts = [torch.zeros(self.count, stage.codes) for stage in stages]
        for first in range(0, len(sample), 256):
            part = sample.part(slice(first, first + 256))
            for count, ids, grid in zip(counts, self.table_ids(part), part.indices, strict=True):
                place = (ids * count.shape[1] + grid).flatten()
                count.view(-1).index_add_(0, place, torch.ones(len(place)))

        def integers(tensor: Tensor) -> IntArray:
            return tensor.numpy().astype(np.int32)

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
