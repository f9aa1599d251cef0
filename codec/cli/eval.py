"""The verb `eval`."""

import warnings
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from codec.cli import VERBS
from codec.cli.arguments import Parser, Range, UsageError
from codec.cli.common import one_sentence, say
from codec.cli.progress import Bar
from codec.files import refuse_overwrite

if TYPE_CHECKING:
    from codec.evaluation.plan import Plan

T = TypeVar("T", int, float)
ABOUT = f"""{VERBS["eval"]}

If a run was stopped, the same command continues it. For a codec that cannot be run here, give the
images that it decoded (--decoded) and its files (--bytes)."""
CODECS = ("bibcodec", "jpeg", "webp", "avif", "avif-psnr", "jxl", "heic", "mozjpeg")
# Defaults of options that mean nothing to other codecs, and of the codec: see `refuse`.
OURS = {"realism": "0,1", "samples": 1, "model": "default", "device": "cpu"}
DEFAULTS = {"codec": "bibcodec", **OURS}


def parser() -> Parser:
    """The arguments."""
    p = Parser("eval", "DIR", ABOUT)
    p.add_argument("folder", type=Path, metavar="DIR", help="Folder of the original images.")
    p.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("results.json"),
        metavar="OUT",
        help="Write the results to this JSON file (default: %(default)s).",
    )
    p.add_argument(
        "-q",
        "--quality",
        metavar="Q,...",
        help="Measure the codec at these qualities, such as 5,15,30.",
    )
    p.add_argument(
        "--target-bpp",
        metavar="F,...",
        help="Measure at these bits per pixel: of each image, take the largest file that does not "
        "exceed them.",
    )
    p.add_argument(
        "--realism",
        metavar="R,...",
        help="Measure bibcodec at these realisms, 0 to 1 each (default: 0,1).",
    )
    p.add_argument(
        "--samples",
        type=Range(int, 1),
        metavar="K",
        help="Decode with K seeds at each realism above 0 (default: 1).",
    )
    p.add_argument("--codec", choices=CODECS, help="Measure this codec (default: bibcodec).")
    p.add_argument(
        "--decoded",
        type=Path,
        metavar="DIR",
        help="Folder of images that another codec decoded, with the names of the originals.",
    )
    p.add_argument(
        "--bytes",
        type=Path,
        metavar="DIR",
        help="Folder of the coded files that the images of --decoded come from.",
    )
    p.add_argument(
        "--name",
        help="Name of the codec whose images --decoded gives (default: the folder's name).",
    )
    for metric, weights in (
        ("lpips", "LPIPS 0.1 with this file of SqueezeNet weights"),
        ("dists", "DISTS with this file of weights, torchvision's vgg16-397923af.pth"),
        ("fid", "FID/256 with this file of weights, pt_inception-2015-12-05-6726825d.pth"),
    ):
        p.add_argument(f"--{metric}", metavar="FILE", help=f"Measure {weights}.")
    p.model()
    p.device("cpu")
    p.add_argument(
        "-j",
        "--jobs",
        type=Range(int, 1),
        default=1,
        metavar="N",
        help="Measure in N processes (default: 1).",
    )
    p.force()
    p.telling()
    p.set_defaults(**dict.fromkeys(DEFAULTS))  # None: not given
    return p


def run(given: Namespace) -> int:
    """Measure; returns the exit code."""
    if (given.decoded is None) != (given.bytes is None):
        raise UsageError("give both --decoded and --bytes, or none of them")
    if given.decoded is not None:
        refuse(given, "files of another program", ("quality", "target_bpp", *DEFAULTS))
    else:
        refuse(given, "codecs that are run here", ("name",))
        if given.codec not in (None, "bibcodec"):
            refuse(given, given.codec, tuple(OURS))
    for name, value in DEFAULTS.items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    qualities = numbers(given.quality, "--quality", int)
    targets = numbers(given.target_bpp, "--target-bpp", float)
    realisms = numbers(given.realism, "--realism", float)
    with one_sentence(given.verbose):
        refuse_overwrite(str(given.output), given.force)
        warnings.filterwarnings("always", "starting anew")
        from codec.evaluation.plan import FOREIGN, Plan  # noqa: PLC0415  (torch: not for --help)

        plan = Plan(
            codec=FOREIGN if given.decoded else given.codec,
            qualities=qualities,
            targets=targets,
            realisms=realisms,
            samples=given.samples,
            model=given.model,
            device=given.device,
            lpips=given.lpips,
            dists=given.dists,
            fid=given.fid,
            decoded=str(given.decoded) if given.decoded else None,
            coded=str(given.bytes) if given.bytes else None,
        )
        return _measure(plan, given)


def _measure(plan: "Plan", given: Namespace) -> int:
    """Measure the images of the folder, and say how it went."""
    from codec.evaluation import run as evaluation  # noqa: PLC0415  (torch: not for --help)
    from codec.evaluation.photographs import survey_photographs  # noqa: PLC0415

    found = survey_photographs(given.folder)
    images = [file.path for file in found.files]
    executor = partial(evaluation.processes, jobs=given.jobs)
    with Bar(len(images), quiet=given.quiet) as bar:
        told = partial(tell, bar)
        for where, error in found.unreadable.items():
            bar.say(f"bibcodec: {where}: {error}")
        result = evaluation.to_file(
            plan,
            images,
            given.output,
            name=given.name,
            force=given.force,
            executor=executor,
            progress=told,
        )
    errors = result["meta"]["errors"]
    if not given.quiet:
        measured = f"{len(images) - len(errors)} of {len(images)} images"
        reasons = result["meta"]["not_measured"]
        lacking = [key for key, reason in reasons.items() if not reason.startswith("no weights")]
        left_out = f"; not measured: {', '.join(lacking)} (the file says why)" if lacking else ""
        left_out += f"; {found.summary()}" if found.summary() else ""
        say(f"{given.folder} -> {given.output}: {result['name']}, {measured}{left_out}")
    return 1 if errors or found.unreadable else 0


def refuse(given: Namespace, what: str, names: tuple[str, ...]) -> None:
    """Raise UsageError if one of these options was given, which mean nothing for `what`."""
    for name in names:
        if getattr(given, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')} is not for {what}")


def numbers(text: str | None, name: str, kind: type[T]) -> tuple[T, ...]:
    """The different numbers of a comma-separated list."""
    try:
        return tuple(dict.fromkeys(kind(part) for part in text.split(","))) if text else ()
    except ValueError:
        raise UsageError(f"{name} {text}: expected numbers with commas between") from None


def tell(bar: Bar, path: Path, error: str | None) -> None:
    """Tell of a finished image: what was wrong with it, and one more on the bar."""
    if error:
        bar.say(f"bibcodec: {error}")
    bar.advance()
