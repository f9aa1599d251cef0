"""How is a codec fine-tuned under the contexts' own code lengths?

A run goes on for some steps with one contextual sweep in its search (context_search.py), and the
context prior is fitted anew on codes so chosen.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, File, Folder, Model, Shards
from benchmarks.studies.context_search import ContextualQuantizer, Lengths, Search
from codec.models.torch_model import save_model
from codec.train.codec import loop
from codec.train.codec.export import as_model, context_prior
from codec.train.config import load_config
from codec.train.data import Crops, Pool, load_images

WARMUP = 50  # steps of the linear warm-up


@dataclass(frozen=True)
class Inputs:
    """What it is trained on.

    Attributes:
        shards: folder of train-*.tar and val-*.tar.
        run: folder of the packaged codec's training, with its checkpoint.
        config: of that run, a TOML file.
        model: whose prior gives the code lengths.
    """

    shards: Shards
    run: Folder
    config: File | None = None
    model: Model = PACKAGED


@dataclass(frozen=True)
class Settings:
    """How it is trained.

    Attributes:
        folder: new, of the fine-tuned run.
        steps: of the training.
        rate: peak of the learning rate, with cosine decay.
    """

    folder: Path
    steps: int = 3000
    rate: float = 2e-4


def measure(run: Run, inputs: Inputs, settings: Settings) -> None:
    """Train, fit the contexts and write the model."""
    torch.set_num_threads(1)
    settings.folder.mkdir(parents=True)
    for name in ("checkpoint.pt", "model.json"):
        shutil.copy(inputs.run.path / name, settings.folder / name)
    config = load_config(inputs.config.path if inputs.config else None, [])
    training = loop.Run(config, settings.folder, torch.device("cpu"))
    training.place()
    training.load()
    crops = Crops(
        [Pool(load_images(inputs.shards.folder))], config.crop, config.batch, config.seed * 1000
    )
    plain = training.average.quantizer
    lengths = Lengths(inputs.model.load().prior)
    for networks in (training.networks, training.average):
        networks.quantizer = ContextualQuantizer.of(
            networks, Search(sweeps=1), lengths, config.crop, config.crop
        )
    for done in range(settings.steps):  # the learning rate of a run that is as far from its end
        peak = settings.rate * min(1.0, (done + 1) / WARMUP)
        steps = round(training.step * settings.steps / max(done, 1e-9))
        training.config = replace(config, steps=steps, rate=peak)
        loop.one_step(training, training.objective, crops, None)
        if training.step % 100 == 0:
            run.say(f"step {done + 1}")
    prior = context_prior(training.average, crops, config)
    training.average.quantizer = plain
    save_model(as_model(training.average, prior), settings.folder / "model")


BENCHMARK = Benchmark(Inputs, Settings, measure, result=None)
