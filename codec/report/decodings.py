"""What codecs make of a photo, done anew for the report: `bibcodec eval` keeps no images."""

from collections.abc import Callable, Sequence
from math import log
from os import fspath
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import codec
from codec.errors import CodecError
from codec.evaluation import peers
from codec.evaluation.metrics import fidelity
from codec.models.loading import load_model
from codec.options import Model
from codec.report.pictures import Version
from codec.report.results import Result
from codec.runtime.model import CodecModel

OURS = "bibcodec"  # as `bibcodec eval` names it
RATES = 4  # a codec is shown at so many of its measured rates
SEEDS = (0, 1)  # at the highest realism; the others are shown with the first


def decoder(
    results: Sequence[Result], model: Model = "default", device: str = "auto"
) -> Callable[[Path, Image.Image], list[Version]]:
    """A function from a photo (its path, and it as RGB) to its versions.

    Ours comes first, at some of the measured rates and at every measured realism; then every codec
    of `codec.evaluation.peers` among the results, at its measured qualities of about the same
    rates. Codecs that this package does not know have no pictures.

    Raises:
        CodecError: the results are of another model than `model`.
    """
    ours = [result for result in results if result.name == OURS]
    if ours:
        model = _same(ours[0], model, device)
    others = [result for result in results if result.name in peers.NAMES]

    def versions(path: Path, photo: Image.Image) -> list[Version]:
        made = []
        rates: list[float] = []
        for result in ours[:1]:
            choices = _settings(result, path.name)
            step = max(1, (len(choices) - 1) / max(1, RATES - 1))
            chosen = [choices[round(i * step)] for i in range(min(RATES, len(choices)))]
            rates = [bpp for _, bpp in chosen]
            for quality, _ in chosen:
                made += _ours(photo, quality, _realisms(result), model, device)
        for result in others:
            choices = _settings(result, path.name)
            wanted = rates or [bpp for _, bpp in choices[:RATES]]
            near = dict.fromkeys(_nearest(choices, rate) for rate in wanted if choices)
            made += [_peer(photo, result.name, quality) for quality in near]
        return made

    return versions


def _same(result: Result, model: Model, device: str) -> CodecModel:
    """The loaded model, if it is the one that the result is of."""
    loaded = model if isinstance(model, CodecModel) else load_model(fspath(model), device)
    measured, here = result.meta.get("model"), loaded.fingerprint.hex()
    if measured not in (None, here):
        raise CodecError(
            f"the results are of model {measured}, the pictures would be of {here}: "
            "give the folder of the model with -m"
        )
    return loaded


def _settings(result: Result, file: str) -> list[tuple[int, float]]:
    """The measured (quality, bpp) of a photo, or else of the mean over photos; by rate."""
    own = [image["points"] for image in result.images if image.get("file") == file]
    pairs = (
        [(point["quality"], point["bpp"]) for point in own[0]]
        if own
        else [(point.quality, point.bpp) for point in result.points]
    )
    found = {round(quality): float(bpp) for quality, bpp in pairs if quality is not None}
    return sorted(found.items(), key=lambda pair: pair[1])


def _nearest(choices: Sequence[tuple[int, float]], rate: float) -> int:
    """The quality whose rate is nearest by ratio."""
    return min(choices, key=lambda choice: abs(log(choice[1] / rate)))[0]


def _realisms(result: Result) -> list[float]:
    return [realism for realism in result.curves if realism is not None] or [1.0]


def _ours(
    photo: Image.Image, quality: int, realisms: Sequence[float], model: Model, device: str
) -> list[Version]:
    data = codec.encode(photo, quality=quality, model=model, device=device)
    made = []
    for realism in sorted(realisms, reverse=True):
        for seed in SEEDS if realism and realism == max(realisms) else SEEDS[:1]:
            image = codec.decode(data, realism=realism, seed=seed, model=model, device=device)
            shown = seed if realism else None
            facts = _facts(photo, image, data)
            made.append(Version(OURS, quality=quality, realism=realism, seed=shown, **facts))
    return made


def _peer(photo: Image.Image, name: str, quality: int) -> Version:
    peer = peers.load(name)
    data = peer.encode(photo, quality)
    return Version(name, quality=quality, **_facts(photo, peer.decode(data), data))


def _facts(photo: Image.Image, image: Image.Image, data: bytes) -> dict[str, Any]:
    return {
        "image": image,
        "bytes": len(data),
        "bpp": 8 * len(data) / (photo.width * photo.height),
        "psnr": fidelity.psnr(np.asarray(photo), np.asarray(image)),
    }
