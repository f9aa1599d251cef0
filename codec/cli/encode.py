"""The verb `encode`."""

import sys
import time
from dataclasses import replace
from io import SEEK_END, SEEK_SET, BufferedReader, RawIOBase
from typing import Annotated, Any, BinaryIO

import typer

import codec
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
from codec.files import PIECE, STDIO, refuse_overwrite, writing
from codec.files import keep_times as copy_times
from codec.options import EFFORT, THUMBNAIL, TILE, EncodeOptions, Running


def encode(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="IN", help="An image, several, or folders of them; - is standard input."
        ),
    ],
    *,
    output: Output = None,
    quality: Annotated[
        int | None,
        typer.Option("-q", "--quality", min=0, max=100, help="Larger is better (default 50)."),
    ] = None,
    target_bpp: Annotated[
        float | None,
        typer.Option(
            "--target-bpp", metavar="F", help="Use the highest quality within F bits per pixel."
        ),
    ] = None,
    target_size: Annotated[
        int | None,
        typer.Option("--target-size", metavar="B", help="Use the highest quality within B bytes."),
    ] = None,
    model: Model = "default",
    seed: Annotated[
        int,
        typer.Option(
            "--seed", min=0, max=2**64 - 1, help="Seed of the detail; the file stores it."
        ),
    ] = 0,
    effort: Annotated[
        int,
        typer.Option(
            "-e",
            "--effort",
            min=1,
            max=9,
            help="Width of the search for codes; larger is slower and better.",
        ),
    ] = EFFORT,
    strip: Stripped = None,
    keep_thumbnail: Annotated[
        bool, typer.Option("--keep-thumbnail", help="Keep the thumbnail in EXIF, turned upright.")
    ] = False,
    allow_truncated: Annotated[
        bool,
        typer.Option("--allow-truncated", help="Encode what an image file that is cut off holds."),
    ] = False,
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
    """Encode an image, several, or every image of a folder.

    Without -o the result is IN with the suffix .bibc.
    For several images or a folder give the folder OUT: it gets the same tree and manifest.jsonl.
    Files that cannot be encoded are named and left out; the exit code is then 1.
    Files of other kinds are counted and passed over.
    """
    if sum(option is not None for option in (quality, target_bpp, target_size)) > 1:
        raise typer.BadParameter("give one of --quality, --target-bpp and --target-size")
    for name, value in (("--target-bpp", target_bpp), ("--target-size", target_size)):
        if value is not None and not 0 < value < float("inf"):
            raise typer.BadParameter(f"{name} {value}: expected more than 0")
    options = EncodeOptions(
        50 if quality is None else quality,
        target_bpp,
        target_size,
        seed,
        effort,
        (*kept(strip), *([THUMBNAIL] if keep_thumbnail else [])),
        allow_truncated,
    )
    running = Running(model, device.value, tile, engine.value)
    batch = BatchOptions(
        jobs, threads, shard, resume, strict, follow_links, keep_times, force, quiet
    )
    with one_sentence(verbose):
        if is_batch(inputs, output, batch):
            from codec.batch.tasks import EncodeTask  # noqa: PLC0415  (not for --help)
            from codec.cli import folder  # noqa: PLC0415  (multiprocessing: not for --help)
            from codec.images.load import suffixes  # noqa: PLC0415  (Pillow: not for --help)

            folder.run(EncodeTask(options, running), inputs, str(output), batch, suffixes())
    running = replace(running, engine=one_file(engine))
    with one_sentence(verbose, inputs[0]):
        _encode_file(inputs[0], output_path(inputs[0], output, ".bibc"), options, running, batch)


def _encode_file(
    image: str, path: str, options: EncodeOptions, running: Running, batch: BatchOptions
) -> None:
    """Encode one image."""
    with progress(f"encoding {image}", batch.quiet):
        start = time.perf_counter()
        refuse_overwrite(path, batch.force)
        set_threads(batch.threads)
        from codec.encoding import encode_image  # noqa: PLC0415  (Pillow: not for --help)

        if image == STDIO:
            piped = BufferedReader(Piped(sys.stdin.buffer))
            data = encode_image(piped, options, running)
            while sys.stdin.buffer.read(PIECE):  # what is behind the image: its writer goes on
                pass
        else:
            data = encode_image(image, options, running)
        with writing(path, batch.force) as file:
            file.write(data)
        if batch.keep_times:
            copy_times(image, path)
        about = codec.info(data)
    if not batch.quiet:
        from codec.images.chunks import sizes_text  # noqa: PLC0415  (not for --help)

        say(
            f"{image} -> {path}: {about.width}x{about.height}, {len(data):,} bytes, "
            f"{sizes_text(about.file_bytes, about.metadata_bytes)}, "
            f"{about.bpp:.4f} bpp, quality {about.quality}, {time.perf_counter() - start:.2f} s"
        )


class Piped(RawIOBase):
    """A pipe that can be sought, as Pillow needs it: read as far as is asked for, and kept.

    >>> from io import BytesIO
    >>> piped = Piped(BytesIO(b"an image and more"))
    >>> piped.seek(3), piped.read(5), piped.seek(0), piped.read(2)
    (3, b'image', 0, b'an')
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._kept, self._at = stream, bytearray(), 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """As of any stream; from the end, all is read first."""
        if whence == SEEK_END:
            self._kept += self._stream.read()
        self._at = offset + (0, self._at, len(self._kept))[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """As of any stream."""
        view = memoryview(buffer)
        end = self._at + len(view)
        self._kept += self._stream.read(max(end - len(self._kept), 0))
        piece = self._kept[self._at : end]
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)
