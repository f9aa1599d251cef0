"""How is the learned peer trained?

Photographs, crops and their order are those of our training. The loss is λ·255²·MSE + bits per
pixel, one network a λ. A run can be killed and started again with the same command.
"""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import Folder
from benchmarks.studies.learned_peer import CHECKPOINT, network, rate_and_error, work
from codec.train.data import Crops, Pool, load_images

LOG = "log.jsonl"
PEAK, CLIP = 255.0**2, 1.0
DECAY = 0.4  # share of the steps over which the rate of learning falls, linearly
KEPT = ("lmbda", "steps", "batch", "crop", "rate")  # settings that a run must not change


@dataclass(frozen=True)
class Inputs:
    """What it is trained on.

    Attributes:
        photographs: folder of tar shards or of images.
        start: a run to take up, such as that of another λ.
    """

    photographs: Folder
    start: Folder | None = None


@dataclass(frozen=True)
class Settings:
    """How it is trained.

    Attributes:
        folder: of the run, which goes on from its checkpoint.
        lmbda: weight of the squared error: 0.0005, 0.0018, 0.0067.
        steps: of the training.
        batch: crops a step.
        crop: pixels a side, a multiple of 64.
        rate: of Adam.
        seed: of the crops and the noise.
        log_steps: steps a line of the log.
        save_seconds: between checkpoints.
    """

    folder: Path
    lmbda: float
    steps: int = 20_000
    batch: int = 8
    crop: int = 192
    rate: float = 2e-4
    seed: int = 0
    log_steps: int = 50
    save_seconds: float = 300


class Training:
    """A network with its optimizers, in the folder of a run.

    Args:
        settings: of the run.
        start: folder of a run to take up.
    """

    def __init__(self, settings: Settings, start: Folder | None) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.net = network().to(memory_format=torch.channels_last).train()
        named = list(self.net.named_parameters())
        self.weights = [p for name, p in named if not name.endswith(".quantiles")]
        tables = [p for name, p in named if name.endswith(".quantiles")]
        self.main = torch.optim.Adam(self.weights, lr=settings.rate)
        self.auxiliary = torch.optim.Adam(tables, lr=1e-3)
        self.state = {"net": self.net, "main": self.main, "auxiliary": self.auxiliary}
        self.kept: dict[str, Any] = {name: getattr(settings, name) for name in KEPT}
        self.kept["start"] = self._take_up(start.path) if start else {}
        self.step, self.seconds = 0, 0.0
        self._resume()

    def _take_up(self, run: Path) -> dict[str, Any]:
        """Load another run's network and optimizers: what that run was, and its work."""
        checkpoint = torch.load(run / CHECKPOINT, weights_only=True)
        for name, part in self.state.items():
            part.load_state_dict(checkpoint[name])
        return work(checkpoint)

    def _resume(self) -> None:
        """Load the run's checkpoint, if it has one."""
        path = self.settings.folder / CHECKPOINT
        if not path.is_file():
            return
        checkpoint = torch.load(path, weights_only=True)
        if checkpoint["settings"] != self.kept:
            raise RuntimeError(f"{path} was made with {checkpoint['settings']}, not {self.kept}")
        for name, part in self.state.items():
            part.load_state_dict(checkpoint[name])
        self.step, self.seconds = int(checkpoint["step"]), float(checkpoint["seconds"])

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        held: dict[str, Any] = {name: part.state_dict() for name, part in self.state.items()}
        held |= {"step": self.step, "seconds": self.seconds, "settings": self.kept}
        temporary = self.settings.folder / f"{CHECKPOINT}.tmp"
        torch.save(held, temporary)
        temporary.replace(self.settings.folder / CHECKPOINT)

    def one_step(self, batch: Tensor, bf16: bool) -> tuple[float, float]:
        """Train on a batch in 0..1: its bits per pixel and squared error."""
        left = 1 - self.step / self.settings.steps
        for group in self.main.param_groups:
            group["lr"] = self.settings.rate * min(1, max(left / DECAY, 0.02))
        torch.manual_seed(2**32 * self.settings.seed + self.step)  # as if never interrupted
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            bpp, mse = rate_and_error(self.net, batch)
        loss = self.settings.lmbda * PEAK * mse + bpp
        self.main.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.weights, CLIP)
        self.main.step()
        self.auxiliary.zero_grad()
        self.net.aux_loss().backward()
        self.auxiliary.step()
        self.step += 1
        return bpp.item(), mse.item()

    def log(self, sums: list[tuple[float, float]]) -> dict[str, Any]:
        """Add a line to the log: means of steps."""
        bits, error = np.mean(sums, axis=0)
        line = {
            "step": self.step,
            "bpp": round(float(bits), 5),
            "psnr": round(-10 * math.log10(float(error)), 3),
            "seconds": round(self.seconds, 1),
        }
        with (self.settings.folder / LOG).open("a") as log:
            log.write(json.dumps(line) + "\n")
        return line


def measure(run: Run, inputs: Inputs, settings: Settings) -> None:
    """Train until the last step."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    training = Training(settings, inputs.start)
    images = load_images(inputs.photographs.path)
    batches = Crops([Pool(images)], settings.crop, settings.batch, settings.seed)
    bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    saved = logged = time.monotonic()
    sums: list[tuple[float, float]] = []
    while training.step < settings.steps:
        sums.append(training.one_step(batches(training.step).add(1).div(2), bf16))
        now, last = time.monotonic(), training.step == settings.steps
        if training.step % settings.log_steps == 0 or last:
            training.seconds += now - logged
            logged = now
            run.say(training.log(sums))
            sums.clear()
        if now - saved > settings.save_seconds or last:
            saved = now
            training.save()


BENCHMARK = Benchmark(Inputs, Settings, measure, result=None)
