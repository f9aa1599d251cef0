"""The verb `verify`."""

import sys
import time
from argparse import Namespace
from pathlib import Path

import codec
from codec.cli import VERBS
from codec.cli.arguments import Parser, limits_of
from codec.cli.common import one_sentence, say
from codec.errors import CodecError
from codec.files import STDIO

ABOUT = f"""{VERBS["verify"]}

Of a folder, every .bibc file in it and below is checked. The exit code is 1 if a file is not sound;
the others are checked all the same."""


def parser() -> Parser:
    """The arguments."""
    p = Parser("verify", "FILE...", ABOUT)
    p.add_argument(
        "inputs",
        nargs="+",
        metavar="FILE",
        help="One or more .bibc files, or folders of them; - is standard input.",
    )
    p.model()
    p.limits()
    p.telling("only what is not sound")
    return p


def run(given: Namespace) -> int:
    """Compare every checksum; returns the exit code."""
    files: list[str] = []
    for name in given.inputs:
        with one_sentence(given.verbose):
            files += coded_files(name)
    failed = 0
    for file in files:
        try:
            with one_sentence(given.verbose, file):
                _verify(file, given)
        except SystemExit as stop:
            if stop.code != 1:  # a signal
                raise
            failed += 1
    if len(files) > 1 and not given.quiet:
        say(f"{len(files)} files: {len(files) - failed} sound, {failed} not")
    return 1 if failed else 0


def coded_files(name: str) -> list[str]:
    """A file itself, or the coded files in a folder and below, by name.

    Raises:
        CodecError: the folder has none.
    """
    if name == STDIO or not Path(name).is_dir():
        return [name]
    found = sorted(str(path) for path in Path(name).rglob("*.bibc") if path.is_file())
    if not found:
        raise CodecError(f"{name}: no .bibc files in this folder")
    return found


def _verify(file: str, given: Namespace) -> None:
    """Check a file, and say that it is sound."""
    start = time.perf_counter()
    about = codec.verify(
        sys.stdin.buffer if file == STDIO else file, model=given.model, limits=limits_of(given)
    )
    if not given.quiet:
        say(
            f"{file}: sound: {about.width}x{about.height}, {about.file_bytes:,} bytes, "
            f"{time.perf_counter() - start:.2f} s"
        )
