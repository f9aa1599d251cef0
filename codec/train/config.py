"""Training settings: a frozen dataclass, a TOML file and --set overrides."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bitstream.errors import CodecError
from codec.networks.config import ModelConfig
from codec.options import EFFORT
from codec.train.data import Source
from codec.untrusted import in_range, reason

Config = TypeVar("Config")

CELL = 32  # pixels a side of the coarsest cell
CLUSTERED = 2500  # crops that the tables of the context prior begin with, at the most
RANGES: dict[str, tuple[int, int]] = {  # least and most of the settings of all kinds of training
    "steps": (1, 10**9),
    "batch": (1, 2**16),
    "crop": (CELL, 2**12),
    "rate": (0, 1),
    "critic_rate": (0, 1),
    "warmup": (1, 10**9),
    "average": (0, 1),
    "codebook_decay": (0, 1),
    "balance": (0, 2),
    "effort": (1, 9),
    "prefix": (0, 1),
    "start_batches": (1, 10**6),
    "texture_batches": (1, 10**6),
    "contexts": (0, 2**12),
    "context_batches": (1, 10**6),
    "context_epochs": (0, 1000),
    "qualities": (0, 100),
    "seed": (0, 2**32 - 1),
    "save_seconds": (0, 10**9),
    "log_steps": (1, 10**9),
    "side": (1, 2**12),
    "crops": (1, 10**8),
    "latent": (1, 2**12),
    "width": (1, 2**16),
    "groups": (1, 2**12),
    "codes": (1, 2**16),
}


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run; the defaults train the packaged model on a CPU."""

    model: ModelConfig = field(default_factory=ModelConfig)
    start: str = ""  # a trained model to begin from, name or folder, grown where `model` is larger
    steps: int = 40_000
    sources: tuple[Source, ...] = (Source(),)  # where crops come from
    batch: int = 8  # crops a step, of all processes together
    crop: int = 160  # pixels a side, a multiple of the coarsest cell
    rate: float = 4e-4  # peak learning rate of Adam, cosine decay to a twentieth
    warmup: int = 300  # steps of linear warm-up
    clip: float = 1.0  # largest gradient norm
    average: float = 0.999  # decay of the weight average that ships
    codebook_decay: float = 0.998  # decay of the codebooks' running statistics
    commitment: float = 0.1  # weight of ‖e − r‖² in the latent domain
    balance: float = 0.35  # term C weighs λ^-balance, so that every quality pulls alike
    effort: int = EFFORT  # of the search: see `codec.networks.quantizer.beam`
    prefix: float = 0.15  # share of steps that stop after a random stage
    start_batches: int = 200  # batches of the linear start
    texture_batches: int = 60  # coded under each of six λ to fit texture codes, if there are any
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

    def __post_init__(self) -> None:
        check_numbers(self)
        crops = min(self.context_batches * self.batch, CLUSTERED)
        if self.contexts > (cells := crops * (self.crop // CELL) ** 2):
            raise ValueError(
                f"contexts is {self.contexts}, expected at most {cells}, the cells of {CELL} "
                "pixels in context_batches batches"
            )


def check_numbers(settings: Any) -> None:
    """Raise ValueError unless every setting of a dataclass is of its default's type, and in range.

    >>> check_numbers(TrainConfig(steps=0))
    Traceback (most recent call last):
    ...
    ValueError: steps is 0, expected an integer in 1..1000000000
    """
    for setting in dataclasses.fields(settings):
        name, value, like = setting.name, getattr(settings, setting.name), setting.default
        least, most = RANGES.get(name, (0, 10**6))
        if name == "sources":
            if not value or not all(isinstance(source, Source) for source in value):
                raise ValueError("sources names none: expected one or more tables")
        elif type(like) is int:
            in_range(name, value, least, most)
        elif isinstance(like, float | tuple):
            length = len(like) if isinstance(like, tuple) else 0
            numbers = value if length else (value,)
            fits = type(numbers) is tuple and len(numbers) == max(length, 1)
            if not fits or not all(type(n) in (int, float) and least <= n <= most for n in numbers):
                what = f"{length} numbers" if length else "a number"
                raise ValueError(f"{name} is {value!r:.40}, expected {what} in {least}..{most}")
        elif isinstance(like, bool | str) and type(value) is not type(like):
            raise ValueError(f"{name} is {value!r:.40}, expected a {type(like).__name__}")
        if name == "crop" and value % CELL:
            raise ValueError(f"crop is {value}, expected a multiple of {CELL}")


def _changed(config: Config, settings: dict[str, Any]) -> Config:
    """The configuration with some settings; TypeError or ValueError if they are not valid."""
    known = [f.name for f in dataclasses.fields(config)]  # type: ignore[type-var, arg-type]
    changes = {}
    for name, value in settings.items():
        if name not in known:
            raise ValueError(
                f"unknown training setting {name!r}: expected one of {', '.join(known)}"
            )
        inner = getattr(config, name)
        nested = dataclasses.is_dataclass(inner)
        if nested != isinstance(value, dict):
            what = "a table of settings" if nested else "one value"
            raise ValueError(f"{name} is {value!r:.40}, expected {what}")
        if isinstance(inner, ModelConfig):
            inner = ModelConfig.from_json(json.dumps(json.loads(inner.to_json()) | value))
        elif nested:
            inner = _changed(inner, value)
        elif name == "sources":
            inner = _sources(value)
        else:
            inner = tuple(value) if isinstance(value, list) else value
        changes[name] = inner
    return dataclasses.replace(config, **changes)  # type: ignore[type-var]


def _sources(tables: Any) -> tuple[Source, ...]:
    """The sources of a list of tables; TypeError or ValueError if they are not valid."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"sources is {tables!r:.40}, expected a list of tables")
    return tuple(_changed(Source(), table) for table in tables)


def load_config(path: Path | None, overrides: list[str]) -> TrainConfig:
    """The codec's training settings, see `configured`.

    >>> load_config(None, ["steps=10", "model.lambda_fine=0.01"]).steps
    10
    """
    return configured(TrainConfig(), path, overrides)


def configured(config: Config, path: Path | None, overrides: list[str]) -> Config:
    """A configuration with the TOML file's values, then overrides "name=value" (value in JSON).

    Raises:
        CodecError: an unknown setting, or a value that cannot be read or is out of its range.
    """
    try:
        settings: dict[str, Any] = tomllib.loads(path.read_text()) if path else {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CodecError(f"cannot read training config {path}: {error}") from error
    for text in overrides:
        key, _, value = text.partition("=")
        name, _, inner = key.partition(".")
        try:
            changed = json.loads(value)
        except json.JSONDecodeError as error:
            raise CodecError(
                f"cannot read --set {text!r}: expected name=value with a JSON value"
            ) from error
        if inner:
            before = settings.get(name)
            changed = (before if isinstance(before, dict) else {}) | {inner: changed}
        settings[name] = changed
    try:
        return _changed(config, settings)
    except (TypeError, ValueError) as error:
        raise CodecError(f"training settings: {reason(error)}") from error
