"""A model from its folder, which is not trusted: found, checked, loaded, kept."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from os import PathLike, fspath
from pathlib import Path

import torch
from safetensors import safe_open

from bitstream.errors import CodecError, ModelMismatchError
from bitstream.header import Header
from bitstream.prior import Prior
from codec.models.weights import read_state
from codec.networks.detail import Detail, DetailConfig
from codec.networks.pyramid import ModelConfig, Networks
from codec.novelty import load_calibration
from codec.options import Model
from codec.runtime.model import DETAIL, FILES, CodecModel
from codec.untrusted import INVALID, read_text, reason


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


@lru_cache(maxsize=2)
def loaded(model: str, device: str) -> CodecModel:
    """A model by name or folder; the last two asked for are kept."""
    return load_model(model, device)


def network_of(model: Model, device: str) -> CodecModel:
    """The model that is meant: one by name or folder is loaded, unless it was just before."""
    return loaded(fspath(model), device) if isinstance(model, str | PathLike) else model


def matching_network(header: Header, model: Model, device: str) -> CodecModel:
    """The model that is meant; ModelMismatchError if it did not write the file of this header."""
    network = network_of(model, device)
    if header.fingerprint != network.fingerprint:
        name = f"model {str(model)!r}" if isinstance(model, str | PathLike) else "the model given"
        raise ModelMismatchError(
            f"written with the model {header.fingerprint.hex()}, but {name} is "
            f"{network.fingerprint.hex()}: decode with the one that wrote the file"
        )
    return network
