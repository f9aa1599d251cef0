"""The verb `train`."""

from argparse import Namespace
from pathlib import Path

from codec.cli import VERBS
from codec.cli.arguments import Parser
from codec.cli.common import one_sentence

ABOUT = f"""{VERBS["train"]}

Objectives: `codec` trains the encoder, the codebooks and the decoder of the mean; `detail` then
trains the network that synthesizes detail for such a model. These train the models of the paper's
family on small crops: supervised-ib, bib-ae, vae, beta-vae, aae, infovae, gan, vae-gan,
shannon-ae, gc-ae, novelty-ae. With torchrun, `codec` trains in several processes; docs/train.md
says how."""


def parser() -> Parser:
    """The arguments."""
    p = Parser("train", "--data DATA -o OUT", ABOUT)
    p.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DATA",
        help="Folder of images, or of tar files of images.",
    )
    p.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="OUT",
        help="Folder for the model, the checkpoint and the log.",
    )
    p.add_argument(
        "--objective",
        default="codec",
        metavar="NAME",
        help="Train this objective, see above (default: codec).",
    )
    p.add_argument(
        "--config", type=Path, metavar="FILE", help="Read the settings from this TOML file."
    )
    p.add_argument(
        "--resume", action="store_true", help="Continue the run in OUT from its checkpoint."
    )
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="K=V",
        help="Set the setting K to V; the option may be given several times.",
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
