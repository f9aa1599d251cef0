"""How good is a learned peer, CompressAI's mbt2018-mean, with our photographs and our work?

The network, its entropy models and its coder are CompressAI's own (Minnen 2018, mean and scale
hyperprior, N = 128, M = 192); learned_peer_training.py trains it, one network a rate. There are two
results such as `bibcodec eval` writes: of the peer, a point a run, and of our codec at the bytes of
each of the peer's files. A peer's file is the two strings of CompressAI and 12 bytes: width, height
and the strings' lengths.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks import schema
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, File, Folder, Model, Photographs
from benchmarks.markdown import paragraph, table
from benchmarks.quality.rdp import HEADS, named_rows
from codec.evaluation import Plan
from codec.evaluation import measure as evaluation
from codec.evaluation.measure import Record, unmeasured
from codec.evaluation.metrics.import_torchvision import import_torchvision
from codec.evaluation.plan import FOREIGN
from codec.evaluation.summary import NOTES, summarize

CHECKPOINT = "checkpoint.pt"
LATENTS = 128, 192  # N and M, as CompressAI has them for its lower rates
HEADER = struct.Struct("<HHII")
MULTIPLE = 64  # pixels that sides are padded to


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: folder of images.
        runs: folders of the peer's trainings, one a rate, with commas between.
        model: name or folder of our model.
        lpips: file with the weights of LPIPS 0.1 on SqueezeNet.
    """

    photographs: Photographs
    runs: tuple[Folder, ...]
    model: Model = PACKAGED
    lpips: File | None = None


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        name: of the set of images, for the names of the results.
    """

    name: str = "kodak"


def network() -> Any:
    """An untrained mbt2018-mean."""
    import_torchvision()
    from compressai.models import MeanScaleHyperprior  # noqa: PLC0415

    return MeanScaleHyperprior(*LATENTS)


def rate_and_error(net: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Bits per pixel and mean squared error (of 0..1) of a batch (N, 3, H, W) in 0..1.

    The transforms run in bfloat16 where autocast is on, the probabilities in float32.
    """
    y = net.g_a(x).float()
    z = net.h_a(y).float()
    z_hat, z_likelihoods = net.entropy_bottleneck(z)
    scales, means = net.h_s(z_hat).float().chunk(2, 1)
    y_hat, y_likelihoods = net.gaussian_conditional(y, scales, means=means)
    pixels = x.shape[0] * x.shape[2] * x.shape[3]
    bits = sum(-p.clamp_min(1e-9).log2().sum() for p in (y_likelihoods, z_likelihoods))
    return torch.as_tensor(bits) / pixels, (net.g_s(y_hat).float() - x).square().mean()


@torch.inference_mode()
def code(net: Any, photo: Image.Image) -> tuple[bytes, Image.Image]:
    """A photo's file, and the image that decoding the file gives."""
    x = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float() / 255
    height, width = x.shape[2:]
    padded = nn.functional.pad(x, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
    ((y,), (z,)) = net.compress(padded)["strings"]
    file = HEADER.pack(width, height, len(y), len(z)) + y + z

    width, height, length, _ = HEADER.unpack_from(file)
    y, z = file[HEADER.size :][:length], file[HEADER.size + length :]
    shape = [-(-side // MULTIPLE) for side in (height, width)]
    x_hat = net.decompress([[y], [z]], shape)["x_hat"][0, :, :height, :width]
    pixels = x_hat.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0)
    return file, Image.fromarray(pixels.numpy())


def coded_by(run: Path, images: Sequence[Path], lpips: str | None) -> list[Record]:
    """The images' records with one run's network."""
    net = network()
    net.load_state_dict(torch.load(run / CHECKPOINT, weights_only=True)["net"])
    net.eval().update(force=True)
    with TemporaryDirectory() as temporary:
        decoded, coded = (Path(temporary) / name for name in ("decoded", "coded"))
        decoded.mkdir()
        coded.mkdir()
        records = []
        plan = Plan(codec=FOREIGN, decoded=str(decoded), coded=str(coded), lpips=lpips)
        for path in images:
            with Image.open(path) as opened:
                file, image = code(net, opened.convert("RGB"))
            (coded / f"{path.stem}.bin").write_bytes(file)
            image.save(decoded / f"{path.stem}.png")
            records.append(evaluation.measure(plan, path))
    return records


def coded_by_us(records: Sequence[Record], images: Sequence[Path], plan: Plan) -> list[Record]:
    """The images' records with our codec, each file at most as large as the peer's."""
    ours = []
    for record, path in zip(records, images, strict=True):
        targets = tuple(point["bpp"] for point in record["points"])
        ours.append(evaluation.measure(replace(plan, targets=targets), path))
        for point in ours[-1]["points"]:
            del point["target-bpp"]  # another one for each image
    return ours


def work(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run's checkpoint, and how much the run did."""
    done = {"step": checkpoint["step"], "seconds": round(checkpoint["seconds"])}
    settings: dict[str, Any] = checkpoint["settings"]
    return settings | done


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """The peer, and our codec at its bytes."""
    images = inputs.photographs.paths
    lpips = inputs.lpips.source if inputs.lpips else None
    by_run = [coded_by(folder.path, images, lpips) for folder in inputs.runs]
    peer = [
        image | {"points": [point for records in by_run for point in records[i]["points"]]}
        for i, image in enumerate(by_run[0])
    ]
    plan = Plan(model=inputs.model.source, lpips=lpips)
    ours = coded_by_us(peer, images, plan)
    checkpoints = [
        torch.load(folder.path / CHECKPOINT, weights_only=True) for folder in inputs.runs
    ]
    works = [work(checkpoint) for checkpoint in checkpoints]
    theirs = "CompressAI's network and coder, trained by learned_peer_training.py"
    at_most = "each file at most as large as mbt2018-mean's of the image"
    return {
        "_mbt2018-mean": result("mbt2018-mean", theirs, peer, plan, works),
        "_bibcodec": result("bibcodec", at_most, ours, plan, works),
    }


def result(
    name: str, description: str, records: list[Record], plan: Plan, works: list[dict[str, Any]]
) -> dict[str, Any]:
    """A result such as `bibcodec eval` writes."""
    summary = summarize(records)
    return {
        "name": name,
        "description": description,
        **summary.as_json(),
        "meta": {
            "runs": works,
            "notes": NOTES,
            "windows": summary.windows,
            "not_measured": summary.figures.not_measured | unmeasured(plan),
        },
    }


def figures() -> list[str]:
    """What docs/figures.md says of the learned peer."""
    peer, ours = (schema.read(f"rdp_kodak_{name}") for name in ("mbt2018-mean", "bibcodec"))
    rows = []
    for i, run in enumerate(peer["meta"]["runs"]):
        rows.append([f"mbt2018-mean, λ = {run['lmbda']:g}", *named_rows(peer)[i][1:]])
        rows += named_rows(ours)[i * 2 : i * 2 + 2]
    works = [(run, run["start"] or {"seconds": 0, "step": 0}) for run in peer["meta"]["runs"]]
    hours = " / ".join(f"{(a['seconds'] + b['seconds']) / 3600:.1f}" for a, b in works)
    steps = " / ".join(f"{a['step'] + b['step']:,}" for a, b in works)
    return [
        *table(["learned, equal data", *HEADS], rows),
        *paragraph(
            "The peer is CompressAI's mbt2018-mean with its own code and coder. It was trained on",
            f"our photographs on one core for {hours} hours ({steps} steps of 8 crops of 128",
            f"pixels, the first {works[0][1]['step']:,} of them shared), one network a rate. Our",
            f"one network for all rates was trained for {our_hours():.1f} hours, and for realism 1",
            "the detail beside it. Each image has at most the bytes of the peer's file of it. The",
            "comparison shows what a little training gives and not what the peer can do:",
            "CompressAI's published figures of it are in `benchmarks/published.json`. Ours starts",
            "from a linear transform, the peer from random weights.",
        ),
    ]


def our_hours() -> float:
    """Hours that our mean was trained."""
    training = schema.read("training_default")
    seconds = [part["seconds"] for part in training["means"]]  # a step
    hours: float = training["steps"] * sum(seconds) / len(seconds) / 3600
    return hours


BENCHMARK = Benchmark(Inputs, Settings, measure, result="rdp_{name}{part}.json")
