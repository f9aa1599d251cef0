"""The arguments of the verbs: a parser whose errors are one sentence, and what several verbs take.

The parser is the standard library's: the command starts in the time that Python takes.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

from codec.options import DEFAULT_LIMITS, LEAST_TILE, METADATA, TILE, DecodeLimits

N = TypeVar("N", int, float)
DEVICES, ENGINES = ("auto", "cpu", "cuda"), ("auto", "onnx", "openvino", "torch")
NAMES = {int: "an integer", float: "a number"}


class UsageError(Exception):
    """Arguments that mean nothing, or that do not go together; the exit code is 2."""


class Parser(ArgumentParser):
    """The arguments of a verb.

    Args:
        verb: its name.
        takes: how its files are named in the usage, such as "FILE...".
        about: what it does; the first line stands in the help of the command, too.
    """

    def __init__(self, verb: str, takes: str, about: str) -> None:
        super().__init__(
            prog=f"bibcodec {verb}",
            usage=f"bibcodec {verb} [OPTIONS] {takes}".rstrip(),
            description=about,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=False,
        )
        self.add_argument("-h", "--help", action="help", help="Show this help.")

    def read(self, arguments: Sequence[str]) -> Namespace:
        """The values of arguments; files and options may stand in any order.

        Raises:
            UsageError: they are not valid. It says so if one of them is the name of a file, too.

        >>> Parser("info", "FILE", "").read(["--nonsense"])
        Traceback (most recent call last):
        ...
        codec.cli.arguments.UsageError: unrecognized arguments: --nonsense
        """
        given = list(arguments)
        if "--" in given:  # argparse loses it where files and options are mixed
            at = given.index("--")
            names = [
                f"./{name}" if name.startswith("-") and name != "-" else name
                for name in given[at + 1 :]
            ]
            given[at:] = names
        try:
            return self.parse_intermixed_args(given)
        except UsageError as error:
            for name in arguments:
                if name.startswith("-") and name != "-" and os.path.lexists(name):
                    hint = f"write ./{name} to give the file of that name"
                    raise UsageError(f"{error} ({hint})") from None
            raise

    def error(self, message: str) -> NoReturn:
        """See argparse, which would print the usage and exit."""
        raise UsageError(message)

    def file(self, help: str) -> None:
        """One file that is read, by name; - is standard input."""
        self.add_argument("file", metavar="FILE", help=help)

    def output(self) -> None:
        """Where the result goes."""
        self.add_argument(
            "-o",
            "--output",
            metavar="OUT",
            help="Write the result to this file or folder; - is standard output.",
        )

    def model(self) -> None:
        """Which model."""
        self.add_argument(
            "-m",
            "--model",
            default="default",
            metavar="M",
            help="Use the model in this folder (default: the packaged model).",
        )

    def device(self, default: str = "auto") -> None:
        """Where the networks run."""
        self.add_argument(
            "--device",
            choices=DEVICES,
            default=default,
            help=f"Run the networks here (default: {default}).",
        )

    def networks(self) -> None:
        """What runs the networks, where, and on how much of an image at once."""
        self.device()
        self.add_argument(
            "--engine",
            choices=ENGINES,
            default="auto",
            help="Run the networks in onnxruntime, OpenVINO or torch; auto takes the fastest one "
            "(default: auto).",
        )
        self.add_argument(
            "--tile",
            type=Range(int, LEAST_TILE),
            default=TILE,
            metavar="N",
            help="Height and width in pixels of the tiles that are computed one by one. Smaller "
            "tiles need less memory; the result is the same (default: %(default)s).",
        )

    def strip(self) -> None:
        """Which metadata to leave out."""
        self.add_argument(
            "--strip",
            action="append",
            choices=("none", "all", *METADATA),
            help="Leave out this kind of metadata; the option may be given several times.",
        )

    def limits(self) -> None:
        """What is refused, see `limits_of`."""
        for name, default, what in (
            ("pixels", DEFAULT_LIMITS.max_pixels, "images that have more pixels than N"),
            ("side", DEFAULT_LIMITS.max_side, "images that are wider or higher than N pixels"),
            (
                "chunk-bytes",
                DEFAULT_LIMITS.max_chunk_bytes,
                "files whose metadata and alpha have more bytes than N",
            ),
            ("stages", DEFAULT_LIMITS.max_stages, "files that have more stages of codes than N"),
        ):
            self.add_argument(
                f"--max-{name}",
                type=Range(int, 1),
                default=default,
                metavar="N",
                help=f"Refuse {what} (default: {default}).",
            )

    def many(self) -> None:
        """How several files are coded, see `codec.cli.common.BatchOptions`."""
        self.add_argument(
            "--keep-times",
            action="store_true",
            help="Give the result the modification time of its source.",
        )
        self.add_argument(
            "--threads",
            type=Range(int, 1, 1024),
            metavar="N",
            help="Use N CPU threads in each process. Default for one file: the variable "
            "OMP_NUM_THREADS, or else all cores. Default for several files: the number of cores "
            "divided by the number of processes.",
        )
        self.add_argument(
            "-j",
            "--jobs",
            type=Range(int, 1, 1024),
            metavar="N",
            help="For several files: use N processes (default: one per core; with --threads N, "
            "the number of cores divided by N).",
        )
        self.add_argument(
            "--shard",
            default="1/1",
            metavar="I/N",
            help="For several files: do only part I of N equal parts.",
        )
        for name, what in (
            (
                "resume",
                "several files: continue an earlier run; files that have changed are done again",
            ),
            ("strict", "a folder: exit with code 1 if it holds anything that is not read"),
            ("follow-links", "a folder: also visit the folders that links lead to"),
        ):
            self.add_argument(f"--{name}", action="store_true", help=f"For {what}.")

    def force(self) -> None:
        """Whether to replace files."""
        self.add_argument(
            "-f", "--force", action="store_true", help="Replace OUT if it exists already."
        )

    def telling(self, what: str = "no summary line and no progress") -> None:
        """How much is printed."""
        self.add_argument("--quiet", action="store_true", help=f"Print {what}.")
        self.verbose()

    def verbose(self) -> None:
        """Whether warnings and tracebacks are shown."""
        self.add_argument(
            "-v",
            dest="verbose",
            action="count",
            default=0,
            help="Show all warnings; -vv also shows the tracebacks of errors.",
        )


@dataclass(frozen=True)
class Range(Generic[N]):
    """A type of argument: a number in a range.

    >>> Range(int, 0, 100)("7"), Range(float, 0)("0.5")
    (7, 0.5)
    """

    kind: type[N]
    least: N
    most: N | None = None

    def __call__(self, text: str) -> N:
        """The number that a text says; ArgumentTypeError if it says none of the range."""
        try:
            value = self.kind(text)
        except ValueError:
            value = None
        most = float("inf") if self.most is None else self.most
        if value is None or not self.least <= value <= most:
            end = (
                f"of at least {self.least}"
                if self.most is None
                else f"in {self.least}..{self.most}"
            )
            wanted = f"{NAMES[self.kind]} {end}"
            raise ArgumentTypeError(f"expected {wanted}, got {text:.24}")
        return value


def limits_of(given: Namespace) -> DecodeLimits:
    """The limits that are given, see `Parser.limits`."""
    return DecodeLimits(given.max_pixels, given.max_side, given.max_chunk_bytes, given.max_stages)
