"""What is to be measured, and whether that makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from codec.errors import CodecError

OURS, FOREIGN = "bibcodec", "foreign"


@dataclass(frozen=True)
class Plan:
    """What is to be measured of every image.

    Attributes:
        codec: "bibcodec", one of `codec.evaluation.peers.NAMES`, or "foreign" for the files of a
            codec that is not known here.
        qualities: settings of the codec. Give these or targets.
        targets: bits per pixel. Each image then has the largest file within, of whatever quality.
        realisms: of our decoder, 0..1.
        samples: seeds per realism above 0, whose measures are averaged. They are 0, 1, ...
        model: name or folder of our model.
        device: where our networks run.
        lpips: file with the weights of LPIPS. None: LPIPS is not measured.
        dists: file with VGG16's weights, for DISTS.
        fid: file with the weights of FID's Inception-v3.
        decoded: folder of a foreign codec's decoded images, named as the originals, with another
            suffix or with one more.
        coded: folder of a foreign codec's files, named likewise.

    Example:
        >>> Plan(targets=(0.05, 0.1), realisms=(0.0, 1.0)).codec
        'bibcodec'
    """

    codec: str = OURS
    qualities: tuple[int, ...] = ()
    targets: tuple[float, ...] = ()
    realisms: tuple[float, ...] = (0.0, 1.0)
    samples: int = 1
    model: str = "default"
    device: str = "cpu"
    lpips: str | None = None
    dists: str | None = None
    fid: str | None = None
    decoded: str | None = None
    coded: str | None = None

    @property
    def weights(self) -> dict[str, str]:
        """The files of weights that were given, by metric."""
        given = {"lpips": self.lpips, "dists": self.dists, "fid": self.fid}
        return {metric: path for metric, path in given.items() if path}


def check(plan: Plan) -> None:
    """Raise CodecError if a plan makes no sense."""
    if plan.codec == FOREIGN:
        _check_foreign(plan)
        return
    if bool(plan.qualities) == bool(plan.targets):
        which = ", not both" if plan.qualities else ""
        raise CodecError(f"give qualities (-q) or targets in bits per pixel (--target-bpp){which}")
    if not all(0 < target < float("inf") for target in plan.targets):
        raise CodecError(f"targets {plan.targets}: expected more than 0 bits per pixel")
    allowed = _qualities(plan)
    if outside := set(plan.qualities) - set(allowed):
        raise CodecError(
            f"{plan.codec} has no quality {min(outside)}: expected {allowed[0]}..{allowed[-1]}"
        )
    if plan.codec == OURS and not plan.realisms:
        raise CodecError("no realism was given: expected some of 0..1")
    if not all(0 <= realism <= 1 for realism in plan.realisms):
        raise CodecError(f"realisms {plan.realisms}: expected 0..1")
    if plan.samples < 1:
        raise CodecError(f"{plan.samples} samples: expected one or more")


def _check_foreign(plan: Plan) -> None:
    if not (plan.decoded and plan.coded):
        raise CodecError("a foreign codec needs its folders of decoded images and of files")
    if plan.qualities or plan.targets:
        raise CodecError("a foreign codec's files are there: give no qualities and no targets")
    for folder in (plan.decoded, plan.coded):
        if not Path(folder).is_dir():
            raise CodecError(f"{folder}: not a folder")


def _qualities(plan: Plan) -> range:
    """The qualities that the codec of a plan has."""
    if plan.codec == OURS:
        return range(101)
    from codec.evaluation import peers  # noqa: PLC0415  (a plan is made without them)

    return peers.load(plan.codec).qualities
