"""What would a network save where the context prior has integer tables: how much is left?

For each stage a network in float sees all that a decoder knows before the code: the sums of the
level's centroids so far and of the coarser levels in a field of 5 x 5, the current stage's even
places at the odd ones, the quality, and (what no exact decoder may use) the decoder's own features
and prediction at the level. One hidden layer of 128; trained on crops of the training shards,
counted on crops of the validation shards beside the tables of the packaged prior.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, Missing, Model, Shards
from bitstream.header import Header
from bitstream.stream import ideal_bits
from codec.models.torch_model import torch_engine
from codec.runtime.model import CodecModel
from codec.train.codec.coding import BatchCoder
from codec.train.data import Crops, Pool, load_images

QUALITIES = (10, 30, 50, 70, 90)
GOLDEN = (math.sqrt(5) - 1) / 2
BATCH, CROP, VALIDATION = 8, 160, 16  # crops, pixels a side, batches counted
WIDTH, FIELD, RATE = 128, 5, 1.5e-3


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        shards: folder of train-*.tar and val-*.tar.
        model: name or folder of a model.
    """

    shards: Shards
    model: Model = PACKAGED


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        steps: of the training of the networks.
    """

    steps: int = 1200


class Level(nn.Module):
    """The networks of a level's stages.

    Args:
        channels: of what is known before the level's stages.
        dim: of its latents.
        shares: of the codes of its stages, (K,) each.
    """

    def __init__(self, channels: int, dim: int, shares: list[Tensor]) -> None:
        super().__init__()
        self.before = nn.Conv2d(channels, WIDTH, FIELD, padding=FIELD // 2)
        self.current = nn.ModuleList(
            nn.Conv2d(dim, WIDTH, FIELD, padding=FIELD // 2, bias=False) for _ in shares
        )
        self.hidden = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 1) for _ in shares)
        self.logits = nn.ModuleList(nn.Conv2d(WIDTH, len(share), 1) for share in shares)
        for layer, share in zip(self.logits, shares, strict=True):
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None  # noqa: S101
            layer.bias.data.copy_(share.clamp_min(1e-5).log())
            layer.weight.data.mul_(0.3)

    def forward(self, stage: int, known: Tensor, even: Tensor, odd: Tensor) -> Tensor:
        """Logits (N, K, h, w) of the level's stage of this number."""
        x = self.before(known) + odd * self.current[stage](even)
        gelu = nn.functional.gelu
        logits: Tensor = self.logits[stage](gelu(self.hidden[stage](gelu(x))))
        return logits


class Networks(nn.Module):
    """All levels, for a codec."""

    def __init__(self, model: CodecModel) -> None:
        super().__init__()
        self.model = model
        self.networks = torch_engine(model).networks
        quantizer, levels = self.networks.quantizer, model.config.levels
        w8, w16 = model.config.decoder[1:3]
        self.levels = nn.ModuleList()
        for number, level in enumerate(levels):
            known = 2 * level.dim + 5 + sum(other.dim for other in levels[:number])
            shares = [
                quantizer.shares[4, s, : level.codes].clone()
                for s in quantizer.stages_of_level(number)
            ]
            self.levels.append(Level(known + (0, w16, w8)[number], level.dim, shares))

    @torch.no_grad()
    def code(self, x: Tensor, quality: int) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Codes of a batch, and per level the decoder's prediction and features."""
        networks, seen = self.networks, list[list[Tensor]]()
        decoder, stages = networks.decoder, len(networks.quantizer.stages)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            coder = BatchCoder(networks, networks.encoder(x), quality)
            state = [self.model.config.condition(quality, stages)]
            c = decoder.condition(torch.tensor(state).expand(len(x), -1))
            pixels = torch.zeros(x.shape)
            hidden = pixels.new_zeros(())
            for level, transform in enumerate(decoder.transforms):
                hidden, coded, prediction = decoder.predict_level(level, hidden, pixels, c)
                seen.append([prediction.float(), *([hidden.float()] if level else [])])
                remainder = coder(level, prediction)
                if remainder is None:
                    raise Missing("a level that begins at a quality is not measured here")
                hidden = decoder.update_level(level, hidden, prediction, remainder, c)
                pixels = pixels + transform.synthesis(coded + remainder)
        return coder.codes, seen

    def bits(self, codes: list[Tensor], seen: list[list[Tensor]], quality: int) -> Tensor:
        """Bits of a batch by level, (levels,)."""
        quantizer = self.networks.quantizer
        spent = []
        coarser: list[Tensor] = []
        q = quality / 50 - 1
        for number, networks in enumerate(self.levels):
            stages = quantizer.stages_of_level(number)
            n, height, width = codes[stages[0]].shape
            scale = (
                seen[number][0].shape[1] ** 0.5 / quantizer.codebook(stages[0]).norm(dim=1).mean()
            )
            odd = (torch.arange(height)[:, None] + torch.arange(width)) % 2
            odd = odd.expand(n, 1, -1, -1).float()
            plain = torch.tensor([1, q, q * q]).view(1, 3, 1, 1).expand(n, -1, height, width)
            fixed = [odd, plain, *(interpolate(c, size=(height, width)) for c in coarser)]
            fixed += [scale * seen[number][0], *seen[number][1:]]
            sums, count = torch.zeros_like(seen[number][0]), torch.zeros_like(odd)
            total = torch.zeros(())
            for k, stage in enumerate(stages):
                here = scale * quantizer.codebook(stage)[codes[stage]].permute(0, 3, 1, 2)
                known = torch.cat([sums, count, *fixed], 1)
                logits = networks(k, known, here * (1 - odd), odd)
                total = total + cross_entropy(logits, codes[stage], reduction="sum") / math.log(2)
                sums, count = sums + here, count + (codes[stage] != 0)[:, None]
            coarser.append(sums)
            spent.append(total)
        return torch.stack(spent)


def trained(run: Run, networks: Networks, images: list[Any], steps: int) -> None:
    """Train the networks on random crops of images."""
    optimizer = torch.optim.Adam(networks.levels.parameters(), lr=RATE)
    crops = Crops([Pool(images)], CROP, BATCH, seed=777)
    for step in range(steps):
        for group in optimizer.param_groups:
            cosine = 0.03 + 0.97 * (1 + math.cos(math.pi * step / steps)) / 2
            group["lr"] = RATE * cosine * min(1, (step + 1) / 50)
        quality = round(100 * (step * GOLDEN % 1))
        codes, seen = networks.code(crops(step), quality)
        loss = networks.bits(codes, seen, quality).sum() / sum(grid.numel() for grid in codes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 100 == 0:
            run.say(f"step {step + 1}")


def row_of(networks: Networks, validation: Crops, quality: int) -> dict[str, Any]:
    """Bits of the networks and of the tables, on crops of validation photographs."""
    model, quantizer = networks.model, torch_engine(networks.model).networks.quantizer
    ends = [max(quantizer.stages_of_level(n)) + 1 for n in range(len(networks.levels))]
    net, tables = np.zeros(len(ends)), np.zeros(len(ends))
    for number in range(VALIDATION):
        codes, seen = networks.code(validation(number), quality)
        with torch.no_grad():
            net += networks.bits(codes, seen, quality).numpy()
        header = Header(CROP, CROP, quality, len(codes), model.fingerprint)
        for crop in range(BATCH):
            grids = [grid[crop].numpy().astype(np.int32) for grid in codes]
            up_to = [ideal_bits(grids[:end], model.prior, header) for end in ends]
            tables += np.diff(up_to, prepend=0)
    pixels = VALIDATION * BATCH * CROP * CROP
    return {
        "quality": quality,
        "tables_bpp": round(tables.sum() / pixels, 5),
        "network_bpp": round(net.sum() / pixels, 5),
        "network_of_tables": round(net.sum() / tables.sum(), 4),
        "tables_bpp_by_level": (tables / pixels).round(5).tolist(),
        "network_of_tables_by_level": (net / tables).round(4).tolist(),
    }


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Train the networks, and compare them with the tables at every quality."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    networks = Networks(inputs.model.load())
    began = time.process_time()
    trained(run, networks, load_images(inputs.shards.folder), settings.steps)
    held_out = load_images(inputs.shards.folder, "val-*.tar", limit=60)
    validation = Crops([Pool(held_out)], CROP, BATCH, seed=778)
    rows = [row_of(networks, validation, quality) for quality in QUALITIES]
    return {
        "crops": settings.steps * BATCH,
        "parameters": sum(p.numel() for p in networks.levels.parameters()),
        "cpu_seconds": round(time.process_time() - began),
        "rows": rows,
    }


BENCHMARK = Benchmark(Inputs, Settings, measure, result="context_bound.json")
