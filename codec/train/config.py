"""Training settings: a frozen dataclass, a TOML file and --set overrides."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bitstream.errors import CodecError
from codec.networks import ModelConfig
from codec.options import EFFORT

Config = TypeVar("Config")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run; the defaults train the packaged model on a CPU."""

    model: ModelConfig = field(default_factory=ModelConfig)
    steps: int = 40_000
    batch: int = 8  # crops a step, of all processes together
    crop: int = 160  # pixels a side, a multiple of the coarsest cell
    rate: float = 4e-4  # peak learning rate of Adam, cosine decay to a twentieth
    warmup: int = 300  # steps of linear warm-up
    clip: float = 1.0  # largest gradient norm
    average: float = 0.999  # decay of the weight average that ships
    codebook_decay: float = 0.998  # decay of the codebooks' running statistics
    commitment: float = 0.1  # weight of ‖e − r‖² in the latent domain
    balance: float = 0.35  # term C weighs λ^-balance, so that every quality pulls alike
    effort: int = EFFORT  # of the search: see `codec.quantizer.beam`
    prefix: float = 0.15  # share of steps that stop after a random stage
    start_batches: int = 200  # batches of the linear start
    contexts: int = 128  # tables a stage of the context prior fitted at the end; 0: static tables
    context_batches: int = 1500  # batches coded for that fit
    context_epochs: tuple[float, float] = (
        4,
        3,
    )  # passes over them, in each of the fit's two phases
    seed: int = 0
    save_seconds: float = 300.0  # between checkpoints
    log_steps: int = 50  # steps that a line of log.jsonl sums up
    tensorboard: bool = False  # write the same figures for TensorBoard, in OUT/tensorboard


def _assign(config: Any, key: str, value: Any) -> Any:
    head, _, rest = key.partition(".")
    if head not in {f.name for f in dataclasses.fields(config)}:
        known = ", ".join(f.name for f in dataclasses.fields(config))
        raise CodecError(f"unknown training setting {key!r}: expected one of {known}")
    if head == "model":
        changes = {rest: value} if rest else value
        try:
            model = ModelConfig.from_json(
                json.dumps({**json.loads(config.model.to_json()), **changes})
            )
        except (TypeError, ValueError) as error:
            raise CodecError(f"model setting {changes}: {error}") from error
        return dataclasses.replace(config, model=model)
    inner = getattr(config, head)
    if dataclasses.is_dataclass(inner):
        for name, changed in ({rest: value} if rest else value).items():
            inner = _assign(inner, name, changed)
        value = inner
    return dataclasses.replace(config, **{head: tuple(value) if isinstance(value, list) else value})


def load_config(path: Path | None, overrides: list[str]) -> TrainConfig:
    """The codec's training settings, see `configured`.

    >>> load_config(None, ["steps=10", "model.lambda_fine=0.01"]).steps
    10
    """
    return configured(TrainConfig(), path, overrides)


def configured(config: Config, path: Path | None, overrides: list[str]) -> Config:
    """A configuration with the TOML file's values, then overrides "name=value" (value in JSON).

    Raises:
        CodecError: an unknown setting or a value that cannot be read.
    """
    try:
        settings: dict[str, Any] = tomllib.loads(path.read_text()) if path else {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CodecError(f"cannot read training config {path}: {error}") from error
    for text in overrides:
        key, _, value = text.partition("=")
        try:
            settings[key] = json.loads(value)
        except json.JSONDecodeError as error:
            raise CodecError(
                f"cannot read --set {text!r}: expected name=value with a JSON value"
            ) from error
    for key, value in settings.items():
        config = _assign(config, key, value)
    return config
