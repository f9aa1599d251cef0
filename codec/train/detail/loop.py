"""Training r(ẑ + U) behind a frozen encoder, quantizer and mean decoder; resumable."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bitstream.errors import CodecError
from codec.models.export import export
from codec.models.loading import load_model
from codec.models.torch_model import save_model, torch_engine
from codec.networks.config import CELLS, DetailConfig, texture_stage
from codec.networks.decoder import Mean
from codec.networks.detail import detail_of
from codec.networks.layers import channels_last
from codec.runtime.model import CodecModel
from codec.runtime.noise import draw
from codec.runtime.texture import texture_map
from codec.train.checkpoint import Checkpoint, has_checkpoint
from codec.train.clock import Clock
from codec.train.codec.coding import coded_mean
from codec.train.codec.loop import GOLDEN, Log
from codec.train.codec.texture import texture_codes
from codec.train.config import check_numbers
from codec.train.data import Crops, Source
from codec.train.detail.losses import Judge, Weights
from codec.train.kernels import convolution
from codec.train.precision import mixed


@dataclass(frozen=True)
class DetailTraining:
    """Settings of the training of r; the defaults train the packaged one on a CPU."""

    base: str = "default"  # the trained model whose detail is to be synthesized: name or folder
    start: str = ""  # a model whose r to begin from, of the same shape; texture codes are new to it
    detail: DetailConfig = field(default_factory=DetailConfig)
    weights: Weights = field(default_factory=Weights)
    steps: int = 20_000
    batch: int = 6  # crops a step
    crop: int = 128  # pixels a side, a multiple of the coarsest cell
    rate: float = 2e-4  # learning rate of r, after a linear warm-up
    critic_rate: float = 2e-4
    warmup: int = 200
    clip: float = 1.0  # largest gradient norm of r
    average: float = 0.999  # decay of the weight average that ships
    sources: tuple[Source, ...] = (Source(),)  # where crops come from
    qualities: tuple[float, float] = (0, 100)  # range that steps draw from
    untold: float = 0.1  # share of steps whose texture codes are all 0, as in a cut file
    seed: int = 0
    save_seconds: float = 300.0
    log_steps: int = 50

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.qualities[0] > self.qualities[1]:
            raise ValueError(f"qualities is {self.qualities}, expected the lower one first")


class Run:
    """Everything a training run of r holds."""

    def __init__(self, config: DetailTraining, model: CodecModel, out: Path) -> None:
        self.config, self.model, self.out = config, model, out
        self.base = torch_engine(model)
        self.device = self.base.device
        torch.manual_seed(config.seed)
        self.detail = channels_last(detail_of(model.config, config.detail).to(self.device))
        if config.start:
            self._start(config.start)
        self.average = channels_last(detail_of(model.config, config.detail).to(self.device))
        self.average.load_state_dict(self.detail.state_dict())
        self.average.requires_grad_(False)
        self.judge = channels_last(Judge(config.weights).to(self.device))
        for module in (self.detail, self.judge, torch_engine(model).networks):
            convolution.accelerate(module)
        self.optimizer = torch.optim.Adam(
            self.detail.parameters(), lr=config.rate, betas=(0.5, 0.99), fused=True
        )
        self.critics = torch.optim.Adam(
            self.judge.critics(), lr=config.critic_rate, betas=(0.5, 0.99), fused=True
        )
        self.step = 0
        parts = {
            "detail": self.detail,
            "average": self.average,
            "judge": self.judge,
            "optimizer": self.optimizer,
            "critics": self.critics,
        }
        self._checkpoint = Checkpoint(out, parts)

    def save(self) -> None:
        """Write the checkpoint and the model."""
        self._checkpoint.save(self.step)
        self.base.detail = self.average.eval()
        save_model(self.model, self.out / "model")

    def load(self) -> None:
        """Continue from the checkpoint in `out` (errors: see `Checkpoint.load`)."""
        self.step = self._checkpoint.load(self.device)

    def _start(self, name: str) -> None:
        """Begin with a model's r; what it lacks, layers for texture codes, stays zero.

        Raises:
            CodecError: the model has no r, or one of another shape.
        """
        own, given = self.detail.state_dict(), {}
        if before := torch_engine(load_model(name, engine="torch")).detail:
            given = before.state_dict()
        shapes = [{(n, t.shape) for n, t in state.items()} for state in (own, given)]
        if not given or not shapes[1] <= shapes[0]:
            raise CodecError(
                f"start is {name!r}: expected a model whose r has the shape of `detail`"
            )
        self.detail.load_state_dict(own | given)

    def look(self, x: Tensor, quality: float) -> tuple[Mean, Tensor | None]:
        """The mean of a batch (N, 3, H, W) in [-1, 1] coded at a quality, and its texture map."""
        networks = self.base.networks
        mean, _ = coded_mean(networks, x, quality)
        number = texture_stage(networks.config.stages)
        if number is None:
            return mean, None
        codes = texture_codes(networks, number, x, mean.pixels, quality)
        if self.step * math.sqrt(3) % 1 < self.config.untold:
            codes.zero_()
        centroids = networks.quantizer.codebook(number)[codes]
        return mean, torch.from_numpy(texture_map(centroids.cpu().numpy())).to(self.device)

    def draw(self, x: Tensor, sample: int) -> tuple[Tensor, ...]:
        """U of a batch (N, 3, H, W), another one for every step and sample."""
        count, _, height, width = x.shape
        first = (2 * self.step + sample) * count
        planes = list(zip(CELLS, self.config.detail.noise, strict=True))
        drawn = [draw(planes, first + n, (0, 0), (height, width)) for n in range(count)]
        return tuple(
            torch.from_numpy(np.concatenate(plane)).to(self.device)
            for plane in zip(*drawn, strict=True)
        )


def one_step(run: Run, crops: Crops, log: Log) -> None:
    """Critics, then r, on one batch."""
    config = run.config
    low, high = config.qualities
    quality = low + (high - low) * (run.step * GOLDEN % 1)
    x = crops(run.step).to(run.device, memory_format=torch.channels_last)
    for group in run.optimizer.param_groups:
        group["lr"] = config.rate * min(1.0, (run.step + 1) / config.warmup)
    with mixed(run.device):
        with torch.no_grad():
            mean, texture = run.look(x, quality)
            other = run.detail(mean, run.draw(x, sample=1), texture)
        r = run.detail(mean, run.draw(x, sample=0), texture)
        view = run.judge.look(x, mean.pixels, r, other)
        critic_loss, at_x, figures = run.judge.critic_loss(view)
    run.critics.zero_grad(set_to_none=True)
    critic_loss.backward()
    run.critics.step()
    with mixed(run.device):
        loss, parts = run.judge.loss(view, at_x)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.detail.parameters(), config.clip)
    run.optimizer.step()
    run.step += 1
    decay = min(config.average, (1 + run.step) / (10 + run.step))
    with torch.no_grad():
        torch._foreach_lerp_(
            list(run.average.parameters()), list(run.detail.parameters()), 1 - decay
        )
    log.add(critic=critic_loss.item(), **figures, **parts)


def train_detail(
    config: DetailTraining, data: Path, out: Path, resume: bool = False, seconds: float = math.inf
) -> None:
    """Train r of a model, whose encoder, codebooks, prior and g stay as they are.

    `out` gets checkpoint.pt, log.jsonl and model/, the model with its r. Interruptions: see
    `codec.train.codec.loop.train`.

    Args:
        config: the settings.
        data: a folder of tar shards (train-*.tar), a tar shard or a folder of images.
        out: the run's folder, created if missing.
        resume: go on from the checkpoint in `out`, if there is one.
        seconds: stop (with a checkpoint) after this long.

    Raises:
        CodecError: no usable images or model, or `out` holds a run and `resume` is not set, or does
            not fit or is damaged.
        OSError: a file cannot be written; the last checkpoint stays.
    """
    checkpoint = has_checkpoint(out, resume)
    sources = [source.load(data) for source in config.sources]
    crops = Crops(sources, config.crop, config.batch, config.seed * 1000)
    out.mkdir(parents=True, exist_ok=True)
    base = load_model(config.base, engine="torch")
    torch_engine(base).networks.requires_grad_(False)
    run = Run(config, base, out)
    if checkpoint:
        run.load()
    log = Log(out, run.step, tensorboard=False)
    with Clock(seconds, config.save_seconds) as clock:
        while run.step < config.steps and not clock.over():
            steps = min(config.log_steps, config.steps - run.step)
            for _ in range(steps):
                one_step(run, crops, log)
            log.write(run.step, steps, config.rate)
            if clock.due():
                run.save()
        run.save()
        export(out / "model")
