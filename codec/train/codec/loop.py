"""The training loop: resumable at every checkpoint, on one process or under torchrun."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from bitstream.errors import CodecError
from codec.files import naming, writing
from codec.models.export import export
from codec.models.loading import load_model
from codec.models.torch_model import save_model, torch_engine
from codec.networks.layers import channels_last
from codec.networks.pyramid import Networks
from codec.train.checkpoint import Checkpoint, has_checkpoint, lock
from codec.train.clock import Clock
from codec.train.codec.export import as_model, context_prior, static_prior
from codec.train.codec.grow import grow
from codec.train.codec.linear import GRID, initialize, shares_by_range
from codec.train.codec.objective import Objective, Statistics
from codec.train.codec.texture import fit_texture
from codec.train.config import TrainConfig
from codec.train.data import Crops
from codec.train.kernels import blocks, convolution
from codec.train.precision import mixed

GROWTH_BATCHES = 28  # that new axes and codebooks are fitted on
GOLDEN = (math.sqrt(5) - 1) / 2


def schedule(config: TrainConfig, step: int) -> tuple[float, int]:
    """Quality 0..100 and number of stages of a step; all qualities and prefixes take turns."""
    quality = 100 * ((step * GOLDEN) % 1)
    total = config.model.coded_stages(quality)
    draw = (step * math.sqrt(2)) % 1
    return quality, total if draw >= config.prefix else 1 + int(draw / config.prefix * total)


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then cosine from the peak to a twentieth of it."""
    progress = min(step / config.steps, 1.0)
    cosine = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress))
    return config.rate * min(1.0, (step + 1) / config.warmup) * cosine


class Run:
    """Everything a training run holds; `save` and `load` keep all of it."""

    def __init__(self, config: TrainConfig, out: Path, device: torch.device) -> None:
        self.config, self.out, self.device = config, out, device
        torch.manual_seed(config.seed)
        self.networks = Networks(config.model)
        self.average = Networks(config.model)
        self.objective = Objective(self.networks, config.commitment, config.balance, config.effort)
        self.step = 0

    def start(self, crops: Crops) -> None:
        """Set a new run to the linear optimum, or to the model that it starts from.

        Raises:
            CodecError: that model is not there or not valid, or does not grow into this one.
        """
        config = self.config
        if config.start:
            small = torch_engine(load_model(config.start, "cpu", "torch")).networks
            if small.config != config.model:
                small = grow(small, config.model, crops, GROWTH_BATCHES, config.seed)
            self.networks.load_state_dict(small.state_dict())
            return
        bits = initialize(self.networks, crops, config.start_batches, seed=config.seed)
        self.networks.quantizer.shares.copy_(shares_by_range(bits, GRID, config.model))

    def place(self) -> None:
        """Move to the device; make optimizer, statistics and weight average."""
        for module in (self.objective, self.average):
            channels_last(module.to(self.device))
        convolution.accelerate(self.networks)
        blocks.accelerate(self.networks)
        self.average.load_state_dict(self.networks.state_dict())
        self.average.requires_grad_(False)
        self.statistics = Statistics(self.networks, self.config.codebook_decay)
        parameters = list(self.networks.parameters())
        self.optimizer = torch.optim.Adam(
            parameters, lr=self.config.rate, betas=(0.9, 0.99), fused=True
        )

    def save(self) -> None:
        """Write model.json and the checkpoint."""
        with writing(str(self.out / "model.json"), force=True) as file:
            file.write(self.config.model.to_json().encode())
        self._checkpoint().save(self.step)

    def load(self) -> None:
        """Continue from the checkpoint in `out`.

        Raises:
            CodecError: the checkpoint is damaged, or one of another model configuration.
            OSError: a file cannot be read.
        """
        path = self.out / "model.json"
        if path.read_text(errors="replace") != self.config.model.to_json():
            raise CodecError(f"{path} is another model configuration: use that, or a new folder")
        self.step = self._checkpoint().load(self.device)

    def _checkpoint(self) -> Checkpoint:
        parts = {
            "objective": self.objective,
            "average": self.average,
            "statistics": self.statistics,
            "optimizer": self.optimizer,
        }
        return Checkpoint(self.out, parts)


def train(
    config: TrainConfig, data: Path, out: Path, resume: bool = False, seconds: float = math.inf
) -> None:
    """Train a model. `out` gets checkpoint.pt, log.jsonl and model/, which `load_model` reads.

    A run stopped in any way goes on from its last checkpoint as if it had never stopped: batch,
    quality and learning rate depend on the step only. SIGTERM and SIGINT end it with a checkpoint,
    after at most `log_steps` steps.

    Args:
        config: the settings.
        data: a folder of tar shards (train-*.tar), a tar shard or a folder of images.
        out: the run's folder, created if missing.
        resume: go on from the checkpoint in `out`, if there is one.
        seconds: stop (with a checkpoint) after this long.

    Raises:
        CodecError: no usable images, or `out` holds a run and `resume` is not set, or does not fit
            or is damaged, or is at work.
        OSError: a file cannot be written; the last checkpoint stays.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    cuda = torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    checkpoint = has_checkpoint(out, resume)
    seed = config.seed * 1000
    sources = [source.load(data) for source in config.sources]
    crops = Crops(sources, config.crop, config.batch, seed, share=(rank, world))
    out.mkdir(parents=True, exist_ok=True)
    if world > 1:
        torch.distributed.init_process_group("nccl" if cuda else "gloo")
    run = Run(config, out, device)
    if not checkpoint:
        run.start(Crops(sources, config.crop, config.batch, seed))
    run.place()
    if checkpoint:
        run.load()
    module: Any = DistributedDataParallel(run.objective) if world > 1 else run.objective
    log = Log(out, run.step, config.tensorboard) if rank == 0 else None
    with Clock(seconds, config.save_seconds) as clock:
        while run.step < config.steps and not agreed(clock.over(), device):
            steps = min(config.log_steps, config.steps - run.step)
            for _ in range(steps):
                one_step(run, module, crops, log)
            if log:
                log.write(run.step, steps, learning_rate(config, run.step))
                if clock.due():
                    run.save()
        if log:
            run.save()
            whole = Crops(sources, config.crop, config.batch, seed)
            fit_texture(run.average, whole, config.texture_batches, config.seed)
            save_model(as_model(run.average, static_prior(run.average)), out / "model")
    if log and config.contexts and run.step >= config.steps:
        save_model(as_model(run.average, context_prior(run.average, whole, config)), out / "model")
        export(out / "model")
    if world > 1:
        torch.distributed.destroy_process_group()


def one_step(run: Run, module: Any, crops: Crops, log: Log | None) -> None:
    """Forward, backward, optimizer, codebook statistics and weight average of one batch."""
    config = run.config
    quality, stages = schedule(config, run.step)
    x = crops(run.step).to(run.device, memory_format=torch.channels_last)
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(config, run.step)
    with mixed(run.device):
        outcome = module(x, quality, stages)
    run.optimizer.zero_grad(set_to_none=True)
    outcome.loss.backward()
    torch.nn.utils.clip_grad_norm_(run.networks.parameters(), config.clip)
    run.optimizer.step()
    run.statistics.update(outcome.used, quality)
    run.step += 1
    follow(run, min(config.average, (1 + run.step) / (10 + run.step)))
    figures = torch.stack([outcome.mse, outcome.bits, outcome.loss.detach()])
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(figures)
        figures /= torch.distributed.get_world_size()
    if log:
        mse, bits, loss = figures.tolist()
        log.add(psnr=10 * math.log10(4 / mse), bpp=bits, loss=loss)


def agreed(flag: bool, device: torch.device) -> bool:
    """Whether any process says so: they stop at the same step, or wait for each other for ever."""
    if not torch.distributed.is_initialized():
        return flag
    value = torch.tensor(float(flag), device=device)
    torch.distributed.all_reduce(value, torch.distributed.ReduceOp.MAX)
    return bool(value)


class Log:
    """log.jsonl: a line of means every so many steps, cut back to the checkpoint on resume.

    Raises:
        CodecError: another run has the folder's log.
    """

    def __init__(self, out: Path, step: int, tensorboard: bool) -> None:
        lock(out, self)
        path = out / "log.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith("}\n")]
        with writing(str(path), force=True) as file:
            file.writelines(x.encode() for x in whole if json.loads(x)["step"] <= step)
        self._file = path.open("a")
        self._sums: dict[str, float] = {}
        self._mark = time.monotonic()
        self._board: Any = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415

            self._board = SummaryWriter(str(out / "tensorboard"), purge_step=step)

    def add(self, **values: float) -> None:
        """Count one step's values."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def write(self, step: int, steps: int, rate: float) -> None:
        """Write the means of the last `steps` steps; show them where someone is watching."""
        now = time.monotonic()
        line: dict[str, float] = {"step": step}
        line |= {name: round(total / steps, 6) for name, total in self._sums.items()}
        line |= {"seconds": round((now - self._mark) / steps, 4), "rate": rate}
        with naming(self._file.name):
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        if self._board:
            for name, value in line.items():
                self._board.add_scalar(name, value, step)
        if sys.stderr.isatty():
            shown = " ".join(f"{name} {value:.5g}" for name, value in line.items())
            print(f"\r{shown}", end="", file=sys.stderr)
        self._sums, self._mark = {}, now


@torch.no_grad()
def follow(run: Run, decay: float) -> None:
    """Move the weight average towards the weights; codebooks, averages already, are copied."""
    source, target = dict(run.networks.named_parameters()), dict(run.average.named_parameters())
    names = list(target)
    torch._foreach_lerp_([target[n] for n in names], [source[n] for n in names], 1 - decay)
    for name, buffer in run.average.named_buffers():
        buffer.copy_(run.networks.get_buffer(name))
