"""Why does a decoded image, encoded again, not get the codes that it was made of?

Images are encoded, decoded at realism 0 and encoded a second time at the same quality. The second
encoding is made as it is, and changed in one thing each: the decoded pixels are not rounded to 8
bits; λ is a tenth; the codes of the coarsest levels are those of the first encoding, whatever the
search would have found. Means over the images: "change" of PSNR in dB against the original and
"growth" of the indices' bytes, both from the first encoding to the second, and "same", the share of
a level's codes that are as before. "distance" says how far a level's remainder of the decoded image
lies from the centroids that it was made of, ‖e − Σ c‖² over ‖e‖², when the coarser levels have
their old codes: 0 would be an encoder that inverts the decoder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import codec
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, Model, Photographs
from bitstream import container, stream
from codec.evaluation.metrics.fidelity import psnr
from codec.images.strips import Samples, Strips
from codec.models.torch_model import torch_engine
from codec.runtime.encoder_pass import Analysis
from codec.runtime.engine import Floats
from codec.runtime.model import CodecModel
from codec.runtime.quantize import Coding, Indices, Quantization
from codec.runtime.tiles import Tiles
from codec.runtime.windows import Window

CELL = 32  # pixels: sides of the images are multiples, so that nothing is padded
VARIANTS = {  # rounded to 8 bits, share of λ, levels whose codes are kept
    "as it is": (True, 1.0, 0),
    "pixels not rounded": (False, 1.0, 0),
    "a tenth of λ": (True, 0.1, 0),
    "level 0 kept": (True, 1.0, 1),
    "levels 0 and 1 kept": (True, 1.0, 2),
    "level 0 kept, a tenth of λ": (True, 0.1, 1),
    "levels 0 and 1 kept, a tenth of λ": (True, 0.1, 2),
}


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: folder of images whose sides are multiples of 32.
        model: name or folder of a model.
    """

    photographs: Photographs
    model: Model = PACKAGED


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        images: how many, the first by name.
        target_bpp: bits per pixel that the first file has at most.
    """

    images: int = 4
    target_bpp: float = 0.2


class Kept(Quantization):
    """A search that takes the codes of the coarsest levels as they are given.

    Attributes:
        given: the codes of all stages.
        levels: how many of the levels have those.
        distance: per level ‖e − Σ c‖² / ‖e‖² of the given codes, where they are taken.
    """

    given: Indices
    levels: int
    distance: dict[int, float]

    def _search(self, level: int, window: Window, prediction: Floats) -> None:
        if level >= self.levels:
            super()._search(level, window, prediction)
            return
        stages = self._codebooks.levels[level]
        e = (self._latents[level] - prediction)[0].transpose(1, 2, 0)
        rest = e - self._codebooks.sum(stages, [self.given[stage] for stage in stages])
        self.distance[level] = float(np.square(rest).sum() / np.square(e).sum())
        for stage in stages:
            self._indices[stage][:] = self.given[stage]


def analysis_of(model: CodecModel, pixels: Floats) -> Analysis:
    """The latents of pixels (1, 3, H, W) in 0..1, which need not be of 8 bits."""
    networks = torch_engine(model).networks
    with torch.inference_mode():
        latents = networks.encoder(torch.from_numpy(pixels * 2 - 1))
    height, width = pixels.shape[2:]
    return Analysis([latent.numpy() for latent in latents], height, width)


def searched(
    model: CodecModel, analysis: Analysis, first: Coding, share: float, levels: int
) -> tuple[Coding, dict[int, float]]:
    """The codes of an image with a share of λ and some levels kept, and the distances there."""
    lam, stages = model.config.lambda_at(first.quality) * share, len(first.indices)
    lengths = model.code_lengths(first.quality)[:stages]
    side = max(analysis.height, analysis.width)
    tiles = Tiles(analysis.height, analysis.width, CELL, side, model.reaches)
    search = Kept(model.engine, model.codebooks, tiles, analysis, lengths, lam=lam, effort=5)
    search.given, search.levels, search.distance = first.indices, levels, {}
    with model.engine.running():
        coding = search.run(model.config.condition(first.quality, stages), first.quality)
    return coding, search.distance


def payload(model: CodecModel, coding: Coding, size: Sequence[int]) -> int:
    """Bytes that the indices take."""
    header = model.header(coding, size[0], size[1])
    return len(stream.encode_indices(coding.indices, model.prior, header))


def shown(model: CodecModel, coding: Coding, size: Sequence[int]) -> Samples:
    """The decoded image, uint8 [H, W, 3]."""
    header = model.header(coding, size[0], size[1])
    return np.concatenate(list(model.strips(coding.indices, header)))


def of_image(model: CodecModel, original: NDArray[np.uint8], target_bpp: float) -> dict[str, Any]:
    """The second encodings of one image."""
    size = original.shape[:2]
    file = codec.encode(original, target_bpp=target_bpp, model=model, keep=())
    quality = container.parse(file).header.quality
    first = model.quantize(model.analyze(Strips([original])), quality)
    bytes_, decoded = payload(model, first, size), shown(model, first, size)
    smooth = model.synthesize(first.indices, quality, *size)
    rounded = np.ascontiguousarray(decoded.transpose(2, 0, 1)[None] / np.float32(255))
    analyses = {True: analysis_of(model, rounded), False: analysis_of(model, smooth)}
    measured: dict[str, Any] = {}
    for name, (in_8_bits, share, levels) in VARIANTS.items():
        again, _ = searched(model, analyses[in_8_bits], first, share, levels)
        measured[name] = {
            "change": psnr(original, shown(model, again, size)) - psnr(original, decoded),
            "growth": payload(model, again, size) / bytes_ - 1,
            "same": [
                float(np.mean([(again.indices[n] == first.indices[n]).mean() for n in stages]))
                for stages in model.codebooks.levels
            ],
        }
    all_levels = len(model.codebooks.levels)
    _, distance = searched(model, analyses[True], first, 1.0, all_levels)
    return {"variants": measured, "distance": [distance[n] for n in range(all_levels)]}


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Means over the images."""
    model = inputs.model.load()
    rows = [
        run.part(str(i), lambda: of_image(model, np.asarray(image), settings.target_bpp))  # noqa: B023
        for i, image in enumerate(list(inputs.photographs.images())[: settings.images])
    ]
    variants = {
        name: {
            key: np.round(np.mean([row["variants"][name][key] for row in rows], axis=0), 4).tolist()
            for key in ("change", "growth", "same")
        }
        for name in VARIANTS
    }
    distance = np.round(np.mean([row["distance"] for row in rows], axis=0), 4).tolist()
    return {"variants": variants, "distance": distance}


BENCHMARK = Benchmark(Inputs, Settings, measure, result="resaved.json")
