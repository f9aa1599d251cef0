"""The verb `decode`."""

import secrets
import sys
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codec.cli.common import (
    BatchOptions,
    Device,
    DeviceOption,
    Engine,
    EngineOption,
    FollowLinks,
    Force,
    Jobs,
    KeepTimes,
    MaxChunkBytes,
    MaxPixels,
    MaxSide,
    MaxStages,
    Model,
    Output,
    Quiet,
    Resume,
    Shards,
    Strict,
    Stripped,
    Threads,
    Tile,
    Verbose,
    is_batch,
    kept,
    one_file,
    one_sentence,
    output_path,
    progress,
    say,
    set_threads,
)
from codec.files import STDIO, read_coded, refuse_overwrite, writing
from codec.files import keep_times as copy_times
from codec.options import DEFAULT_LIMITS, TILE, DecodeLimits, DecodeOptions, Running

if TYPE_CHECKING:
    from codec.decoding import DecodedFile


def decode(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help=".bibc files, or folders of them; - is standard input."
        ),
    ],
    *,
    output: Output = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="F", help="png, jpeg, tiff, ... (default: OUT's suffix, or png)"
        ),
    ] = None,
    realism: Annotated[
        float,
        typer.Option(
            "--realism",
            min=0,
            max=1,
            metavar="0..1",
            help="How much detail is synthesized; 0 is the mean.",
        ),
    ] = 1.0,
    seed: Annotated[
        str,
        typer.Option(
            "--seed", metavar="N", help="Seed of the detail: stored, random, or a number."
        ),
    ] = "stored",
    samples: Annotated[
        int,
        typer.Option(
            "--samples",
            min=1,
            metavar="K",
            help="Decode K images with K seeds, to OUT-1, OUT-2, ...",
        ),
    ] = 1,
    model: Model = "default",
    max_pixels: MaxPixels = DEFAULT_LIMITS.max_pixels,
    max_side: MaxSide = DEFAULT_LIMITS.max_side,
    max_chunk_bytes: MaxChunkBytes = DEFAULT_LIMITS.max_chunk_bytes,
    max_stages: MaxStages = DEFAULT_LIMITS.max_stages,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Decode what a truncated file holds.")
    ] = False,
    strip: Stripped = None,
    keep_times: KeepTimes = False,
    device: DeviceOption = Device.AUTO,
    engine: EngineOption = Engine.AUTO,
    tile: Tile = TILE,
    threads: Threads = None,
    jobs: Jobs = None,
    shard: Shards = "1/1",
    resume: Resume = False,
    strict: Strict = False,
    follow_links: FollowLinks = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Decode a file, several, or every file of a folder.

    Without -o the result is FILE with the suffix .png, or that of --format.
    For several files or a folder give the folder OUT, as for `encode`.
    """
    limits = DecodeLimits(max_pixels, max_side, max_chunk_bytes, max_stages)
    options = DecodeOptions(realism, seed_option(seed), allow_partial, limits, tuple(kept(strip)))
    running = Running(model, device.value, tile, engine.value)
    batch = BatchOptions(
        jobs, threads, shard, resume, strict, follow_links, keep_times, force, quiet
    )
    suffix = f".{(file_format or 'png').lower()}"
    with one_sentence(verbose):
        if is_batch(inputs, output, batch):
            if samples > 1:
                raise typer.BadParameter("--samples is for one file")
            from codec.batch.tasks import DecodeTask  # noqa: PLC0415  (not for --help)
            from codec.cli import folder  # noqa: PLC0415  (multiprocessing: not for --help)
            from codec.images.save import format_name  # noqa: PLC0415  (Pillow: not for --help)

            known = format_name(file_format, Path(suffix))
            task = DecodeTask(options, running, known, suffix)
            folder.run(task, inputs, str(output), batch, [".bibc"])
    running = replace(running, engine=one_file(engine))
    with one_sentence(verbose, inputs[0]):
        path = output_path(inputs[0], output, suffix)
        if samples > 1 and path == STDIO:
            raise typer.BadParameter("--samples writes files: name one with -o")
        outputs = [path] if samples == 1 else [numbered(path, n + 1) for n in range(samples)]
        for path in outputs:
            refuse_overwrite(path, force)
        with progress(f"decoding {inputs[0]}", quiet):
            _decode_file(
                inputs[0],
                outputs,
                file_format=file_format,
                options=options,
                running=running,
                batch=batch,
            )


def _decode_file(
    source: str,
    paths: list[str],
    *,
    file_format: str | None,
    options: DecodeOptions,
    running: Running,
    batch: BatchOptions,
) -> None:
    """Decode one file, to one image or to several of different seeds."""
    from codec.decoding import open_file  # noqa: PLC0415  (Pillow: not for --help)
    from codec.images.save import format_name  # noqa: PLC0415  (Pillow: not for --help)

    wanted = format_name(file_format, Path(paths[-1]))
    set_threads(batch.threads)
    data = read_coded(sys.stdin.buffer if source == STDIO else source)
    start = time.perf_counter()
    picture = open_file(data, options, running)
    for path in paths:
        _write(picture, path, wanted, batch.force)
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
    raise typer.BadParameter(f"--seed {text:.24}: expected stored, random or 0..{2**64 - 1}")


def is_device(path: str) -> bool:
    """Whether what is written to a path cannot be taken back: standard output, a pipe."""
    return path == STDIO or (Path(path).exists() and not Path(path).is_file())


def numbered(path: str, number: int) -> str:
    """The name of one of several images: a.png is a-1.png, a-2.png, ..."""
    return str(Path(path).with_stem(f"{Path(path).stem}-{number}"))
