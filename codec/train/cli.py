"""Entry of `bibcodec train`; also `python -m codec.train.cli`, for torchrun."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from bitstream.errors import CodecError
from codec.train.config import load_config
from codec.train.loop import train


def run(config: Path | None, data: Path, out: Path, resume: bool, overrides: list[str]) -> None:
    """Train until the configured number of steps; see `codec.train.loop.train`."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    train(load_config(config, overrides), data, out, resume)


def main() -> None:
    """Parse the command line and train; an error is one line and exit code 1."""
    parser = argparse.ArgumentParser(description="train a bibcodec model")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    try:
        run(**vars(parser.parse_args()))
    except CodecError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
