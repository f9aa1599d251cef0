"""Compiling the C beside this file, when a run first needs it."""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

HERE = Path(__file__).parent
SWITCH = "BIBCODEC_NO_KERNELS"  # 1 in the environment: torch does the work
FLAGS = ("-O3", "-march=native", "-fPIC", "-shared")


@cache
def library(name: str) -> ctypes.CDLL | None:
    """The functions of NAME.c, compiled by $CC (or cc) for this processor.

    It takes a second, once a process; nothing stays on the disk. None where the variable
    BIBCODEC_NO_KERNELS is 1, or, with a warning, where there is no compiler: torch does the same
    work then, in more time.
    """
    if os.environ.get(SWITCH) == "1":
        return None
    compiler = shlex.split(os.environ.get("CC", "cc"))
    with tempfile.TemporaryDirectory(prefix="bibcodec-") as folder:
        path = Path(folder) / f"{name}.so"
        command = [*compiler, *FLAGS, "-o", str(path), str(HERE / f"{name}.c")]
        try:
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603  (the C beside this)
            return ctypes.CDLL(str(path))
        except (OSError, subprocess.CalledProcessError) as error:
            warnings.warn(f"training is slower without the C compiler: {error}", stacklevel=2)
            return None


def call(function: Any, sizes: Sequence[int], *places: Tensor | int | None) -> None:
    """Call C with sizes (int) and addresses: of a tensor's first number, or known; None is null.

    Raises:
        MemoryError: there was not enough memory.
    """
    addresses = (p.data_ptr() if isinstance(p, Tensor) else p for p in places)
    if function(*map(ctypes.c_int, sizes), *map(ctypes.c_void_p, addresses)):
        raise MemoryError("no memory for a training step")
