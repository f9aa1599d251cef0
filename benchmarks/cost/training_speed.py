"""How many training steps a second does this build make, beside an older one in the same run?

Both builds begin with the older one's packaged weights and see the same batches. They take turns on
one thread, so that other work on the machine falls on both. A second run of the older build, whose
weights begin rounded to bfloat16, says how far two curves of one build lie apart.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import Folder, Shards
from benchmarks.schema import ROOT

# The loop of a build, in its own process: reads how many steps to make, writes what they took.
WORKER = """
import json, sys, time
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

torch.set_num_threads(1)
objective, folder, data, images, rounded = sys.argv[1:]
from codec.train.data import Crops, load_images
try:
    from codec.train.codec import loop
    from codec.train.data import Pool
    from codec.train.detail import loop as detail
    pools = lambda found: [Pool(found)]
except ImportError:  # an older build
    from codec.train import detail, loop
    pools = lambda found: found
try:
    from codec.models.loading import load_model
    from codec.networks.config import ModelConfig
    options = {"engine": "torch"}
except ImportError:
    from codec.loading import load_model
    from codec.networks import ModelConfig
    options = {}

class Log:
    def add(self, **values):
        self.last = values

shape = ModelConfig.from_json(Path(folder, "config.json").read_text())
if objective == "codec":
    config = loop.TrainConfig(model=shape, rate=3e-4, warmup=1)
    run = loop.Run(config, Path(folder), torch.device("cpu"))
    trained = run.networks
    weights = load_file(Path(folder, "weights.safetensors"))
else:
    config = detail.DetailTraining(base=folder, warmup=1)
    base = load_model(folder, "cpu", **options)
    getattr(base, "engine", base).networks.requires_grad_(False)
    run = detail.Run(config, base, Path(folder))
    trained = run.detail
    weights = load_file(Path(folder, "detail.safetensors"))
precision = torch.bfloat16 if int(rounded) else torch.float32
trained.load_state_dict({n: w.to(precision).float() for n, w in weights.items()})
if objective == "codec":
    run.place()
found = load_images(Path(data), "val-*.tar", limit=int(images))
crops = Crops(pools(found), config.crop, config.batch, 0)
log = Log()

def step():
    if objective == "codec":
        loop.one_step(run, run.objective, crops, log)
        return log.last["loss"]
    detail.one_step(run, crops, log)
    return log.last["near"]  # a distance, which steps compare better than a loss with critics

print("ready", flush=True)
for line in sys.stdin:
    wall, processor = time.perf_counter(), time.process_time()
    losses = [step() for _ in range(int(line))]
    spent = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - processor}
    print(json.dumps({**spent, "losses": losses}), flush=True)
"""


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        shards: folder of shards; the validation photographs are trained on.
        old: the folder `codec` of a checkout of an older build.
    """

    shards: Shards
    old: Folder


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        objective: "codec" (f, Q and g) or "detail" (r).
        turns: how often each build has its turn; one turn more is not counted.
        steps: of a turn.
        images: photographs that crops come from.
    """

    objective: str = "codec"
    turns: int = 12
    steps: int = 10
    images: int = 100


class Build:
    """A process that trains with one build.

    Args:
        root: its checkout.
        arguments: of `WORKER`.
    """

    def __init__(self, root: Path, arguments: Sequence[str]) -> None:
        environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments],
            cwd=root,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._said: Any = self._process.stdout
        self._told: Any = self._process.stdin
        self.turns: list[dict[str, Any]] = []
        self._read()

    def _read(self) -> str:
        line: str = self._said.readline()
        if not line:
            raise SystemExit(f"a build stopped with exit code {self._process.wait()}")
        return line

    def turn(self, steps: int) -> None:
        """Make some steps."""
        self._told.write(f"{steps}\n")
        self._told.flush()
        self.turns.append(json.loads(self._read()))

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()

    def losses(self) -> list[float]:
        """Of all steps."""
        return [loss for turn in self.turns for loss in turn["losses"]]


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Both builds in turns."""
    old_root = inputs.old.path.resolve().parent
    folder = inputs.old.path / "models" / "default"
    common = [settings.objective, str(folder.resolve()), str(inputs.shards.folder.resolve())]
    common.append(str(settings.images))
    builds = {
        "old": Build(old_root, [*common, "0"]),
        "new": Build(ROOT, [*common, "0"]),
        "old again": Build(old_root, [*common, "1"]),
    }
    try:
        for number in range(settings.turns + 1):
            for build in builds.values():
                build.turn(settings.steps)
            took = {n: round(b.turns[-1]["seconds"], 2) for n, b in builds.items()}
            run.say(f"turn {number}: {took}")
    finally:
        for build in builds.values():
            build.stop()
    counted = {name: build.turns[1:] for name, build in builds.items()}
    ratios = {
        clock: [a[clock] / b[clock] for a, b in zip(counted["old"], counted["new"], strict=True)]
        for clock in ("seconds", "cpu")
    }
    return {
        "per_step": {
            name: {
                clock: round(median(turn[clock] for turn in turns) / settings.steps, 4)
                for clock in ("seconds", "cpu")
            }
            for name, turns in counted.items()
        },
        "speedup": {clock: round(median(values), 3) for clock, values in ratios.items()},
        "speedup_by_turn": [round(ratio, 3) for ratio in ratios["seconds"]],
        "loss_beside_old": {
            name: apart(builds["old"].losses(), builds[name].losses())
            for name in ("new", "old again")
        },
        "loss_by_turn": {
            name: [round(mean(turn["losses"]), 6) for turn in build.turns]
            for name, build in builds.items()
        },
    }


def apart(old: Sequence[float], new: Sequence[float]) -> dict[str, float]:
    """How two curves differ, step by step, in percent: the mean, its standard error, the spread."""
    percent = [100 * (b / a - 1) for a, b in zip(old, new, strict=True)]
    spread = stdev(percent)
    return {
        "mean_percent": round(mean(percent), 3),
        "standard_error": round(spread / len(percent) ** 0.5, 3),
        "spread": round(spread, 3),
    }


BENCHMARK = Benchmark(Inputs, Settings, measure, result="training_speed_{objective}.json")
