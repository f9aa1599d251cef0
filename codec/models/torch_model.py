"""Models whose networks run in torch: read from a folder, made of networks, written to a folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from bitstream.errors import CodecError
from bitstream.prior import Prior
from codec.files import writing
from codec.models.files import CONFIG, DETAIL, GRAPHS, MANIFEST, PRIOR, WEIGHTS
from codec.models.weights import read_state
from codec.networks.config import DetailConfig, ModelConfig
from codec.networks.detail import Detail, detail_of
from codec.networks.pyramid import Networks
from codec.networks.quantizer import ResidualQuantizer
from codec.runtime.codebooks import Codebooks
from codec.runtime.model import CodecModel
from codec.runtime.torch_engine import TorchEngine

if TYPE_CHECKING:
    from codec.models.loading import Parts


def torch_model(
    networks: Networks,
    prior: Prior,
    fingerprint: bytes,
    *,
    device: torch.device | None = None,
    detail: Detail | None = None,
    folder: Path | None = None,
) -> CodecModel:
    """A codec of networks and the tables that belong to them (arguments: see `CodecModel`)."""
    engine = TorchEngine(networks, detail, device or torch.device("cpu"))
    codebooks = codebooks_of(networks.quantizer)
    return CodecModel(networks.config, engine, codebooks, prior, fingerprint, folder=folder)


def read_model(parts: Parts, device: torch.device) -> CodecModel:
    """The codec of a folder (errors: see `read_state`)."""
    return torch_model(
        read_networks(parts.folder, parts.config),
        parts.prior,
        parts.fingerprint,
        device=device,
        detail=read_detail(parts.folder, parts.config),
        folder=parts.folder,
    )


def torch_engine(model: CodecModel) -> TorchEngine:
    """The networks of a model in torch.

    Raises:
        CodecError: another engine runs them.
    """
    if not isinstance(model.engine, TorchEngine):
        raise CodecError("the networks are needed in torch: load the model with engine='torch'")
    return model.engine


def codebooks_of(quantizer: ResidualQuantizer) -> Codebooks:
    """The centroids and shares of a quantizer; on the CPU they are the same memory."""
    count = len(quantizer.stages)
    books = [quantizer.codebook(number).detach().cpu().numpy() for number in range(count)]
    return Codebooks(quantizer.stages, books, quantizer.shares.detach().cpu().numpy())


def read_networks(folder: Path, config: ModelConfig) -> Networks:
    """Read a model's networks (errors: see `read_state`)."""
    with torch.device("meta"):  # no memory before the file was found to fit
        networks = Networks(config)
    networks.load_state_dict(read_state(folder / WEIGHTS, networks), assign=True)
    return networks


def read_detail(folder: Path, config: ModelConfig) -> Detail | None:
    """Read a model's detail network, if it has one (errors: see `read_state`)."""
    path = folder / DETAIL
    if not path.is_file():
        return None
    with safe_open(path, "pt") as file:
        shape = json.loads((file.metadata() or {})["config"])
    with torch.device("meta"):
        detail = detail_of(config, DetailConfig(**{n: tuple(value) for n, value in shape.items()}))
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


def save_model(model: CodecModel, folder: Path) -> None:
    """Write config.json, the prior and the weights (float16, as safetensors), each file whole.

    Raises:
        CodecError: the model's networks are not in torch, or a file cannot be written.
        OSError: a file cannot be written.
    """
    engine = torch_engine(model)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / GRAPHS / MANIFEST).unlink(missing_ok=True)  # graphs of other weights
    with writing(str(folder / CONFIG), force=True) as file:
        file.write(model.config.to_json().encode())
    state = {
        name: (tensor if name == "quantizer.shares" else tensor.half()).contiguous().cpu()
        for name, tensor in engine.networks.state_dict().items()
    }
    written = [WEIGHTS, PRIOR]
    try:
        save_file(state, folder / WEIGHTS)
        model.prior.save(folder / PRIOR)
        if engine.detail:
            save_detail(engine.detail, folder / DETAIL)
            written.append(DETAIL)
    except SafetensorError as error:
        raise CodecError(f"the model cannot be written to {folder}: {error}") from error
    for name in written:
        (folder / name).chmod(0o644)  # safetensors writes files that only their owner reads


def save_detail(detail: Detail, path: Path) -> None:
    """Write a detail network: weights in float16, its shape as metadata."""
    state = {n: tensor.half().contiguous().cpu() for n, tensor in detail.state_dict().items()}
    save_file(state, path, {"config": json.dumps(asdict(detail.config))})
