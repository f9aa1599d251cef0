"""What of a model is read before its networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bitstream.prior import Prior
from codec.networks.config import ModelConfig
from codec.novelty import Calibration


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
    calibration: Calibration | None
