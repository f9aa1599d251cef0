"""The command `bibcodec`: flags in, one summary line out; the work is in `codec.encoding`."""

import signal
from typing import Annotated

import typer

import codec
from codec.cli import decode, encode, eval, info, report, train
from codec.cli.verb import Verb

app = typer.Typer(
    help="A learned image codec: photo -> bytes -> photo.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("-V", "--version", help="Print the version.")] = False,
) -> None:
    """A learned image codec: photo -> bytes -> photo."""
    if version:
        print(f"bibcodec {codec.__version__}")
        raise typer.Exit


app.command(cls=Verb)(encode.encode)
app.command(cls=Verb)(decode.decode)
app.command(cls=Verb)(info.info)
app.command(cls=Verb)(info.verify)
app.command()(train.train)
app.command("eval")(eval.evaluate)
app.command()(report.report)


def main() -> None:
    """Entry point of the console script; SIGINT and SIGTERM end it with exit code 128 + number."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    app(prog_name="bibcodec")


def _stop(number: int, frame: object) -> None:
    raise SystemExit(128 + number)  # what is being written is removed on the way out
