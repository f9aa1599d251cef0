"""The verb `report`."""

from argparse import Namespace
from pathlib import Path

from codec.cli import VERBS
from codec.cli.arguments import Parser
from codec.cli.common import one_sentence, progress, say
from codec.errors import CodecError
from codec.files import refuse_overwrite, writing


def parser() -> Parser:
    """The arguments."""
    p = Parser("report", "JSON...", VERBS["report"])
    p.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="JSON",
        help="Result files of `eval`, or files of published curves.",
    )
    p.add_argument(
        "-o",
        "--output",
        default="report.html",
        metavar="OUT",
        help="Write the page to this HTML file (default: report.html).",
    )
    p.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="Code photographs of this folder and show them, at most three.",
    )
    p.add_argument("--anchor", metavar="NAME", help="Compare the rates with those of this codec.")
    for kind in ("png", "svg"):
        p.add_argument(
            f"--{kind}", metavar="OUT", help=f"Also draw the curves to this {kind.upper()} file."
        )
    p.model()
    p.device()
    p.force()
    p.telling()
    return p


def run(given: Namespace) -> int:
    """Draw; returns the exit code."""
    with one_sentence(given.verbose), progress("drawing the report", given.quiet):
        figures = {kind: path for kind, path in (("png", given.png), ("svg", given.svg)) if path}
        outputs = [given.output, *figures.values()]
        _refuse_twice([*map(str, given.files)], outputs)
        for path in outputs:
            refuse_overwrite(path, given.force)
        from codec.report import page, read, viewer_beside, warnings  # noqa: PLC0415

        results, published = read(given.files)
        for warning in warnings(results):
            say(f"bibcodec: {warning}")
        gallery = None
        if given.images is not None:
            from codec.report import decodings, pictures  # noqa: PLC0415

            made = decodings.decoder(results, given.model, given.device)
            gallery = pictures.gallery(pictures.originals(given.images), made)
        text = page(results, published, gallery, given.anchor, viewer_beside(given.output)).encode()
        with writing(given.output, given.force) as file:
            file.write(text)
        for kind, path in figures.items():
            from codec.report.figure import draw  # noqa: PLC0415

            with writing(path, given.force) as file:
                draw(results, published, file, kind)
    if not given.quiet:
        codecs = "1 codec" if len(results) == 1 else f"{len(results)} codecs"
        say(f"{given.output}: {codecs}, {len(text) / 1e6:.1f} MB")
    return 0


def _refuse_twice(inputs: list[str], outputs: list[str]) -> None:
    """Raise CodecError if one file is to be read and written, or to be written twice."""
    taken = {Path(path).resolve() for path in inputs}
    for path in outputs:
        if Path(path).resolve() in taken:
            raise CodecError(f"{path}: named twice: give every output a name of its own")
        taken.add(Path(path).resolve())
