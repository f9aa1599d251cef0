"""The verb `encode`."""

import sys
import time
from argparse import Namespace
from dataclasses import replace
from io import SEEK_END, SEEK_SET, BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

import codec
from codec.cli import VERBS
from codec.cli.arguments import Parser, Range, UsageError
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
from codec.errors import CodecError
from codec.files import PIECE, STDIO, refuse_itself, refuse_overwrite, writing
from codec.files import keep_times as copy_times
from codec.options import EFFORT, THUMBNAIL, EncodeOptions, Running

SUFFIX = ".bibc"
# Suffixes that no coded file has: its readers would go by them.
OF_IMAGES = {
    *(".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".jxl", ".jp2", ".gif"),
    *(".tif", ".tiff", ".bmp"),
}
ABOUT = f"""{VERBS["encode"]}

One image: without -o, the result lies beside IN and has the suffix .bibc.
Several images or a folder: -o names a folder, which gets the same subfolders, one result for each
image, and the list manifest.jsonl. An image that cannot be encoded is named and the others are
encoded; the exit code is then 1. Files that are no images are counted and passed over."""


def parser() -> Parser:
    """The arguments."""
    p = Parser("encode", "IN...", ABOUT)
    p.add_argument(
        "inputs",
        nargs="+",
        metavar="IN",
        help="An image, several images, or folders of images; - is standard input.",
    )
    p.output()
    p.add_argument(
        "-q",
        "--quality",
        type=Range(int, 0, 100),
        metavar="Q",
        help="Quality, 0 to 100; a higher quality makes a larger file (default: 50).",
    )
    p.add_argument(
        "--target-bpp",
        type=Range(float, 0),
        metavar="F",
        help="Use the highest quality whose file has at most F bits per pixel.",
    )
    p.add_argument(
        "--target-size",
        type=Range(int, 1),
        metavar="B",
        help="Use the highest quality whose file has at most B bytes.",
    )
    p.model()
    p.add_argument(
        "--seed",
        type=Range(int, 0, 2**64 - 1),
        default=0,
        metavar="N",
        help="Seed of the detail; the file stores it (default: 0).",
    )
    p.add_argument(
        "-e",
        "--effort",
        type=Range(int, 1, 9),
        default=EFFORT,
        metavar="E",
        help="Width of the search for codes, 1 to 9; larger is slower and better "
        "(default: %(default)s).",
    )
    p.strip()
    p.add_argument(
        "--keep-thumbnail",
        action="store_true",
        help="Keep the EXIF thumbnail, turned upright.",
    )
    p.add_argument(
        "--allow-truncated",
        action="store_true",
        help="Encode the part of the image that a truncated image file holds.",
    )
    p.networks()
    p.many()
    p.force()
    p.telling()
    return p


def run(given: Namespace) -> int:
    """Encode what the arguments name; returns the exit code."""
    targets = {"--target-bpp": given.target_bpp, "--target-size": given.target_size}
    if sum(option is not None for option in (given.quality, *targets.values())) > 1:
        raise UsageError("give one of --quality, --target-bpp and --target-size")
    for name, value in targets.items():
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"{name} {value}: expected more than 0")
    options = EncodeOptions(
        50 if given.quality is None else given.quality,
        given.target_bpp,
        given.target_size,
        given.seed,
        given.effort,
        (*kept(given.strip), *([THUMBNAIL] if given.keep_thumbnail else [])),
        given.allow_truncated,
    )
    inputs, output = given.inputs, given.output
    running, batch = running_of(given), BatchOptions.of(given)
    with one_sentence(given.verbose):
        if is_batch(inputs, output, batch):
            from codec.batch.tasks import EncodeTask  # noqa: PLC0415  (not for --help)
            from codec.cli import folder  # noqa: PLC0415  (multiprocessing: not for --help)
            from codec.images.load import suffixes  # noqa: PLC0415  (Pillow: not for --help)

            return folder.run(EncodeTask(options, running), inputs, str(output), batch, suffixes())
    running = replace(running, engine=one_file(given.engine))
    with one_sentence(given.verbose, inputs[0]):
        _encode_file(inputs[0], output_path(inputs[0], output, SUFFIX), options, running, batch)
    return 0


def refuse_suffix(path: str) -> None:
    """Raise UsageError for a result whose name says that it is an image of another format.

    >>> refuse_suffix("photo.bibc")
    """
    suffix = Path(path).suffix.lower()
    if suffix in OF_IMAGES:
        raise UsageError(
            f"-o {path}: the result is no image of the kind that {suffix} stands for: "
            f"give a name that ends in {SUFFIX}"
        )


def _encode_file(
    image: str, path: str, options: EncodeOptions, running: Running, batch: BatchOptions
) -> None:
    """Encode one image."""
    with progress(f"encoding {image}", batch.quiet):
        start = time.perf_counter()
        if path == image and path.endswith(SUFFIX):
            raise CodecError(f"{image}: is coded already: `bibcodec decode` makes an image of it")
        refuse_itself(image, path)
        refuse_overwrite(path, batch.force)
        refuse_suffix(path)
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
        from codec.rate_search import BEST  # noqa: PLC0415

        targeted = options.target_bpp is not None or options.target_size is not None
        best = " (the highest)" if targeted and about.quality == BEST else ""
        say(
            f"{image} -> {path}: {about.width}x{about.height}, {len(data):,} bytes, "
            f"{sizes_text(about.file_bytes, about.metadata_bytes)}, "
            f"{about.bpp:.4f} bpp, quality {about.quality}{best}, "
            f"{time.perf_counter() - start:.2f} s"
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
