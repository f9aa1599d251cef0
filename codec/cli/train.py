"""The verb `train`."""

from pathlib import Path
from typing import Annotated

import typer

from codec.cli.common import Verbose, one_sentence


def train(
    *,
    data: Annotated[Path, typer.Option("--data", help="Folder of images or of tar shards.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the run.")],
    objective: Annotated[
        str,
        typer.Option(
            "--objective",
            metavar="NAME",
            help="What is trained: codec, detail, or vae, aae, gc-ae, ...",
        ),
    ] = "codec",
    config: Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the checkpoint in OUT.")
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="K=V", help="Change one setting."),
    ] = None,
    verbose: Verbose = 0,
) -> None:
    """Train a model. Under torchrun the codec trains on several processes."""
    with one_sentence(verbose):
        from codec.train.dispatch import run  # noqa: PLC0415

        run(objective, config, data, out, resume=resume, overrides=overrides or [])
