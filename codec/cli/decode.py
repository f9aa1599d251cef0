"""The verb `decode`."""

import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer

import codec
from codec.cli.common import (
    Coded,
    Device,
    Force,
    MaxChunkBytes,
    MaxPixels,
    MaxSide,
    MaxStages,
    Model,
    On,
    Output,
    Quiet,
    Threads,
    Verbose,
    one_sentence,
    output_path,
    progress,
    say,
    set_threads,
)
from codec.files import STDIO, refuse_overwrite, writing
from codec.options import DEFAULT_LIMITS, DecodeLimits


def decode(
    file: Coded,
    *,
    output: Output = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="F", help="png, jpeg, tiff, ... (default: OUT's suffix, or png)"
        ),
    ] = None,
    model: Model = "default",
    max_pixels: MaxPixels = DEFAULT_LIMITS.max_pixels,
    max_side: MaxSide = DEFAULT_LIMITS.max_side,
    max_chunk_bytes: MaxChunkBytes = DEFAULT_LIMITS.max_chunk_bytes,
    max_stages: MaxStages = DEFAULT_LIMITS.max_stages,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Decode what a truncated file holds.")
    ] = False,
    device: On = Device.AUTO,
    threads: Threads = None,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Decode a file; OUT is FILE with the suffix .png (or the format's) unless given."""
    path = output_path(file, output, f".{(file_format or 'png').lower()}")
    with one_sentence(verbose, file), progress(f"decoding {file}", quiet):
        start = time.perf_counter()
        refuse_overwrite(path, force)
        from codec import image_io  # noqa: PLC0415  (Pillow: not for --help)

        wanted = image_io.format_name(file_format, Path(path))
        set_threads(threads)
        image = codec.decode(
            sys.stdin.buffer if file == STDIO else file,
            model=model,
            limits=DecodeLimits(max_pixels, max_side, max_chunk_bytes, max_stages),
            allow_partial=allow_partial,
            device=device,
        )
        buffer = BytesIO()  # some formats seek, and a failure must leave nothing on a pipe
        image_io.save(image, buffer, wanted)
        with writing(path, force) as out:
            out.write(buffer.getbuffer())
    if not quiet:
        say(
            f"{file} -> {path}: {image.width}x{image.height} {image.mode}, "
            f"{image.info['stages'][0]} of {image.info['stages'][1]} stages, "
            f"{time.perf_counter() - start:.2f} s"
        )
