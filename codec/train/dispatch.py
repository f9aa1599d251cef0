"""What `bibcodec train` does; under torchrun, `-m codec.cli train`."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from bitstream.errors import CodecError
from codec.lagrangian import OBJECTIVES
from codec.processes import Processes
from codec.train.codec.loop import train
from codec.train.config import configured, load_config
from codec.train.detail.loop import DetailTraining, train_detail
from codec.train.family.folder import train_folder
from codec.train.family.loop import FamilyConfig


def run(
    objective: str,
    config: Path | None,
    data: Path,
    out: Path,
    *,
    resume: bool,
    overrides: list[str],
) -> None:
    """Train until the configured number of steps.

    The objective "codec" is `codec.train.codec.loop.train`, "detail" is
    `codec.train.detail.loop.train_detail`, and a name of `OBJECTIVES` is
    `codec.train.family.folder.train_folder`.

    Raises:
        CodecError: an unknown objective or setting, no images, or a run that cannot be resumed.
    """
    if "OMP_NUM_THREADS" not in os.environ:  # which torch obeys
        torch.set_num_threads(Processes.of(1, None).threads)
    if objective == "codec":
        train(load_config(config, overrides), data, out, resume)
        return
    if objective == "detail":
        train_detail(configured(DetailTraining(), config, overrides), data, out, resume)
        return
    if objective not in OBJECTIVES:
        known = ", ".join(["codec", "detail", *OBJECTIVES])
        raise CodecError(f"unknown objective {objective!r}: expected one of {known}")
    if resume:
        raise CodecError(f"a run of {objective} has no checkpoints: start it without --resume")
    train_folder(objective, configured(FamilyConfig(), config, overrides), data, out)
