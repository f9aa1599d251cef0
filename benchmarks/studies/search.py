"""What the joint search of a level's codes buys, beside greedy search and scalar quantisation.

    python -m benchmarks.studies.search FOLDER_WITH_SHARDS -o benchmarks/results/search.json

For the remainders that the encoder quantises on validation photographs: squared error and bits a
cell (under the search's own prices) for beams of 1 (greedy) to 16, and, at the bits of the greedy
search, the squared error of uniform scalar quantisation of the remainders' principal components
with a dead zone and ideal entropy coding of each component (a static transform codec).
"""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.provenance import meta
from codec.models.loading import load_model
from codec.models.torch_model import torch_engine
from codec.runtime.model import CodecModel
from codec.train.data import load_images

QUALITIES = (35, 55, 75)
BEAMS = (1, 2, 4, 8, 16)


def remainders(model: CodecModel, images: list[Tensor], quality: int) -> list[Tensor]:
    """What each level quantises: (n, D) a level."""
    networks = torch_engine(model).networks
    quantizer = networks.quantizer
    lam = model.config.lagrange(quality)
    found: list[list[Tensor]] = [[] for _ in model.config.levels]
    for x in images:
        latents = networks.encoder(x)

        def code(level: int, prediction: Tensor, latents: list[Tensor] = latents) -> Tensor:
            e = (latents[level] - prediction)[0].flatten(1).T.contiguous()
            found[level].append(e)
            here = quantizer.of_level(level)
            codes = quantizer.search(here, e, [lam * quantizer.prices(s, quality) for s in here], 8)
            return quantizer.centroids(here, codes).T.reshape(prediction.shape)

        condition = torch.tensor([model.config.condition(quality, len(model.cells))])
        networks.decoder.top_down(condition, code, x.shape)
    return [torch.cat(parts) for parts in found]


def scalar(e: Tensor, bits: float) -> float:
    """Squared error a cell of scalar quantisation at so many bits a cell."""
    _, axes = torch.linalg.eigh(e.T @ e)
    u = e @ axes
    low, high, error = 0.01, 200.0, 0.0
    for _ in range(24):
        step = (low * high) ** 0.5
        level = u.sign() * (u.abs() / step + 0.33).floor()
        spent = 0.0
        for column in level.T:
            share = column.unique(return_counts=True)[1] / len(column)
            spent -= float((share * share.log2()).sum())
        error = float((u - level.sign() * (level.abs() + 0.04) * step).square().sum(1).mean())
        low, high = (step, high) if spent > bits else (low, step)
    return error


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-m", "--model", default="default")
    parser.add_argument("-n", "--images", type=int, default=12)
    parser.add_argument("-o", "--out", type=Path, default=Path("benchmarks/results/search.json"))
    options = parser.parse_args()
    model = load_model(options.model, "cpu")
    quantizer = torch_engine(model).networks.quantizer
    images = []
    for image in load_images(options.data, "val-*.tar", limit=options.images):
        height, width = (side // 32 * 32 for side in image.shape[:2])
        x = torch.from_numpy(image[:height, :width].copy()).permute(2, 0, 1)[None]
        images.append(x.float() / 127.5 - 1)
    rows = []
    for quality in QUALITIES:
        lam = model.config.lagrange(quality)
        for level, e in enumerate(remainders(model, images, quality)):
            here = quantizer.of_level(level)
            prices = [quantizer.prices(stage, quality) for stage in here]
            row: dict[str, object] = {"quality": quality, "cell": model.config.levels[level].cell}
            for beam in BEAMS:
                codes = quantizer.search(here, e, [lam * price for price in prices], beam)
                bits = sum(float(price[codes[:, k]].mean()) for k, price in enumerate(prices))
                error = float((e - quantizer.centroids(here, codes)).square().sum(1).mean())
                row[f"beam {beam}"] = {"bits": round(bits, 3), "squared error": round(error, 4)}
                if beam == 1:
                    row["scalar at the same bits"] = round(scalar(e, bits), 4)
            rows.append(row)
            print(json.dumps(row))
    shards = sorted(options.data.glob("val-*.tar"))
    result = {"meta": meta(shards, model.fingerprint), "images": options.images, "rows": rows}
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
