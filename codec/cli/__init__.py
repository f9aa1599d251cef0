"""The command `bibcodec`: flags in, one summary line out; the work is in `codec.encoding`.

A verb is the module of its name, with `parser()` and `run(given)`; only the one that is asked for
is imported.
"""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

import codec

VERBS = {
    "encode": "Encode an image, several images, or all images of a folder.",
    "decode": "Decode a file, several files, or all files of a folder.",
    "info": "Print what the header of a file says, without decoding the image.",
    "verify": "Check files: decode their indices and compare all checksums; no image is made.",
    "train": "Train a model on photographs.",
    "eval": "Measure rate, distortion and realism of a codec over a folder of images.",
    "report": "Draw the results of `eval` as one HTML page: rate, distortion and perception.",
}
HELP = f"""usage: bibcodec VERB ...

A learned image codec: photo -> bytes -> photo.

verbs (`bibcodec VERB --help` lists the options of one):
{chr(10).join(f"  {verb:8} {about}" for verb, about in VERBS.items())}

options:
  -h, --help     Show this help.
  -V, --version  Print the version."""


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say, and return the exit code.

    Raises:
        SystemExit: the work failed, or the help of a verb was asked for.

    >>> run(["--version"])
    bibcodec 0.1.0
    0
    """
    first = arguments[0] if arguments else ""
    if first in ("-V", "--version"):
        print(f"bibcodec {codec.__version__}")
        return 0
    if first in ("", "-h", "--help"):
        print(HELP, file=sys.stdout if first else sys.stderr)
        return 0 if first else 2
    from codec.cli.arguments import Parser, UsageError  # noqa: PLC0415  (argparse: not for these)
    from codec.cli.common import say  # noqa: PLC0415

    try:
        if first not in VERBS:
            raise UsageError(f"there is no verb {first:.24}: expected one of {', '.join(VERBS)}")
        verb = import_module(f"codec.cli.{first}")
        parser: Parser = verb.parser()
        code: int = verb.run(parser.read(arguments[1:]))
    except UsageError as error:
        help_of = f"bibcodec {first}" if first in VERBS else "bibcodec"
        say(f"bibcodec: {error}; `{help_of} --help` lists what there is")
        return 2
    return code


def main() -> None:
    """Entry point of the console script; signals that end it give exit code 128 + their number."""
    _catch_signals()
    _fill_streams()
    sys.exit(run(sys.argv[1:]))


def _catch_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    closed_terminal = getattr(signal, "SIGHUP", None)  # Windows has none
    if closed_terminal is not None and signal.getsignal(closed_terminal) != signal.SIG_IGN:  # nohup
        signal.signal(closed_terminal, _stop)


def _fill_streams() -> None:
    """Of the standard streams that the caller has closed, input is empty, and output is lost.

    In their order: what is opened next would take the number of one of them, and what a library
    writes to standard error would be in a file.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull)
    if sys.stdout is None:
        os.open(os.devnull, os.O_WRONLY)  # `codec.files.writing` sees that there is none
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")


def _stop(number: int, frame: object) -> None:
    raise SystemExit(128 + number)  # what is being written is removed on the way out
