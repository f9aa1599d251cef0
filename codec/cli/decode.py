"""The verb `decode`."""

import secrets
import sys
import time
from argparse import Namespace
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from codec.cli import VERBS
from codec.cli.arguments import Parser, Range, UsageError, limits_of
from codec.cli.common import (
    BatchOptions,
    is_batch,
    kept,
    one_file,
    one_sentence,
    output_path,
    progress,
    running_of,
    say,
    set_threads,
)
from codec.files import STDIO, read_coded, refuse_itself, refuse_overwrite, writing
from codec.files import keep_times as copy_times
from codec.options import DecodeOptions, Running

if TYPE_CHECKING:
    from codec.decoding import DecodedFile

ABOUT = f"""{VERBS["decode"]}

One file: without -o, the result lies beside FILE and has the suffix .png, or that of --format.
Several files or a folder: -o names a folder for the results, as for `encode`."""


def parser() -> Parser:
    """The arguments."""
    p = Parser("decode", "FILE...", ABOUT)
    p.add_argument(
        "inputs",
        nargs="+",
        metavar="FILE",
        help="One or more .bibc files, or folders of them; - is standard input.",
    )
    p.output()
    p.add_argument(
        "--format",
        metavar="F",
        help="Format of the image: png, jpeg, tiff, ... (default: that of the suffix of OUT, or "
        "else png).",
    )
    p.add_argument(
        "--realism",
        type=Range(float, 0, 1),
        default=1.0,
        metavar="R",
        help="How much of the detail that was not coded is synthesized: 0 is none, 1 is all "
        "(default: 1).",
    )
    p.add_argument(
        "--seed",
        default="stored",
        metavar="N",
        help="Seed of the synthesized detail: a number, `stored` for the one in the file, or "
        "`random` (default: stored).",
    )
    p.add_argument(
        "--samples",
        type=Range(int, 1),
        default=1,
        metavar="K",
        help="Decode the file K times with K seeds, to OUT-1, OUT-2, ... (default: 1).",
    )
    p.model()
    p.limits()
    p.add_argument(
        "--allow-partial",
        action="store_true",
        help="Decode the part of the image that a truncated file holds.",
    )
    p.strip()
    p.networks()
    p.many()
    p.force()
    p.telling()
    return p


def run(given: Namespace) -> int:
    """Decode what the arguments name; returns the exit code."""
    inputs, output = given.inputs, given.output
    keep = tuple(kept(given.strip))
    seed = seed_option(given.seed)
    options = DecodeOptions(given.realism, seed, given.allow_partial, limits_of(given), keep)
    running, batch = running_of(given), BatchOptions.of(given)
    suffix = f".{(given.format or 'png').lower().removeprefix('.')}"
    with one_sentence(given.verbose):
        if is_batch(inputs, output, batch):
            if given.samples > 1:
                raise UsageError("--samples is for one file")
            from codec.batch.tasks import DecodeTask  # noqa: PLC0415  (not for --help)
            from codec.cli import folder  # noqa: PLC0415  (multiprocessing: not for --help)
            from codec.images.save import format_name  # noqa: PLC0415  (Pillow: not for --help)

            known = format_name(given.format, Path(suffix))
            task = DecodeTask(options, running, known, suffix)
            return folder.run(task, inputs, str(output), batch, [".bibc"])
    running = replace(running, engine=one_file(given.engine))
    with one_sentence(given.verbose, inputs[0]):
        path = output_path(inputs[0], output, suffix)
        if given.samples > 1 and path == STDIO:
            raise UsageError("--samples writes files: name one with -o")
        if given.samples > 1 and not given.realism:
            raise UsageError("--samples needs a realism above 0: without detail all are the same")
        from codec.images.save import format_name  # noqa: PLC0415  (Pillow: not for --help)

        wanted = format_name(given.format, Path(path))
        count = given.samples
        outputs = [path] if count == 1 else [numbered(path, n + 1) for n in range(count)]
        for path in outputs:
            refuse_itself(inputs[0], path)
            refuse_overwrite(path, batch.force)
        with progress(f"decoding {inputs[0]}", batch.quiet):
            _decode_file(
                inputs[0],
                outputs,
                file_format=wanted,
                options=options,
                running=running,
                batch=batch,
            )
    return 0


def _decode_file(
    source: str,
    paths: list[str],
    *,
    file_format: str,
    options: DecodeOptions,
    running: Running,
    batch: BatchOptions,
) -> None:
    """Decode one file, to one image or to several of different seeds."""
    from codec.decoding import open_file  # noqa: PLC0415  (Pillow: not for --help)

    set_threads(batch.threads)
    data = read_coded(sys.stdin.buffer if source == STDIO else source)
    start = time.perf_counter()
    picture = open_file(data, options, running)
    for path in paths:
        _write(picture, path, file_format, batch.force)
        if batch.keep_times:
            copy_times(source, path)
        if not batch.quiet:
            header, stages = picture.file.header, picture.stages
            say(
                f"{source} -> {path}: {header.width}x{header.height} {picture.mode}, "
                f"{stages[0]} of {stages[1]} stages, "
                f"realism {picture.realism:g}, seed {picture.seed}, "
                f"{time.perf_counter() - start:.2f} s"
            )
        start = time.perf_counter()
        number = secrets.randbits(64) if options.seed == "random" else (picture.seed + 1) % 2**64
        picture = replace(picture, seed=number)


def _write(picture: "DecodedFile", path: str, file_format: str, force: bool) -> None:
    """Write an image, to a pipe only when it is whole."""
    with writing(path, force) as out:
        if is_device(path):  # some formats seek, and a failure must leave nothing on a pipe
            buffer = BytesIO()
            picture.write(buffer, file_format)
            out.write(buffer.getbuffer())
        else:
            picture.write(out, file_format)


def seed_option(text: str) -> int | str:
    """The value of --seed: "stored", "random" or a number 0..2**64 - 1."""
    if text in ("stored", "random"):
        return text
    if text.isascii() and text.isdigit() and len(text) <= 20 and int(text) < 2**64:
        return int(text)
    raise UsageError(f"--seed {text:.24}: expected stored, random or 0..{2**64 - 1}")


def is_device(path: str) -> bool:
    """Whether what is written to a path cannot be taken back: standard output, a pipe."""
    return path == STDIO or (Path(path).exists() and not Path(path).is_file())


def numbered(path: str, number: int) -> str:
    """The name of one of several images: a.png is a-1.png, a-2.png, ..."""
    return str(Path(path).with_stem(f"{Path(path).stem}-{number}"))
