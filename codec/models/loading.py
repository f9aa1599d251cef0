"""A model from its folder, which is not trusted, or a small one from nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from safetensors import safe_open
from torch import nn

from bitstream.errors import CodecError
from bitstream.prior import Prior, StaticPrior
from codec.models.weights import INVALID, read_state, read_text, reason
from codec.networks.detail import Detail, DetailConfig
from codec.networks.pyramid import Level, ModelConfig, Networks
from codec.novelty import load_calibration
from codec.runtime.model import DETAIL, FILES, CodecModel


def load_detail(path: Path, config: ModelConfig) -> Detail:
    """Read a detail network that belongs to a model of this shape (errors as `load_file`'s)."""
    with safe_open(path, "pt") as file:
        shape = json.loads((file.metadata() or {})["config"])
    with torch.device("meta"):  # no memory before the file was found to fit
        detail = Detail(
            DetailConfig(**{name: tuple(value) for name, value in shape.items()}),
            (config.decoder[1], config.decoder[0]),
        )
    detail.load_state_dict(read_state(path, detail), assign=True)
    return detail


def find_device(name: str) -> torch.device:
    """The device of a name, see `load_model`; CodecError if there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise CodecError(f"no device is named {name!r}: expected auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise CodecError(f"no CUDA device {name} was found: use the device cpu, or auto")
    return device


def load_model(name: str | Path = "default", device: str = "auto") -> CodecModel:
    """Load a model: "default" is the one in the package, anything else is a folder.

    Args:
        name: "default", or a folder with config.json, weights.safetensors, prior.safetensors and,
            for synthesised detail, detail.safetensors; novelty.json is read if it is there.
        device: "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:N".

    Raises:
        CodecError: the folder lacks a file or one of them is not valid, or there is no such device.
    """
    place = find_device(device)
    folder = Path(__file__).parent / "default" if name == "default" else Path(name)
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        raise CodecError(f"no model in {folder}: {', '.join(missing)} missing")
    try:
        config = ModelConfig.from_json(read_text(folder / "config.json"))
        with torch.device("meta"):
            networks = Networks(config)
        state = read_state(folder / "weights.safetensors", networks)
        networks.load_state_dict(state, assign=True)
        path = folder / DETAIL
        detail = load_detail(path, config) if path.is_file() else None
    except INVALID as error:
        raise CodecError(f"the model in {folder} is not valid: {reason(error)}") from error
    prior = Prior.load(folder / "prior.safetensors")
    stages = [(stage.cell, stage.codes) for stage in config.stages]
    if list(zip(prior.cells, prior.codes, strict=True)) != stages:
        raise CodecError(f"the model in {folder} is not valid: its prior is one of other stages")
    digest = hashlib.sha256()
    for file in FILES:
        digest.update((folder / file).read_bytes())
    fingerprint = digest.digest()[:4]
    calibration = load_calibration(folder, fingerprint, len(stages), len(config.levels))
    return CodecModel(networks, prior, fingerprint, place, detail, calibration=calibration)


def tiny_model(seed: int = 0) -> CodecModel:
    """A small model with random weights and uniform tables: codes any image, badly; for tests."""
    torch.manual_seed(seed)
    config = ModelConfig(
        levels=(Level(32, 16, 1, 16), Level(16, 16, 2, 16), Level(8, 8, 1, 16)),
        encoder=(8, 8, 8, 8),
        decoder=(8, 8, 8, 8),
    )
    networks = Networks(config)
    for number, stage in enumerate(config.stages):
        book = torch.randn(stage.codes, stage.dim) * stage.cell / (4 * (1 + number))
        book[0] *= number == 0
        networks.quantizer.codebook(number).copy_(book)
    tables: list[ArrayLike] = [
        np.full((1, s.codes), 2**24 // s.codes, np.uint32) for s in config.stages
    ]
    prior = StaticPrior(tuple(s.cell for s in config.stages), tables)
    detail = Detail(DetailConfig((8, 8, 8), (1, 1, 1), (4, 2, 2)), (8, 8))
    nn.init.normal_(detail.out.weight, std=0.05)
    return CodecModel(networks, prior, b"tiny", torch.device("cpu"), detail)
