"""What the verbs share: types of options, errors as one sentence, progress, paths."""

import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from codec.errors import BitstreamError, CodecError, ModelMismatchError
from codec.files import STDIO


class Device(StrEnum):
    """Where the networks run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


Coded = Annotated[str, typer.Argument(metavar="FILE", help="A .bibc file; - is standard input.")]
Output = Annotated[str | None, typer.Option("-o", "--output", metavar="OUT")]
Model = Annotated[str, typer.Option("-m", "--model", help="Name or folder of a model.")]
On = Annotated[Device, typer.Option("--device", help="Where the networks run.")]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, metavar="N", help="CPU threads (default all).")
]
Force = Annotated[bool, typer.Option("-f", "--force", help="Replace OUT if it exists.")]
MaxPixels = Annotated[
    int, typer.Option("--max-pixels", min=1, metavar="N", help="Refuse larger images.")
]
MaxSide = Annotated[
    int, typer.Option("--max-side", min=1, metavar="N", help="Refuse images with a longer side.")
]
MaxChunkBytes = Annotated[
    int,
    typer.Option("--max-chunk-bytes", min=1, metavar="N", help="Refuse more metadata and alpha."),
]
MaxStages = Annotated[
    int, typer.Option("--max-stages", min=1, metavar="N", help="Refuse files of more stages.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No summary line, no progress.")]
Verbose = Annotated[
    int,
    typer.Option(
        "-v", count=True, show_default=False, help="Show warnings; -vv: and tracebacks of errors."
    ),
]


@contextmanager
def one_sentence(verbose: int, file: str = "") -> Iterator[None]:
    """Any error of the block becomes one sentence on stderr and exit code 1.

    `file` is the coded file that errors in the bytes are about.
    """
    try:
        with warnings.catch_warnings():
            if not verbose:
                warnings.simplefilter("ignore")
            yield
    except Exception as error:
        if verbose >= 2:
            traceback.print_exc()
        where = (
            f"{file}: " if file and isinstance(error, BitstreamError | ModelMismatchError) else ""
        )
        say(f"bibcodec: {where}{sentence(error)}")
        raise typer.Exit(1) from None


def sentence(error: Exception) -> str:
    """What to tell a user about an error, in one line."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, CodecError):
        text = str(error)
    elif isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        text = "not enough memory for an image of this size"
    else:
        text = f"internal error ({type(error).__name__}: {error}): please report it, with -vv"
    return " ".join(text.split())


@contextmanager
def progress(what: str, quiet: bool) -> Iterator[None]:
    """A spinner on stderr, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415

    with Console(stderr=True).status(what):
        yield


def say(line: str) -> None:
    """One line for people: on stderr, as stdout may be carrying data."""
    print(line, file=sys.stderr)


def output_path(source: str, output: str | None, suffix: str) -> str:
    """Where the result goes: beside its source, or in a folder, or to stdout, unless named."""
    if output is None:
        return STDIO if source == STDIO else str(Path(source).with_suffix(suffix))
    if output != STDIO and Path(output).is_dir():
        if source == STDIO:
            raise typer.BadParameter(f"{output} is a folder: name the file")
        return str(Path(output) / Path(source).with_suffix(suffix).name)
    return output


def set_threads(threads: int | None) -> None:
    """Limit torch to so many CPU threads."""
    if threads is not None:
        import torch  # noqa: PLC0415

        torch.set_num_threads(threads)
