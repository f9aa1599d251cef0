"""The training loop: resumable at every checkpoint, on one process or under torchrun."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from codec.model import Networks
from codec.train.config import TrainConfig
from codec.train.data import Crops, load_images
from codec.train.linear import GRID, initialise
from codec.train.objective import BUCKETS, Objective, Statistics, bucket

GOLDEN = (math.sqrt(5) - 1) / 2


def schedule(config: TrainConfig, step: int) -> tuple[float, int]:
    """Quality 0..100 and number of stages of a step; low-discrepancy, so that all qualities take turns."""
    total = len(config.model.stages)
    quality = 100 * ((step * GOLDEN) % 1)
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
        shape = (BUCKETS, len(config.model.stages), max(s.codes for s in config.model.stages))
        self.objective = Objective(
            self.networks, config.commitment, config.balance, torch.full(shape, 1 / shape[2])
        )
        self.step = 0

    def start(self, crops: Crops) -> None:
        """Set a new run to the linear optimum."""
        bits = initialise(self.networks, crops, self.config.start_batches, seed=self.config.seed)
        for b in range(BUCKETS):
            lam = self.config.model.lagrange(100 * (b + 0.5) / BUCKETS)
            near = min(range(len(GRID)), key=lambda g: abs(math.log(GRID[g] / lam)))
            self.objective.shares[b] = 2.0 ** -bits[near]

    def place(self) -> None:
        """Move to the device; make optimizer, statistics and weight average."""
        for module in (self.objective, self.average):
            module.to(self.device, memory_format=torch.channels_last)
        self.average.load_state_dict(self.networks.state_dict())
        self.average.requires_grad_(False)
        self.statistics = Statistics(self.networks, self.config.codebook_decay)
        parameters = list(self.networks.parameters())
        self.optimizer = torch.optim.Adam(
            parameters, lr=self.config.rate, betas=(0.9, 0.99), fused=True
        )

    def save(self) -> None:
        """Write the checkpoint, replacing the last one only when complete."""
        state = {
            "step": self.step,
            "objective": self.objective.state_dict(),
            "average": self.average.state_dict(),
            "statistics": self.statistics.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        path = self.out / "checkpoint.pt"
        temporary = path.with_suffix(".tmp")
        torch.save(state, temporary)
        os.replace(temporary, path)
        (self.out / "model.json").write_text(self.config.model.to_json())

    def load(self) -> None:
        """Continue from the checkpoint in `out`."""
        state: dict[str, Any] = torch.load(
            self.out / "checkpoint.pt", map_location=self.device, weights_only=True
        )
        self.objective.load_state_dict(state["objective"])
        self.average.load_state_dict(state["average"])
        self.statistics.load_state_dict(state["statistics"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def train(
    config: TrainConfig, data: Path, out: Path, resume: bool = False, seconds: float = math.inf
) -> Run:
    """Train a model; checkpoints and log.jsonl go to `out`.

    Args:
        config: the settings.
        data: a folder of tar shards (train-*.tar), a tar shard or a folder of images.
        out: the run's folder, created if missing.
        resume: go on from the checkpoint in `out`, if there is one.
        seconds: stop (with a checkpoint) after this long.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    cuda = torch.cuda.is_available()
    device = (
        torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        if cuda
        else torch.device("cpu")
    )
    if world > 1:
        torch.distributed.init_process_group("nccl" if cuda else "gloo")
    out.mkdir(parents=True, exist_ok=True)
    crops = Crops(load_images(data), config.crop, config.batch, config.seed * 1000 + rank)
    run = Run(config, out, device)
    checkpoint = (out / "checkpoint.pt").exists() and resume
    if not checkpoint:
        run.start(Crops(crops.images, config.crop, config.batch, config.seed * 1000))
    run.place()
    if checkpoint:
        run.load()
    module: Any = DistributedDataParallel(run.objective) if world > 1 else run.objective
    began = saved = time.monotonic()
    log = (out / "log.jsonl").open("a") if rank == 0 else None
    window = {"psnr": 0.0, "bpp": 0.0, "loss": 0.0}
    mark = began
    while run.step < config.steps and time.monotonic() - began < seconds:
        quality, stages = schedule(config, run.step)
        x = crops(run.step).to(device, memory_format=torch.channels_last)
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(config, run.step)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            outcome = module(x, quality, stages)
        run.optimizer.zero_grad(set_to_none=True)
        outcome.loss.backward()
        torch.nn.utils.clip_grad_norm_(run.networks.parameters(), config.clip)
        run.optimizer.step()
        run.statistics.update(outcome.used, run.objective.shares[bucket(quality)])
        run.step += 1
        follow(run, min(config.average, (1 + run.step) / (10 + run.step)))
        window["psnr"] += 10 * math.log10(4 / float(outcome.mse))
        window["bpp"] += float(outcome.bits)
        window["loss"] += float(outcome.loss.detach())
        if log and run.step % config.log_steps == 0:
            now = time.monotonic()
            line = {
                "step": run.step,
                **{k: round(v / config.log_steps, 5) for k, v in window.items()},
            }
            line |= {
                "seconds": round((now - mark) / config.log_steps, 4),
                "rate": learning_rate(config, run.step),
            }
            log.write(json.dumps(line) + "\n")
            log.flush()
            window = dict.fromkeys(window, 0.0)
            mark = now
        if rank == 0 and time.monotonic() - saved > config.save_seconds:
            run.save()
            saved = time.monotonic()
    if rank == 0:
        run.save()
    if world > 1:
        torch.distributed.destroy_process_group()
    return run


@torch.no_grad()
def follow(run: Run, decay: float) -> None:
    """Move the weight average a step towards the weights; codebooks are averages already and are copied."""
    source, target = dict(run.networks.named_parameters()), dict(run.average.named_parameters())
    names = list(target)
    torch._foreach_lerp_([target[n] for n in names], [source[n] for n in names], 1 - decay)
    for name, buffer in run.average.named_buffers():
        buffer.copy_(run.networks.get_buffer(name))
