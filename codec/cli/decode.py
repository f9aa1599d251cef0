"""The verb `decode`."""

import secrets
import sys
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import typer

from codec.cli.common import (
    Coded,
    Device,
    Engine,
    EngineOption,
    Force,
    How,
    Jobs,
    MaxChunkBytes,
    MaxPixels,
    MaxSide,
    MaxStages,
    Model,
    On,
    Output,
    Quiet,
    Resume,
    Shards,
    Stripped,
    Threads,
    Tile,
    Verbose,
    kept,
    of_folder,
    one_file,
    one_sentence,
    output_path,
    progress,
    say,
    set_threads,
)
from codec.files import STDIO, read_coded, refuse_overwrite, writing
from codec.options import DEFAULT_LIMITS, TILE, DecodeLimits, DecodeOptions, Running


def decode(
    file: Coded,
    *,
    output: Output = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="F",
            help="png, jpeg, tiff, ... (default: by the suffix of OUT, or png).",
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
    device: On = Device.AUTO,
    engine: EngineOption = Engine.AUTO,
    tile: Tile = TILE,
    threads: Threads = None,
    jobs: Jobs = None,
    shard: Shards = "1/1",
    resume: Resume = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Decode a file, or every file of a folder.

    Without -o the result is FILE with the suffix .png, or that of --format.
    For a folder give the folder OUT, as for `encode`.
    """
    options: dict[str, Any] = {
        "realism": realism,
        "model": model,
        "limits": DecodeLimits(max_pixels, max_side, max_chunk_bytes, max_stages),
        "allow_partial": allow_partial,
        "keep": kept(strip),
        "device": device,
        "engine": engine,
        "tile": tile,
    }
    how = How(jobs, threads, shard, resume, force, quiet)
    with one_sentence(verbose, file):
        from codec.images.save import format_name  # noqa: PLC0415  (Pillow: not for --help)

        options["seed"] = chosen = seed_option(seed)
        suffix = f".{(file_format or 'png').lower()}"
        if of_folder(file, output, how):
            if samples > 1:
                raise typer.BadParameter("--samples is for one file")
            from codec.batch.folder import decoded  # noqa: PLC0415
            from codec.cli import folder  # noqa: PLC0415

            options["format"] = format_name(file_format, Path(suffix))
            folder.run(
                decoded, file, str(output), how, suffixes=[".bibc"], becomes=suffix, options=options
            )
        path = output_path(file, output, suffix)
        if samples > 1 and path == STDIO:
            raise typer.BadParameter("--samples writes files: name one with -o")
        outputs = [path] if samples == 1 else [numbered(path, n + 1) for n in range(samples)]
    with one_sentence(verbose, file), progress(f"decoding {file}", quiet):
        for path in outputs:
            refuse_overwrite(path, force)
        from codec.decoding import open_file  # noqa: PLC0415

        wanted = format_name(file_format, Path(path))
        set_threads(threads)
        data = read_coded(sys.stdin.buffer if file == STDIO else file)
        start = time.perf_counter()
        picture = open_file(
            data,
            DecodeOptions(realism, chosen, allow_partial, options["limits"], tuple(kept(strip))),
            Running(model, device, tile, one_file(engine)),
        )
        for path in outputs:
            with writing(path, force) as out:
                if is_device(path):  # some formats seek, and a failure must leave nothing on a pipe
                    buffer = BytesIO()
                    picture.write(buffer, wanted)
                    out.write(buffer.getbuffer())
                else:
                    picture.write(out, wanted)
            if not quiet:
                header, stages = picture.file.header, picture.stages
                say(
                    f"{file} -> {path}: {header.width}x{header.height} {picture.mode}, "
                    f"{stages[0]} of {stages[1]} stages, "
                    f"realism {picture.realism:g}, seed {picture.seed}, "
                    f"{time.perf_counter() - start:.2f} s"
                )
            start = time.perf_counter()
            number = secrets.randbits(64) if chosen == "random" else (picture.seed + 1) % 2**64
            picture = replace(picture, seed=number)


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
