"""The verb `report`."""

from pathlib import Path
from typing import Annotated

import typer

from codec.cli.common import (
    Device,
    DeviceOption,
    Force,
    Model,
    Quiet,
    Verbose,
    one_sentence,
    progress,
    say,
)
from codec.errors import CodecError
from codec.files import refuse_overwrite, writing


def report(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="JSON...", help="Result files of `eval`, and files of published curves."
        ),
    ],
    *,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="OUT", help="HTML file of the page.")
    ] = "report.html",
    images: Annotated[
        Path | None,
        typer.Option(
            "--images", metavar="DIR", help="Folder of photos to code and show, three at most."
        ),
    ] = None,
    anchor: Annotated[
        str | None,
        typer.Option("--anchor", metavar="NAME", help="Codec that BD-rates compare with."),
    ] = None,
    png: Annotated[
        str | None,
        typer.Option("--png", metavar="OUT", help="Also draw the curves as a PNG figure."),
    ] = None,
    svg: Annotated[
        str | None,
        typer.Option("--svg", metavar="OUT", help="Also draw the curves as an SVG figure."),
    ] = None,
    model: Model = "default",
    device: DeviceOption = Device.AUTO,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Draw rate, distortion and perception: one HTML page that needs nothing beside it."""
    with one_sentence(verbose), progress("drawing the report", quiet):
        figures = {kind: path for kind, path in (("png", png), ("svg", svg)) if path}
        outputs = [output, *figures.values()]
        _refuse_twice([*map(str, files)], outputs)
        for path in outputs:
            refuse_overwrite(path, force)
        from codec.report import page, read, viewer_beside, warnings  # noqa: PLC0415

        results, published = read(files)
        for warning in warnings(results):
            say(f"bibcodec: {warning}")
        gallery = None
        if images is not None:
            from codec.report import decodings, pictures  # noqa: PLC0415

            made = decodings.decoder(results, model, device)
            gallery = pictures.gallery(pictures.originals(images), made)
        text = page(results, published, gallery, anchor, viewer_beside(output)).encode()
        with writing(output, force) as file:
            file.write(text)
        for kind, path in figures.items():
            from codec.report.figure import draw  # noqa: PLC0415

            with writing(path, force) as file:
                draw(results, published, file, kind)
    if not quiet:
        codecs = "1 codec" if len(results) == 1 else f"{len(results)} codecs"
        say(f"{output}: {codecs}, {len(text) / 1e6:.1f} MB")


def _refuse_twice(inputs: list[str], outputs: list[str]) -> None:
    """Raise CodecError if one file is to be read and written, or to be written twice."""
    taken = {Path(path).resolve() for path in inputs}
    for path in outputs:
        if Path(path).resolve() in taken:
            raise CodecError(f"{path}: named twice: give every output a name of its own")
        taken.add(Path(path).resolve())
