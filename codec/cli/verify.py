"""The verb `verify`."""

import sys
import time
from argparse import Namespace

import codec
from codec.cli import VERBS
from codec.cli.arguments import Parser, limits_of
from codec.cli.common import one_sentence, say
from codec.files import STDIO


def parser() -> Parser:
    """The arguments."""
    p = Parser("verify", "FILE", VERBS["verify"])
    p.file("A .bibc file; - is standard input.")
    p.model()
    p.limits()
    p.telling("no summary line")
    return p


def run(given: Namespace) -> int:
    """Compare every checksum; returns the exit code."""
    with one_sentence(given.verbose, given.file):
        start = time.perf_counter()
        about = codec.verify(
            sys.stdin.buffer if given.file == STDIO else given.file,
            model=given.model,
            limits=limits_of(given),
        )
    if not given.quiet:
        say(
            f"{given.file}: sound: {about.width}x{about.height}, {about.file_bytes:,} bytes, "
            f"{time.perf_counter() - start:.2f} s"
        )
    return 0
