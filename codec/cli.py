"""The command `bibcodec`: flags in, one summary line out; the work is in `codec.pipeline`."""

import json
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer

import codec
from codec.errors import BitstreamError, CodecError, ModelMismatchError
from codec.files import STDIO, refuse_overwrite, writing
from codec.options import DEFAULT_LIMITS, EFFORT, METADATA, DecodeLimits

app = typer.Typer(
    help="A learned image codec: photo -> bytes -> photo.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
Quiet = Annotated[bool, typer.Option("--quiet", help="No summary line, no progress.")]
Verbose = Annotated[
    int,
    typer.Option(
        "-v", count=True, show_default=False, help="Show warnings; -vv: and tracebacks of errors."
    ),
]


@app.callback(invoke_without_command=True)
def common(
    version: Annotated[bool, typer.Option("-V", "--version", help="Print the version.")] = False,
) -> None:
    """A learned image codec: photo -> bytes -> photo."""
    if version:
        print(f"bibcodec {codec.__version__}")
        raise typer.Exit


@app.command()
def encode(
    image: Annotated[str, typer.Argument(metavar="IN", help="An image; - is standard input.")],
    *,
    output: Output = None,
    quality: Annotated[
        int | None,
        typer.Option("-q", "--quality", min=0, max=100, help="Larger is better (default 50)."),
    ] = None,
    target_bpp: Annotated[
        float | None,
        typer.Option("--target-bpp", metavar="F", help="The best quality within F bits a pixel."),
    ] = None,
    target_size: Annotated[
        int | None,
        typer.Option("--target-size", metavar="B", help="The best quality within B bytes."),
    ] = None,
    model: Model = "default",
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=2**64 - 1, help="Stored in the file.")
    ] = 0,
    effort: Annotated[
        int, typer.Option("-e", "--effort", min=1, max=9, help="Width of the encoder's search.")
    ] = EFFORT,
    strip: Annotated[
        list[Strip] | None, typer.Option("--strip", help="Metadata to leave out.")
    ] = None,
    device: On = Device.AUTO,
    threads: Threads = None,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Encode an image; OUT is IN with the suffix .bibc unless given."""
    if sum(option is not None for option in (quality, target_bpp, target_size)) > 1:
        raise typer.BadParameter("give one of --quality, --target-bpp and --target-size")
    for name, value in (("--target-bpp", target_bpp), ("--target-size", target_size)):
        if value is not None and not 0 < value < float("inf"):
            raise typer.BadParameter(f"{name} {value}: expected more than 0")
    path = output_path(image, output, ".bibc")
    dropped = METADATA if Strip.ALL in (strip or ()) else strip or ()
    with one_sentence(verbose), progress(f"encoding {image}", quiet):
        start = time.perf_counter()
        refuse_overwrite(path, force)
        set_threads(threads)
        data = codec.encode(
            BytesIO(sys.stdin.buffer.read()) if image == STDIO else image,
            quality=50 if quality is None else quality,
            target_bpp=target_bpp,
            target_size=target_size,
            model=model,
            seed=seed,
            effort=effort,
            keep=[name for name in METADATA if name not in dropped],
            device=device,
        )
        with writing(path, force) as file:
            file.write(data)
        about = codec.info(data)
    if not quiet:
        say(
            f"{image} -> {path}: {about.width}x{about.height}, {len(data):,} bytes, "
            f"{about.bpp:.4f} bpp, quality {about.quality}, {time.perf_counter() - start:.2f} s"
        )


@app.command()
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
            limits=DecodeLimits(max_pixels=max_pixels),
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


@app.command()
def info(
    file: Coded,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    verbose: Verbose = 0,
) -> None:
    """Print what a file's header says; the image is not decoded."""
    with one_sentence(verbose, file):
        about = codec.info(sys.stdin.buffer if file == STDIO else file)
        values = asdict(about)
        if as_json:
            print(json.dumps(values, indent=2))
            return
        for name, value in values.items():
            shown = (
                ", ".join(f"{k} {v:,} bytes" for k, v in value.items()) or "none"
                if (isinstance(value, dict))
                else value
            )
            print(f"{name:11} {shown}")


@app.command()
def verify(
    file: Coded,
    *,
    model: Model = "default",
    max_pixels: MaxPixels = DEFAULT_LIMITS.max_pixels,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Decode all of a file's indices and compare every checksum; no image is made."""
    with one_sentence(verbose, file):
        start = time.perf_counter()
        about = codec.verify(
            sys.stdin.buffer if file == STDIO else file,
            model=model,
            limits=DecodeLimits(max_pixels=max_pixels),
        )
    if not quiet:
        say(
            f"{file}: sound: {about.width}x{about.height}, {about.file_bytes:,} bytes, "
            f"{time.perf_counter() - start:.2f} s"
        )


@app.command()
def train(
    *,
    data: Annotated[Path, typer.Option("--data", help="Folder of images or of tar shards.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the run.")],
    config: Annotated[Path | None, typer.Option("--config", help="TOML file.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from OUT's checkpoint.")] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="K=V", help="Change one value of the config."),
    ] = None,
    verbose: Verbose = 0,
) -> None:
    """Train a model; under torchrun, on several processes."""
    with one_sentence(verbose):
        from codec.train.cli import run  # noqa: PLC0415

        run(config, data, out, resume, overrides or [])


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


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="bibcodec")


if __name__ == "__main__":
    main()
