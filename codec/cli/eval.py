"""The verb `eval`."""

import warnings
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from codec.cli.common import (
    Device,
    DeviceOption,
    Force,
    Model,
    Quiet,
    Verbose,
    one_sentence,
    say,
)
from codec.cli.progress import Bar
from codec.files import refuse_overwrite

T = TypeVar("T", int, float)
OURS = ("realisms", "samples", "model", "device")  # options that mean nothing to other codecs


class Codec(StrEnum):
    """Codecs that can be run here."""

    BIBCODEC = "bibcodec"
    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"
    AVIF_PSNR = "avif-psnr"
    JXL = "jxl"
    HEIC = "heic"
    MOZJPEG = "mozjpeg"


def evaluate(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of original images.")],
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="OUT", help="JSON file of the results.")
    ] = Path("results.json"),
    qualities: Annotated[
        str | None,
        typer.Option(
            "-q", "--quality", metavar="Q,...", help="Qualities of the codec, such as 5,15,30."
        ),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            "--target-bpp",
            metavar="F,...",
            help="Bits per pixel: each image has the largest file within.",
        ),
    ] = None,
    realisms: Annotated[
        str, typer.Option("--realism", metavar="A,...", help="Realisms of our decoder, 0..1 each.")
    ] = "0,1",
    samples: Annotated[
        int, typer.Option("--samples", min=1, metavar="K", help="Seeds per realism above 0.")
    ] = 1,
    codec: Annotated[Codec, typer.Option("--codec", help="The codec to run.")] = Codec.BIBCODEC,
    decoded: Annotated[
        Path | None,
        typer.Option(
            "--decoded",
            metavar="DIR",
            help="Folder of images that another codec decoded, named as the originals.",
        ),
    ] = None,
    coded: Annotated[
        Path | None,
        typer.Option(
            "--bytes", metavar="DIR", help="Folder of the files that --decoded was decoded from."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="Name of the codec of --decoded (default: its folder's)."
        ),
    ] = None,
    lpips: Annotated[
        Path | None,
        typer.Option(
            "--lpips", metavar="FILE", help="Measure LPIPS 0.1: file of its SqueezeNet weights."
        ),
    ] = None,
    dists: Annotated[
        Path | None,
        typer.Option(
            "--dists", metavar="FILE", help="Measure DISTS: torchvision's vgg16-397923af.pth."
        ),
    ] = None,
    fid: Annotated[
        Path | None,
        typer.Option(
            "--fid",
            metavar="FILE",
            help="Measure FID/256: pt_inception-2015-12-05-6726825d.pth.",
        ),
    ] = None,
    model: Model = "default",
    device: DeviceOption = Device.CPU,
    jobs: Annotated[
        int,
        typer.Option("-j", "--jobs", min=1, metavar="N", help="Processes that measure at once."),
    ] = 1,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Measure a codec over a folder: rate, distortion and realism. A killed run can go on."""
    if (decoded is None) != (coded is None):
        raise typer.BadParameter("give both --decoded and --bytes, or none of them")
    if decoded is not None:
        refuse(context, "files of another program", ("codec", "qualities", "targets", *OURS))
    else:
        refuse(context, "codecs that are run here", ("name",))
        if codec is not Codec.BIBCODEC:
            refuse(context, codec.value, OURS)
    levels = numbers(qualities, "--quality", int)
    rates, shares = numbers(targets, "--target-bpp", float), numbers(realisms, "--realism", float)
    errors: dict[str, str] = {}
    with one_sentence(verbose):
        refuse_overwrite(str(output), force)
        warnings.filterwarnings("always", "starting anew")
        from codec.evaluation import run as evaluation  # noqa: PLC0415  (torch: not for --help)
        from codec.evaluation.plan import FOREIGN, Plan  # noqa: PLC0415

        plan = Plan(
            codec=FOREIGN if decoded else codec.value,
            qualities=levels,
            targets=rates,
            realisms=shares,
            samples=samples,
            model=model,
            device=device.value,
            lpips=str(lpips) if lpips else None,
            dists=str(dists) if dists else None,
            fid=str(fid) if fid else None,
            decoded=str(decoded) if decoded else None,
            coded=str(coded) if coded else None,
        )
        found = evaluation.look(folder)
        images = [file.path for file in found.files]
        executor = partial(evaluation.processes, jobs=jobs)
        with Bar(len(images), quiet=quiet) as bar:
            told = partial(tell, bar)
            for where, error in found.unreadable.items():
                bar.say(f"bibcodec: {where}: {error}")
            result = evaluation.to_file(
                plan, images, output, name=name, force=force, executor=executor, progress=told
            )
        errors = result["meta"]["errors"]
    if not quiet:
        measured = f"{len(images) - len(errors)} of {len(images)} images"
        reasons = result["meta"]["not_measured"]
        lacking = [key for key, reason in reasons.items() if not reason.startswith("no weights")]
        left_out = f"; not measured: {', '.join(lacking)} (the file says why)" if lacking else ""
        left_out += f"; {found.summary()}" if found.summary() else ""
        say(f"{folder} -> {output}: {result['name']}, {measured}{left_out}")
    if errors or found.unreadable:
        raise typer.Exit(1)


def refuse(context: typer.Context, what: str, options: tuple[str, ...]) -> None:
    """Raise BadParameter if one of these was given, which mean nothing for `what`."""
    for option in context.command.params:
        source = context.get_parameter_source(str(option.name))
        if option.name in options and source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"{option.opts[-1]} is not for {what}")


def numbers(text: str | None, name: str, kind: type[T]) -> tuple[T, ...]:
    """The different numbers of a comma-separated list."""
    try:
        return tuple(dict.fromkeys(kind(part) for part in text.split(","))) if text else ()
    except ValueError:
        raise typer.BadParameter(f"{name} {text}: expected numbers with commas between") from None


def tell(bar: Bar, path: Path, error: str | None) -> None:
    """Tell of a finished image: what was wrong with it, and one more on the bar."""
    if error:
        bar.say(f"bibcodec: {error}")
    bar.advance()
