"""What does `--effort` buy in bytes and cost in time?

Whole files at realism 0, beside those of effort 5 at equal PSNR. The time is the processor time of
an encoding (networks, search, entropy coding), one thread, all rows in turn.
"""

import time
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import ModelOnPhotographs
from bitstream import container, stream
from codec.images.strips import Samples, Strips
from codec.report.bjontegaard import bd_rate
from codec.runtime.model import CodecModel

ANCHOR = 5
ROWS = (1, ANCHOR, 7, 9)


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        name: of the images, in the result's name.
        images: how many, the first by name.
        qualities: of the files.
    """

    name: str = "kodak"
    images: int = 4
    qualities: tuple[int, ...] = (15, 40, 65, 90)


def of_image(
    model: CodecModel, image: Samples, qualities: tuple[int, ...]
) -> dict[int, list[tuple[int, float, float]]]:
    """Bytes, squared error (of 255²) and processor seconds of a file: by row, at each quality."""
    found: dict[int, list[tuple[int, float, float]]] = {row: [] for row in ROWS}
    began = time.process_time()
    analysis = model.analyze(Strips([image]))
    analyzed = time.process_time() - began
    for quality in qualities:
        for row in ROWS:
            began = time.process_time()
            coding = model.quantize(analysis, quality, effort=row)
            header = model.header(coding, *image.shape[:2])
            payload = stream.encode_indices(coding.indices, model.prior, header)
            seconds = analyzed + time.process_time() - began
            shown = np.concatenate(list(model.strips(coding.indices, header)))
            error = np.square(np.subtract(shown, image, dtype=np.float64)).mean()
            size = len(container.write(header, payload, {}))
            found[row].append((size, float(error), seconds))
    return found


@torch.inference_mode()
def measure(run: Run, inputs: ModelOnPhotographs, settings: Settings) -> dict[str, Any]:
    """Rate, PSNR, bytes at equal PSNR and time of each effort."""
    torch.set_num_threads(1)
    model = inputs.model.load()
    images = [np.asarray(image) for image in islice(inputs.photographs.images(), settings.images)]
    of_image(model, images[0][:64, :64], settings.qualities[:1])  # loads what is loaded once
    tables = []
    for number, image in enumerate(images):
        work = partial(of_image, model, image, settings.qualities)
        found = run.part(f"image {number}", work)
        tables.append([found[row] for row in ROWS])
        run.say(f"{number + 1} of {len(images)}")
    table = np.array(tables)  # (images, rows, qualities, 3)
    pixels = np.array([image[..., 0].size for image in images])[:, None, None]
    bpp = (8 * table[..., 0] / pixels).mean(0)
    psnr = (10 * np.log10(255**2 / table[..., 1])).mean(0)
    anchor = ROWS.index(ANCHOR)
    rows = {}
    for number, row in enumerate(ROWS):
        percent = bd_rate(bpp[number], psnr[number], bpp[anchor], psnr[anchor])
        rows[str(row)] = line = {
            "bpp": [round(value, 5) for value in bpp[number].tolist()],
            "psnr-rgb": [round(value, 4) for value in psnr[number].tolist()],
            "bd_rate_percent": None if percent is None else round(percent, 2),
            "time_over_5": round(table[:, number, :, 2].sum() / table[:, anchor, :, 2].sum(), 2),
        }
        run.say(f"{row}: {line['bd_rate_percent']} %, time {line['time_over_5']}")
    return {"qualities": settings.qualities, "rows": rows}


BENCHMARK = Benchmark(ModelOnPhotographs, Settings, measure, result="effort_{name}.json")
