"""The verbs `info` and `verify`."""

import json
import sys
import time
from dataclasses import asdict
from typing import Annotated

import typer

import codec
from codec.cli.common import (
    Coded,
    MaxChunkBytes,
    MaxPixels,
    MaxSide,
    MaxStages,
    Model,
    Quiet,
    Verbose,
    one_sentence,
    say,
)
from codec.files import STDIO
from codec.images.chunks import sizes_text
from codec.options import DEFAULT_LIMITS, DecodeLimits


def info(
    file: Coded,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    novelty: Annotated[
        bool,
        typer.Option(
            "--novelty", help="Also print the novelty: how unusual the image is, a percentile."
        ),
    ] = False,
    model: Model = "default",
    verbose: Verbose = 0,
) -> None:
    """Print what a file's header says; the image is not decoded."""
    with one_sentence(verbose, file):
        source = sys.stdin.buffer if file == STDIO else file
        values = asdict(codec.info(source, novelty=novelty, model=model))
        if not novelty:
            del values["novelty"]
        if as_json:
            print(json.dumps(values, indent=2))
            return
        picture, metadata = values.pop("picture_bytes"), values.pop("metadata_bytes")
        values["file_bytes"] = f"{values['file_bytes']}, {sizes_text(picture + metadata, metadata)}"
        values["bpp"] = f"{values['bpp']:.4f}"
        sizes = [f"{kind} {size:,} bytes" for kind, size in values["chunks"].items()]
        values["chunks"] = ", ".join(sizes) or "none"
        if values.get("novelty") is not None:
            values["novelty"] = f"{values['novelty']:.1f}, a percentile among photographs"
        for name, value in values.items():
            print(f"{name:11} {value}")


def verify(
    file: Coded,
    *,
    model: Model = "default",
    max_pixels: MaxPixels = DEFAULT_LIMITS.max_pixels,
    max_side: MaxSide = DEFAULT_LIMITS.max_side,
    max_chunk_bytes: MaxChunkBytes = DEFAULT_LIMITS.max_chunk_bytes,
    max_stages: MaxStages = DEFAULT_LIMITS.max_stages,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Decode all of a file's indices and compare every checksum; no image is made."""
    with one_sentence(verbose, file):
        start = time.perf_counter()
        about = codec.verify(
            sys.stdin.buffer if file == STDIO else file,
            model=model,
            limits=DecodeLimits(max_pixels, max_side, max_chunk_bytes, max_stages),
        )
    if not quiet:
        say(
            f"{file}: sound: {about.width}x{about.height}, {about.file_bytes:,} bytes, "
            f"{time.perf_counter() - start:.2f} s"
        )
