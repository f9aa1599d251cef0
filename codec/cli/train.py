"""The verb `train`."""

from argparse import Namespace
from pathlib import Path

from codec.cli import VERBS
from codec.cli.arguments import Parser
from codec.cli.common import one_sentence


def parser() -> Parser:
    """The arguments."""
    p = Parser("train", "--data DATA -o OUT", VERBS["train"])
    p.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DATA",
        help="Folder of images or of tar shards.",
    )
    p.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT", help="Folder of the run."
    )
    p.add_argument(
        "--objective",
        default="codec",
        metavar="NAME",
        help="What is trained: codec, detail, or vae, aae, gc-ae, ... (default: codec).",
    )
    p.add_argument("--config", type=Path, metavar="FILE", help="TOML file of settings.")
    p.add_argument("--resume", action="store_true", help="Continue from the checkpoint in OUT.")
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="K=V",
        help="Change one setting; may be given several times.",
    )
    p.verbose()
    return p


def run(given: Namespace) -> int:
    """Train; returns the exit code."""
    with one_sentence(given.verbose):
        from codec.train.dispatch import run  # noqa: PLC0415

        run(
            given.objective,
            given.config,
            given.data,
            given.out,
            resume=given.resume,
            overrides=given.set,
        )
    return 0
