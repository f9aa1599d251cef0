"""The checkpoint of a training run: replaced whole or not at all, and not trusted when read."""

from __future__ import annotations

import os
import weakref
import zipfile
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from bitstream.errors import CodecError
from codec import files
from codec.files import writing


class Checkpoint:
    """The state of a run's parts, in the file checkpoint.pt of its folder.

    Args:
        out: the run's folder.
        parts: modules, optimizers and the like by name: what has state_dict and load_state_dict.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as out:
        ...     checkpoint = Checkpoint(Path(out), {"net": torch.nn.Linear(2, 2)})
        ...     checkpoint.save(step=7)
        ...     checkpoint.load(torch.device("cpu"))
        7
    """

    def __init__(self, out: Path, parts: dict[str, Any]) -> None:
        self.path, self.parts = out / "checkpoint.pt", parts

    def save(self, step: int) -> None:
        """Replace the file; OSError, and the old one stays, if it cannot be written whole."""
        data = BytesIO()  # torch turns the errors of a full disk into others
        state = {name: part.state_dict() for name, part in self.parts.items()}
        torch.save({"step": step, **state}, data)
        with writing(str(self.path), force=True) as file:
            file.write(data.getbuffer())

    def load(self, device: torch.device) -> int:
        """Set the parts to the file's state; returns its step.

        Nothing in the file is run (`weights_only`), and its checksums are compared, which torch
        does not do.

        Raises:
            CodecError: the file is damaged, or of a run of another configuration.
            OSError: the file cannot be read.
        """
        try:
            with zipfile.ZipFile(self.path) as file:
                damaged = file.testzip()
            if damaged:
                raise zipfile.BadZipFile(f"checksum of {damaged}")
            state = torch.load(self.path, map_location=device, weights_only=True)
        except (zipfile.BadZipFile, UnpicklingError, RuntimeError, EOFError) as error:
            raise CodecError(
                f"{self.path} is damaged or no checkpoint of a training run: "
                "begin anew in another folder, or put a whole one in its place"
            ) from error
        try:
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            return int(state["step"])
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CodecError(
                f"{self.path} is of a run of another configuration: use that, or a new folder"
            ) from error


def lock(out: Path, holder: object) -> None:
    """Keep other runs out of a folder while an object lives, see `codec.files.lock`."""
    folder = os.open(out, os.O_RDONLY)
    weakref.finalize(holder, os.close, folder)
    files.lock(folder, f"{out}: another training run is at work in this folder")


def has_checkpoint(out: Path, resume: bool) -> bool:
    """Whether the folder of a run has a checkpoint; CodecError if so and `resume` is not set."""
    found = (out / "checkpoint.pt").exists()
    if found and not resume:
        raise CodecError(
            f"{out} holds a training run: add --resume to go on with it, or name a new folder"
        )
    return found
