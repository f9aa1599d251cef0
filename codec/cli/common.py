"""What the verbs share: errors as one sentence, progress, paths."""

import sys
import traceback
import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codec.cli.arguments import UsageError
from codec.errors import BitstreamError, CodecWarning, ModelMismatchError, sentence
from codec.files import STDIO, printable
from codec.options import METADATA, Running


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

    @classmethod
    def of(cls, given: Namespace) -> "BatchOptions":
        """Those that are given, see `codec.cli.arguments.Parser.many`."""
        return cls(**{name: getattr(given, name) for name in cls.__dataclass_fields__})


def running_of(given: Namespace) -> Running:
    """Which model runs, and how, see `codec.cli.arguments.Parser.networks`."""
    return Running(given.model, given.device, given.tile, given.engine)


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
    except UsageError:
        raise
    except Exception as error:
        if verbose >= 2:
            traceback.print_exc()
        where = (
            f"{file}: " if file and isinstance(error, BitstreamError | ModelMismatchError) else ""
        )
        say(f"bibcodec: {where}{sentence(error)}")
        raise SystemExit(1) from None


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


def kept(strip: Sequence[str] | None) -> list[str]:
    """The names of the metadata that --strip leaves.

    >>> kept(["xmp"]), kept(["all"]), kept(None)
    (['icc', 'exif'], [], ['icc', 'exif', 'xmp'])
    """
    dropped = METADATA if "all" in (strip or ()) else strip or ()
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
            raise UsageError(f"{output} is a folder: name the file")
        return str(Path(output) / Path(source).stem) + suffix
    return output


def is_batch(inputs: list[str], output: str | None, options: BatchOptions) -> bool:
    """Whether a verb is given several files or a folder.

    Raises:
        UsageError: its options do not fit that.
    """
    if "" in (*inputs, output):  # which would be the current folder
        raise UsageError("a name is empty: perhaps a variable of the shell is not set")
    folders = [path for path in inputs if path != STDIO and Path(path).is_dir()]
    if not folders and len(inputs) == 1:
        for_many = (options.jobs, options.resume, options.strict, options.follow_links)
        if any(for_many) or options.shard != "1/1":
            raise UsageError(
                "--jobs, --shard, --resume, --strict and --follow-links are for folders and "
                "several files"
            )
        return False
    if STDIO in inputs:
        raise UsageError("- (standard input) is one file: give no others")
    if output in (None, STDIO) or Path(str(output)).is_file():
        what = f"{folders[0]} is a folder" if folders else "several files"
        raise UsageError(f"{what}: name a folder for the results with -o")
    from codec.batch.shard import Shard  # noqa: PLC0415  (not for --help)

    try:
        Shard.parse(options.shard)
    except ValueError as error:
        raise UsageError(f"--shard {error}") from None
    return True


def one_file(engine: str) -> str:
    """The engine of a process that codes one file, see `codec.models.choose`."""
    return "quick" if engine == "auto" else engine


def set_threads(threads: int | None) -> None:
    """Use so many CPU threads, if there is a limit."""
    if threads is not None:
        from codec.runtime.cpu import limit_threads  # noqa: PLC0415

        limit_threads(threads)
