"""Does a search under the context prior's own code lengths save bytes?

The encoder's search takes each code's length from its share (static). Here a level's codes are
first searched so, then once more with −log2 p of the table that the context prior gives each place;
or stage by stage in coding order (greedy). Real files are compared at equal PSNR (realism 0) with
the files of static tables. The rows "fine-tuned" of the committed result are of a model whose
training went on with the second search in it; the script of that training is in its commit.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.harness import Benchmark, Nothing, Run
from benchmarks.inputs import ModelOnPhotographs
from bitstream import container, stream
from bitstream.context import CLIP, ContextPrior
from bitstream.header import Header
from bitstream.prior import Prior
from codec.images.strips import Strips
from codec.models.torch_model import torch_engine
from codec.networks.pyramid import Networks
from codec.networks.quantizer import ResidualQuantizer, smallest
from codec.report.bjontegaard import bd_rate
from codec.runtime.model import CodecModel
from codec.train.codec.context import distance
from codec.train.codec.context_vectors import above, beside, shifted
from codec.train.codec.export import static_prior

QUALITIES = (5, 20, 35, 50, 65, 80, 95)
RANGE = 0.03, 0.35  # bits per pixel of the comparison
EFFORT = 5
PARTIAL_SUMS = 4096  # partial sums searched at once


class Lengths:
    """−log2 p of all codes under a context prior, for batches of crops, in float32.

    Args:
        prior: the tables.
    """

    def __init__(self, prior: Prior) -> None:
        if not isinstance(prior, ContextPrior):
            raise SystemExit("the model has no context prior")
        self.prior = prior
        self.features = [torch.from_numpy(f).float() for f in prior.features]
        self.bits = [torch.from_numpy(c.tables.bits).float() for c in prior.contexts]
        self.sums: dict[int, Tensor] = {}  # of the levels that are done

    def table_ids(
        self, stages: Sequence[int], codes: Sequence[Tensor], quality: int
    ) -> list[Tensor]:
        """Tables of a level's stages, given all its codes (N, h, w); remembers its feature sums."""
        level = self.prior.levels[stages[0]]
        own = torch.zeros(*codes[0].shape, self.features[0].shape[1])
        rows, columns = codes[0].shape[1:]
        odd = ((torch.arange(rows)[:, None] + torch.arange(columns)) % 2)[None, :, :, None]
        found = []
        for stage, grid in zip(stages, codes, strict=True):
            maps = self.prior.contexts[stage]
            here = self.features[stage][grid]
            sides = beside(own)
            vector = self._before(stage, rows, columns, quality)
            parts = (own, sides, above(own), above(sides), (beside(here) + above(here)) * odd)
            for part, matrix in zip(parts, torch.from_numpy(maps.own).float(), strict=True):
                vector = vector + part @ matrix
            vector = torch.floor(vector / 2**self.prior.shift).clamp_(-CLIP, CLIP)
            centres = torch.from_numpy(maps.centres).float()
            found.append(distance(vector.flatten(0, 2), centres).argmin(1).view(grid.shape))
            own = own + here
        self.sums[level] = own
        return found

    def _before(self, stage: int, rows: int, columns: int, quality: int) -> Tensor:
        maps, cells = self.prior.contexts[stage], self.prior.cells
        side = maps.place.shape[0]
        y, x = torch.arange(rows), torch.arange(columns)
        vector = torch.from_numpy(maps.place).float()[y[:, None] % side, x % side][None]
        vector = vector + torch.from_numpy(maps.quality[quality]).float()
        for level in range(self.prior.levels[stage]):
            ratio = cells[self.prior.levels.index(level)] // cells[stage]
            sums = self.sums[level]

            def nearer(down: int, right: int, sums: Tensor = sums, ratio: int = ratio) -> Tensor:
                return shifted(sums, down, right)[:, y // ratio][:, :, x // ratio]

            later_x = (x % ratio * 2 >= ratio)[:, None]
            later_y = (y % ratio * 2 >= ratio)[:, None, None]
            parts = (
                nearer(0, 0),
                torch.where(later_x, nearer(0, 1), nearer(0, -1)),
                torch.where(later_y, nearer(1, 0), nearer(-1, 0)),
            )
            for part, matrix in zip(parts, torch.from_numpy(maps.coarse[level]), strict=True):
                vector = vector + part @ matrix.float()
        return vector


@dataclass(frozen=True)
class Search:
    """How the encoder searches after its first, statically priced search of a level."""

    sweeps: int = 0  # searches of all places with the prior's lengths
    colours: bool = False  # ... of the two colours of the checkerboard one after the other
    greedy: bool = False  # anew, stage by stage in coding order, each code by what it then costs


class ContextualQuantizer(ResidualQuantizer):
    """The quantizer with another search; whoever searches sets the quality first."""

    how: Search
    lengths: Lengths
    grids: list[tuple[int, int]]  # rows and columns of the levels of what is coded
    quality: float
    lambdas: Any

    @classmethod
    def of(
        cls, networks: Networks, how: Search, lengths: Lengths, height: int, width: int
    ) -> "ContextualQuantizer":
        """One with the parameters of networks, for images or crops of this size."""
        quantizer: Any = cls.__new__(cls)
        quantizer.__dict__ = dict(networks.quantizer.__dict__)  # the parameters themselves
        quantizer.how, quantizer.lengths = how, lengths
        quantizer.lambdas = networks.config.lambda_at
        levels = networks.config.levels
        quantizer.grids = [(-(-height // level.cell), -(-width // level.cell)) for level in levels]
        made: ContextualQuantizer = quantizer
        return made

    @torch.no_grad()
    def search(
        self, stages: Sequence[int], latent: Tensor, biases: Sequence[Tensor], width: int
    ) -> Tensor:
        """See `ResidualQuantizer.search`; the latents are those of whole images or crops."""
        codes = super().search(stages, latent, biases, width)
        rows, columns = self.grids[self.stages[stages[0]].level]
        shape = (-1, rows, columns)
        lam = self.lambdas(self.quality)
        odd = (torch.arange(rows)[:, None] + torch.arange(columns)) % 2
        odd = odd.expand(len(latent) // odd.numel(), -1, -1).flatten()

        def costs(at: Tensor) -> list[Tensor]:
            grids = [codes[:, k].view(shape) for k in range(len(stages))]
            tables = self.lengths.table_ids(stages, grids, round(self.quality))
            return [
                lam * self.lengths.bits[stage][table.flatten()[at]]
                for stage, table in zip(stages, tables, strict=True)
            ]

        with torch.autocast(latent.device.type, enabled=False):
            if self.how.greedy:
                codes, rest = torch.zeros_like(codes), latent.clone()
                for k, stage in enumerate(stages):
                    for colour in (0, 1):
                        at = (odd == colour).nonzero()[:, 0]
                        codes[at, k] = self._joint([stage], rest[at], [costs(at)[k]], 1)[:, 0]
                    rest -= self.codebook(stage)[codes[:, k]]
            for _ in range(self.how.sweeps):
                for colours in ((0,), (1,)) if self.how.colours else ((0, 1),):
                    at = torch.isin(odd, torch.tensor(colours)).nonzero()[:, 0]
                    codes[at] = self._joint(stages, latent[at], costs(at), width)
            costs(odd[:0])  # what the next level's contexts see
        return codes

    def _joint(
        self, stages: Sequence[int], latent: Tensor, lengths: Sequence[Tensor], width: int
    ) -> Tensor:
        """The beam search where every vector has code lengths of its own, (n, K) a stage."""
        found = []
        for first in range(0, len(latent), PARTIAL_SUMS // width):
            rest = latent[first : first + PARTIAL_SUMS // width, None]
            cost = rest.new_zeros(rest.shape[:2])
            codes = rest.new_zeros((len(rest), 1, 0), dtype=torch.int64)
            for stage, length in zip(stages, lengths, strict=True):
                book = self.codebook(stage)
                score = torch.addmm(book.square().sum(1), rest.flatten(0, 1), book.T, alpha=-2)
                score = score.view(*rest.shape[:2], -1) + cost[..., None]
                score += length[first : first + len(rest), None]
                cost, pick = smallest(score.flatten(1), width)
                parent, code = pick // len(book), pick % len(book)
                rest = rest.gather(1, parent[..., None].expand(-1, -1, rest.shape[2])) - book[code]
                codes = codes.gather(1, parent[..., None].expand(-1, -1, codes.shape[2]))
                codes = torch.cat([codes, code[..., None]], dim=2)
            found.append(codes[:, 0])
        return torch.cat(found)


def code(
    model: CodecModel, image: NDArray[np.uint8], quality: int, priors: Sequence[Prior]
) -> tuple[list[int], float]:
    """Bytes of an image's files with each prior, and its squared error at realism 0, of 255²."""
    height, width = image.shape[:2]
    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    indices = model.quantize(
        model.analyze(Strips([image]), 1 << 14), quality, effort=EFFORT
    ).indices
    header = Header(width, height, quality, len(indices), model.fingerprint)
    sizes = [
        len(container.write(header, stream.encode_indices(indices, prior, header), {}))
        for prior in priors
    ]
    y = torch.from_numpy(model.synthesize(indices, quality, height, width)).mul(255).round()
    return sizes, float((y - x).square().mean())


def curve(
    model: CodecModel, images: Sequence[NDArray[np.uint8]], how: Search | None, priors: list[Prior]
) -> tuple[list[list[float]], list[float], float]:
    """Mean bits per pixel with each prior and PSNR by quality, and seconds an image."""
    lengths, networks = Lengths(model.prior), torch_engine(model).networks
    plain = networks.quantizer
    bpp = np.zeros((len(priors), len(QUALITIES)))
    psnr = np.zeros(len(QUALITIES))
    began = time.process_time()
    for image in images:
        if how:
            networks.quantizer = plain
            networks.quantizer = ContextualQuantizer.of(networks, how, lengths, *image.shape[:2])
        for number, quality in enumerate(QUALITIES):
            if isinstance(networks.quantizer, ContextualQuantizer):
                networks.quantizer.quality = quality
            sizes, error = code(model, image, quality, priors)
            bpp[:, number] += np.array(sizes) * 8 / image[..., 0].size / len(images)
            psnr[number] += 10 * np.log10(255**2 / error) / len(images)
    seconds = (time.process_time() - began) / len(images) / len(QUALITIES)
    networks.quantizer = plain
    return bpp.tolist(), psnr.tolist(), seconds


@torch.inference_mode()
def measure(run: Run, inputs: ModelOnPhotographs, settings: Nothing) -> dict[str, Any]:
    """Rate, PSNR, BD-rate and time of what was tried."""
    torch.set_num_threads(1)
    images = [np.asarray(image) for image in inputs.photographs.images()]
    model = inputs.model.load()
    tried: dict[str, tuple[CodecModel, Search | None]] = {
        "joint search, static prices (packaged)": (model, None),
        "greedy in coding order, contextual lengths": (model, Search(greedy=True)),
        "joint, then one contextual sweep": (model, Search(sweeps=1)),
        "joint, then two contextual sweeps by colours": (model, Search(sweeps=2, colours=True)),
    }
    rows: dict[str, Any] = {}
    anchor: tuple[list[float], list[float]] | None = None
    for name, (network, how) in tried.items():
        static = static_prior(torch_engine(network).networks)
        priors = [network.prior] if anchor else [network.prior, static]
        bpp, psnr, seconds = curve(network, images, how, priors)
        if anchor is None:
            anchor = bpp[1], psnr
            rows["static tables"] = {"bpp": bpp[1], "psnr-rgb": psnr}
        percent = bd_rate(bpp[0], psnr, *anchor, within=RANGE)
        rows[name] = {
            "bpp": bpp[0],
            "psnr-rgb": psnr,
            "bd_rate_percent": None if percent is None else round(percent, 2),
            "cpu_seconds": round(seconds, 3),
        }
        run.say(f"{name} {rows[name]['bd_rate_percent']} {seconds:.3f}")
    return {"qualities": QUALITIES, "rows": rows}


BENCHMARK = Benchmark(ModelOnPhotographs, Nothing, measure, result="context_search.json")
