"""What the verbs share: types of options, errors as one sentence, progress, paths."""

import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from codec.errors import BitstreamError, CodecWarning, ModelMismatchError, sentence
from codec.files import STDIO, printable
from codec.options import LEAST_TILE, METADATA


class Device(StrEnum):
    """Where the networks run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Strip(StrEnum):
    """Metadata to leave out."""

    NONE = "none"
    ALL = "all"
    ICC = "icc"
    EXIF = "exif"
    XMP = "xmp"


Stripped = Annotated[list[Strip] | None, typer.Option("--strip", help="Metadata to leave out.")]
Coded = Annotated[str, typer.Argument(metavar="FILE", help="A .bibc file; - is standard input.")]
Output = Annotated[
    str | None,
    typer.Option(
        "-o", "--output", metavar="OUT", help="File or folder of the result; - is standard output."
    ),
]
Model = Annotated[str, typer.Option("-m", "--model", help="Name or folder of a model.")]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where the networks run.")]


class Engine(StrEnum):
    """What runs the networks."""

    AUTO = "auto"
    ONNX = "onnx"
    TORCH = "torch"


EngineOption = Annotated[
    Engine,
    typer.Option("--engine", help="What runs the networks: onnxruntime, torch, or the faster one."),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, max=1024, metavar="N", help="CPU threads to use (default: all)."
    ),
]
Force = Annotated[bool, typer.Option("-f", "--force", help="Replace OUT if it exists.")]
MaxPixels = Annotated[
    int, typer.Option("--max-pixels", min=1, metavar="N", help="Refuse images with more pixels.")
]
MaxSide = Annotated[
    int, typer.Option("--max-side", min=1, metavar="N", help="Refuse images with a longer side.")
]
MaxChunkBytes = Annotated[
    int,
    typer.Option(
        "--max-chunk-bytes", min=1, metavar="N", help="Refuse files with more metadata and alpha."
    ),
]
MaxStages = Annotated[
    int, typer.Option("--max-stages", min=1, metavar="N", help="Refuse files with more stages.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print no summary line and no progress.")]
Tile = Annotated[
    int,
    typer.Option(
        "--tile",
        min=LEAST_TILE,
        metavar="N",
        help="Pixels a side of a tile; less needs less memory and gives the same result.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "-j",
        "--jobs",
        min=1,
        max=1024,
        metavar="N",
        help="For several files: number of processes (default: one per core).",
    ),
]
Shards = Annotated[
    str, typer.Option("--shard", metavar="I/N", help="For several files: code only part I of N.")
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="For several files: continue a run; files that have changed are coded again.",
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="For a folder: exit with 1 if anything in it is not read."),
]
FollowLinks = Annotated[
    bool, typer.Option("--follow-links", help="For a folder: look into linked folders too.")
]
KeepTimes = Annotated[
    bool, typer.Option("--keep-times", help="Give the result the times of the source file.")
]
Verbose = Annotated[
    int,
    typer.Option(
        "-v",
        count=True,
        show_default=False,
        help="Show warnings; -vv also shows tracebacks of errors.",
    ),
]


@dataclass(frozen=True)
class BatchOptions:
    """How several files are coded, for `encode` and `decode`.

    Attributes:
        jobs: processes, if not as many as cores.
        threads: of each process, if not the cores divided among the processes.
        shard: which files, "i/n".
        resume: go on with a run that was stopped.
        strict: what is passed over is a failure.
        follow_links: look into linked folders.
        keep_times: give results the times of their files.
        force: replace what is there.
        quiet: tell of failures only.
    """

    jobs: int | None
    threads: int | None
    shard: str
    resume: bool
    strict: bool
    follow_links: bool
    keep_times: bool
    force: bool
    quiet: bool


@contextmanager
def one_sentence(verbose: int, file: str = "") -> Iterator[None]:
    """Any error of the block becomes one sentence on stderr and exit code 1.

    `file` is the coded file that errors in the bytes are about.
    """
    try:
        with warnings.catch_warnings():
            if not verbose:
                warnings.simplefilter("ignore")
            warnings.filterwarnings("always", category=CodecWarning)
            warnings.showwarning = _show_warning
            yield
    except (typer.BadParameter, typer.Exit):
        raise
    except Exception as error:
        if verbose >= 2:
            traceback.print_exc()
        where = (
            f"{file}: " if file and isinstance(error, BitstreamError | ModelMismatchError) else ""
        )
        say(f"bibcodec: {where}{sentence(error)}")
        raise typer.Exit(1) from None


def _show_warning(
    message: Warning | str, category: type[Warning], *where: Any, **more: Any
) -> None:
    """Any warning as one line on stderr."""
    say(f"bibcodec: {' '.join(str(message).split())}")


@contextmanager
def progress(what: str, quiet: bool) -> Iterator[None]:
    """A spinner on stderr, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415

    with Console(stderr=True).status(what):
        yield


def kept(strip: list[Strip] | None) -> list[str]:
    """The names of the metadata that --strip leaves.

    >>> kept([Strip.XMP]), kept([Strip.ALL]), kept(None)
    (['icc', 'exif'], [], ['icc', 'exif', 'xmp'])
    """
    dropped = METADATA if Strip.ALL in (strip or ()) else strip or ()
    return [name for name in METADATA if name not in dropped]


def say(line: str) -> None:
    """One line for people: on stderr, as stdout may be carrying data."""
    print(printable(line), file=sys.stderr)


def output_path(source: str, output: str | None, suffix: str) -> str:
    """Where the result goes: beside its source, or in a folder, or to stdout, unless named."""
    if output is None:
        return STDIO if source == STDIO else str(Path(source).with_suffix("")) + suffix
    if output != STDIO and Path(output).is_dir():
        if source == STDIO:
            raise typer.BadParameter(f"{output} is a folder: name the file")
        return str(Path(output) / Path(source).stem) + suffix
    return output


def is_batch(inputs: list[str], output: str | None, options: BatchOptions) -> bool:
    """Whether a verb is given several files or a folder.

    Raises:
        BadParameter: its options do not fit that.
    """
    folders = [path for path in inputs if path != STDIO and Path(path).is_dir()]
    if not folders and len(inputs) == 1:
        for_many = (options.jobs, options.resume, options.strict, options.follow_links)
        if any(for_many) or options.shard != "1/1":
            raise typer.BadParameter(
                "--jobs, --shard, --resume, --strict and --follow-links are for folders and "
                "several files"
            )
        return False
    if STDIO in inputs:
        raise typer.BadParameter("- (standard input) is one file: give no others")
    if output in (None, STDIO) or Path(str(output)).is_file():
        what = f"{folders[0]} is a folder" if folders else "several files"
        raise typer.BadParameter(f"{what}: name a folder for the results with -o")
    from codec.batch.shard import Shard  # noqa: PLC0415  (not for --help)

    try:
        Shard.parse(options.shard)
    except ValueError as error:
        raise typer.BadParameter(f"--shard {error}") from None
    return True


def one_file(engine: Engine) -> str:
    """The engine of a process that codes one file, see `codec.models.choose`."""
    return "quick" if engine is Engine.AUTO else engine.value


def set_threads(threads: int | None) -> None:
    """Use so many CPU threads, if there is a limit."""
    if threads is not None:
        from codec.runtime.cpu import limit_threads  # noqa: PLC0415

        limit_threads(threads)
