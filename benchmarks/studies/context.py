"""How many bits do contexts save, by four ways to choose the tables of the same indices?

Static: a table per stage and range of qualities. Neighbours: a table by how many of seven places
(five around, the parent, the stage before) hold a code other than 0. Context: the model's own
prior. All tables are fitted on crops of the training shards, the bits counted on whole images of
the validation shards and of Kodak, with the indices that the encoder chooses at five qualities; and
on crops, some of those that the model's prior was fitted on beside held-out ones of the same size.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, Model, Photographs, Shards
from bitstream.header import Header
from bitstream.stream import ideal_bits
from codec.images.strips import Strips
from codec.models.torch_model import torch_engine
from codec.runtime.model import CodecModel
from codec.train.codec.context import smooth
from codec.train.codec.export import FIRST
from codec.train.codec.sample import Sample, collect
from codec.train.data import Crops, Pool, load_images

QUALITIES = (10, 30, 50, 70, 90)
RANGES = 5
CROP, BATCH, BATCHES = 160, 8, 40  # pixels a side, crops a batch as in training; batches compared


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        shards: folder of train-*.tar and val-*.tar.
        photographs: folder of images, Kodak's.
        model: name or folder of a model.
    """

    shards: Shards
    photographs: Photographs
    model: Model = PACKAGED


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        images: how many validation photographs.
        batches: of crops that the tables are fitted on.
    """

    images: int = 60
    batches: int = 300


def neighbour_ids(
    grids: list[NDArray[np.int32]], cells: tuple[int, ...], stage: int
) -> NDArray[np.int64]:
    """How many codes other than 0 stand around each place: (h, w) in 0..7."""
    rows, columns = grids[stage].shape
    count = np.zeros((rows, columns), np.int64)
    here = np.pad(grids[stage] != 0, 1)
    even = np.add.outer(np.arange(rows), np.arange(columns)) % 2 == 0
    around = here[:-2, 1:-1].astype(np.int64) + here[2:, 1:-1] + here[1:-1, :-2] + here[1:-1, 2:]
    count += np.where(even, 0, around)
    if stage:
        ratio = cells[stage - 1] // cells[stage]
        y, x = np.arange(rows)[:, None] // ratio, np.arange(columns) // ratio
        before = grids[stage - 1][y, x] != 0
        count += 1 * before
        wide = np.pad(grids[stage - 1] != 0, 1)
        count += wide[y, x + 1] | wide[y + 2, x + 1]
        count += wide[y + 1, x] | wide[y + 1, x + 2]
    return count


def tables(
    sample: Sample, cells: tuple[int, ...], codes: tuple[int, ...], neighbours: bool
) -> list[torch.Tensor]:
    """Fitted bits: per stage (RANGES, 8, K)."""
    fitted = []
    for stage, size in enumerate(codes):
        counts = torch.zeros(RANGES, 8, size)
        for crop in range(len(sample)):
            grids = [grid[crop].numpy().astype(np.int32) for grid in sample.indices[: stage + 1]]
            part = min(int(sample.quality[crop]) * RANGES // 100, RANGES - 1)
            ids = neighbour_ids(grids, cells, stage) if neighbours else np.zeros_like(grids[stage])
            place = torch.from_numpy(ids.astype(np.int64) * size + grids[stage]).flatten()
            counts[part].view(-1).index_add_(0, place, torch.ones(len(place)))
        fitted.append(torch.stack([-smooth(count).log2() for count in counts]))
    return fitted


def count(
    model: CodecModel, images: list[NDArray[np.uint8]], fits: dict[str, list[torch.Tensor]]
) -> dict[str, dict[str, list[float]]]:
    """Bits per pixel at each quality by every way, and the share of the static ones."""
    bits = {name: np.zeros(len(QUALITIES)) for name in (*fits, "context")}
    pixels = 0
    for image in images:
        height, width = image.shape[:2]
        pixels += height * width
        analysis = model.analyze(Strips([image]))
        for number, quality in enumerate(QUALITIES):
            grids = model.quantize(analysis, quality).indices
            part = min(quality * RANGES // 100, RANGES - 1)
            for name, fitted in fits.items():
                for stage, grid in enumerate(grids):
                    ids = neighbour_ids(grids, model.cells, stage) * (name == "neighbours")
                    bits[name][number] += fitted[stage][part].numpy()[ids, grid].sum()
            header = Header(width, height, quality=quality, stages=len(grids), fingerprint=b"none")
            bits["context"][number] += ideal_bits(grids, model.prior, header)
    shares = {name: total / bits["static"] for name, total in bits.items()}
    return {
        "bits per pixel": {
            name: (total / pixels).round(5).tolist() for name, total in bits.items()
        },
        "of static": {name: share.round(4).tolist() for name, share in shares.items()},
        "of static, mean": {name: [round(float(s.mean()), 4)] for name, s in shares.items()},
    }


def cut(images: list[NDArray[np.uint8]], first: int) -> list[NDArray[np.uint8]]:
    """Random crops of images, as training sees them, from the batch number `first` on."""
    crops = Crops([Pool(images)], CROP, BATCH, 0)
    batches = torch.cat([crops(first + number) for number in range(BATCHES)])
    pixels = batches.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1)
    return list(pixels.contiguous().numpy())


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Bits by every way, of whole images and of crops."""
    model = inputs.model.load()
    train = load_images(inputs.shards.folder)
    crops = Crops([Pool(train)], CROP, BATCH, 1)
    sample = collect(torch_engine(model).networks, crops, settings.batches, first=0)
    fits = {
        "static": tables(sample, model.cells, model.codes, neighbours=False),
        "neighbours": tables(sample, model.cells, model.codes, neighbours=True),
    }
    validation = load_images(inputs.shards.folder, "val-*.tar", limit=settings.images)
    photographs = [np.asarray(image) for image in inputs.photographs.images()]
    fitted, held_out = cut(train, FIRST), cut(validation, 0)
    return {
        "crops fitted on": len(sample),
        "qualities": QUALITIES,
        f"validation, {len(validation)} images": count(model, validation, fits),
        f"Kodak, {len(photographs)} images": count(model, photographs, fits),
        f"{len(fitted)} crops that the prior was fitted on": count(model, fitted, fits),
        f"{len(held_out)} crops of the validation images": count(model, held_out, fits),
    }


BENCHMARK = Benchmark(Inputs, Settings, measure, result="context.json")
