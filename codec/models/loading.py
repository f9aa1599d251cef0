"""A model from its folder, which is not trusted: found, checked, loaded, kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike, fspath
from pathlib import Path

from bitstream.errors import CodecError, ModelMismatchError
from bitstream.header import Header
from bitstream.prior import Prior
from codec.models.choose import LARGE, choose_engine
from codec.models.files import CONFIG, EARLIER, FILES, PACKAGED, PRIOR, WEIGHTS
from codec.networks.config import ModelConfig
from codec.options import Running
from codec.runtime.model import CodecModel
from codec.untrusted import INVALID, read_text, reason

MAX_FILE_BYTES = 2**29  # of a model; the largest shape that a configuration may have takes less


@dataclass(frozen=True)
class Parts:
    """A model's folder, and what of it needs no engine (see `codec.runtime.model.CodecModel`).

    Attributes:
        weights: the bytes of its weights.safetensors, those that the fingerprint was made of.
    """

    folder: Path
    weights: bytes
    config: ModelConfig
    prior: Prior
    fingerprint: bytes


def load_model(
    name: str | Path = "default", device: str = "auto", engine: str = "auto"
) -> CodecModel:
    """Load a model: "default" is the one in the package, anything else is a folder.

    Args:
        name: "default", or a folder with config.json, weights.safetensors, prior.safetensors and,
            for synthesized detail, detail.safetensors; novelty.json is read if it is there, when
            a novelty is asked for.
        device: "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:N".
        engine: what runs the networks, see `choose_engine`.

    Raises:
        CodecError: the folder lacks a file or one of them is not valid, or there is no such device
            or engine.
    """
    folder = PACKAGED if name == "default" else Path(name)
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        raise CodecError(f"no model in {folder}: {', '.join(missing)} missing")
    chosen = choose_engine(folder, device, engine)
    try:
        config = ModelConfig.from_json(read_text(folder / CONFIG))
    except INVALID as error:
        raise CodecError(f"the model in {folder} is not valid: {reason(error)}") from error
    prior = Prior.load(folder / PRIOR)
    stages = [(stage.cell, stage.codes) for stage in config.stages]
    if list(zip(prior.cells, prior.codes, strict=True)) != stages:
        raise CodecError(f"the model in {folder} is not valid: its prior is one of other stages")
    fingerprint, weights = _fingerprint(folder)
    parts = Parts(folder, weights, config, prior, fingerprint)
    try:
        return _on_torch(parts, device) if chosen == "torch" else _on_graphs(parts, chosen)
    except INVALID as error:
        raise CodecError(f"the model in {folder} is not valid: {reason(error)}") from error


def _fingerprint(folder: Path) -> tuple[bytes, bytes]:
    """The first bytes of the hash of a model's files, none of which may be of any length.

    Returns:
        Those, and the bytes of the weights, which are read once.
    """
    digest, weights = hashlib.sha256(), b""
    for name in FILES:
        path = folder / name
        if path.stat().st_size > MAX_FILE_BYTES:
            raise CodecError(
                f"the model in {folder} is not valid: {name} is longer than {MAX_FILE_BYTES} bytes"
            )
        data = path.read_bytes()
        digest.update(data)
        if name == WEIGHTS:
            weights = data
    return digest.digest()[:4], weights


def _on_graphs(parts: Parts, engine: str) -> CodecModel:
    from codec.models.onnx_model import onnx_model  # noqa: PLC0415  (one engine is enough)

    return onnx_model(parts, engine)


def _on_torch(parts: Parts, device: str) -> CodecModel:
    from codec.models import torch_model  # noqa: PLC0415  (one engine is enough)

    return torch_model.read_model(parts, torch_model.find_device(device))


@lru_cache(maxsize=2)
def loaded(model: str, device: str, engine: str) -> CodecModel:
    """A model by name or folder; the last two asked for are kept."""
    return load_model(model, device, engine)


def network_of(running: Running, pixels: int = 0) -> CodecModel:
    """The model that is meant: one by name or folder is loaded, unless it was just before.

    Args:
        running: says which.
        pixels: of the image that the networks are for.
    """
    model, engine = running.model, running.engine
    if not isinstance(model, str | PathLike):
        return model
    if engine == "quick" and pixels >= LARGE:
        engine = "auto"
    return loaded(fspath(model), running.device, engine)


def matching_network(header: Header, running: Running, pixels: int = 0) -> CodecModel:
    """The model that is meant; ModelMismatchError if it did not write the file of this header."""
    network, model = network_of(running, pixels), running.model
    if header.fingerprint != network.fingerprint:
        name = f"model {str(model)!r}" if isinstance(model, str | PathLike) else "the model given"
        wrote = header.fingerprint.hex()
        place = f", {EARLIER[wrote]}" if wrote in EARLIER else ""
        raise ModelMismatchError(
            f"written with the model {wrote}, but {name} is {network.fingerprint.hex()}: "
            f"decode with the one that wrote the file{place}"
        )
    return network
