"""Train a named objective of the family on a folder of photographs."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from bitstream.errors import CodecError
from codec.lagrangian import find
from codec.train.data import Crops, Pool, load_images
from codec.train.family.loop import Family, FamilyConfig, train_family

SHOWN = 8  # images a row of samples.png


def train_folder(name: str, config: FamilyConfig, data: Path, out: Path) -> None:
    """Train one objective on crops of photographs.

    Writes, in `out`: config.json (the objective and its settings), log.jsonl (every 50 steps the
    value of each term, in nats unless its divergence says otherwise), model.safetensors, and
    samples.png: rows of crops, of their reconstructions, and of images decoded from the prior.

    Args:
        name: a name of `codec.lagrangian.OBJECTIVES`.
        config: the settings; crops of `side` pixels in 0..1.
        data: a folder of images or of tar shards; for a supervised objective, a folder of folders
            of images, one a class.
        out: the folder of the run.

    Raises:
        CodecError: no images of that size, no classes, or a loss that stops being finite.
        ValueError: there is no objective of this name.
    """
    objective = find(name)
    supervised = "S" in objective.coefficients()
    x, label = classes(data, config) if supervised else (crops(data, config), None)
    trained = train_family(objective, x, label, config)
    out.mkdir(parents=True, exist_ok=True)
    used = replace(config, beta=objective.beta if config.beta is None else config.beta)
    settings = {"objective": name, "loss": str(objective), **asdict(used)}
    (out / "config.json").write_text(json.dumps(settings, indent=1) + "\n")
    lines = [json.dumps(entry) + "\n" for entry in trained.history]
    (out / "log.jsonl").write_text("".join(lines))
    save_file(trained.family.state_dict(), out / "model.safetensors")
    samples(trained.family, x[:SHOWN]).save(out / "samples.png")


def crops(data: Path, config: FamilyConfig) -> Tensor:
    """Random crops of a source's photographs: (crops, 3, side, side) float32 in 0..1."""
    return Crops([Pool(load_images(data))], config.side, config.crops, config.seed)(0).add(1).div(2)


def classes(data: Path, config: FamilyConfig) -> tuple[Tensor, Tensor]:
    """As many crops of each folder in `data`, and the folder's number in order of name.

    Raises:
        CodecError: there are fewer than two folders, or one has no image of that size.
    """
    folders = sorted(path for path in data.iterdir() if path.is_dir())
    if len(folders) < 2:
        raise CodecError(f"{data} has no labels: expected a folder of images for each class")
    each = FamilyConfig(
        side=config.side, crops=max(config.crops // len(folders), 1), seed=config.seed
    )
    x = [crops(folder, each) for folder in folders]
    return torch.cat(x), torch.arange(len(folders)).repeat_interleave(each.crops)


@torch.no_grad()
def samples(family: Family, x: Tensor) -> Image.Image:
    """Rows of inputs, then reconstructions and images of the prior if the objective trains them."""
    torch.manual_seed(family.config.seed)
    shown = family.draw(x)
    terms = family.objective.coefficients()
    rows = [x]
    encoder = family.objective.encoder
    if "C" in terms and encoder != "prior":
        rows.append(shown.output)
    if {"C", "D"} & set(terms) and encoder != "quantized":
        rows.append(family.decode(shown.prior))
    grid = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)  # (3, rows·H, N·W)
    pixels = grid.mul(255).round().clamp(0, 255).byte().permute(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(pixels.numpy()))
