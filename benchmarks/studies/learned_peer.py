"""A learned peer with the same data and the same work: CompressAI's mbt2018-mean, trained here.

The network, its entropy models and its coder are CompressAI's own (Minnen 2018, mean and scale
hyperprior, N = 128, M = 192); photographs, crops and their order are those of our training. The
loss is λ·255²·MSE + bits per pixel, one network a λ. A run can be killed and started again.

    python -m benchmarks.studies.learned_peer train SHARDS runs/peer --lmbda 0.0018 --steps 20000
    python -m benchmarks.studies.learned_peer measure KODAK_FOLDER runs/peer-* --name kodak

`measure` writes two files such as `bibcodec eval` writes: of the peer, a point a run, and of our
codec at the bytes of each of the peer's files. A peer's file is the two strings of CompressAI and
12 bytes: width, height and the strings' lengths.
"""

import argparse
import json
import math
import struct
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.provenance import commit
from codec.evaluation.measure import Record, measure, unmeasured
from codec.evaluation.metrics.import_torchvision import import_torchvision
from codec.evaluation.plan import FOREIGN, Plan
from codec.evaluation.provenance import Provenance
from codec.evaluation.run import photographs
from codec.evaluation.summary import NOTES, summarise
from codec.train.data import Crops, load_images

CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"
LATENTS = 128, 192  # N and M, as CompressAI has them for its lower rates
HEADER = struct.Struct("<HHII")
MULTIPLE = 64  # pixels that sides are padded to
PEAK, CLIP = 255.0**2, 1.0
DECAY = 0.4  # share of the steps over which the rate of learning falls, linearly


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


def train(arguments: argparse.Namespace) -> None:
    torch.manual_seed(arguments.seed)
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    net = network().to(memory_format=torch.channels_last).train()
    tables = [p for n, p in net.named_parameters() if n.endswith(".quantiles")]
    weights = [p for n, p in net.named_parameters() if not n.endswith(".quantiles")]
    main = torch.optim.Adam(weights, lr=arguments.rate)
    auxiliary = torch.optim.Adam(tables, lr=1e-3)
    state = {"net": net, "main": main, "auxiliary": auxiliary}
    settings = {k: getattr(arguments, k) for k in ("lmbda", "steps", "batch", "crop", "rate")}
    settings["start"] = start(arguments.start, state) if arguments.start else {}
    step, seconds = resume(folder, state, settings)
    batches = Crops(load_images(arguments.data), arguments.crop, arguments.batch, arguments.seed)
    bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    saved = logged = time.monotonic()
    sums: list[tuple[float, float]] = []
    while step < arguments.steps:
        left = 1 - step / arguments.steps
        for group in main.param_groups:
            group["lr"] = arguments.rate * min(1, max(left / DECAY, 0.02))
        torch.manual_seed(2**32 * arguments.seed + step)  # of the noise: as if never interrupted
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            bpp, mse = rate_and_error(net, batches(step).add(1).div(2))
        loss = arguments.lmbda * PEAK * mse + bpp
        main.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, CLIP)
        main.step()
        auxiliary.zero_grad()
        net.aux_loss().backward()
        auxiliary.step()
        step += 1
        sums.append((bpp.item(), mse.item()))
        now = time.monotonic()
        if step % arguments.log_steps == 0 or step == arguments.steps:
            seconds += now - logged
            logged = now
            bits, error = np.mean(sums, axis=0)
            sums.clear()
            line = {
                "step": step,
                "bpp": round(float(bits), 5),
                "psnr": round(-10 * math.log10(float(error)), 3),
                "seconds": round(seconds, 1),
            }
            with (folder / LOG).open("a") as log:
                log.write(json.dumps(line) + "\n")
            print(line, flush=True)
        if now - saved > arguments.save_seconds or step == arguments.steps:
            saved = now
            save(folder, state, settings, step, seconds)


def start(run: Path, state: dict[str, Any]) -> dict[str, Any]:
    """Load another run's network and optimisers: what that run was, and its work."""
    found = torch.load(run / CHECKPOINT, weights_only=True)
    for name, part in state.items():
        part.load_state_dict(found[name])
    return work(found)


def save(
    folder: Path, state: dict[str, Any], settings: dict[str, Any], step: int, seconds: float
) -> None:
    """Write the checkpoint, whole or not at all."""
    held = {name: part.state_dict() for name, part in state.items()}
    temporary = folder / f"{CHECKPOINT}.tmp"
    torch.save(held | {"step": step, "seconds": seconds, "settings": settings}, temporary)
    temporary.replace(folder / CHECKPOINT)


def resume(folder: Path, state: dict[str, Any], settings: dict[str, Any]) -> tuple[int, float]:
    """Load a run's checkpoint, if it has one: its step, and the seconds it took."""
    path = folder / CHECKPOINT
    if not path.is_file():
        return 0, 0.0
    found = torch.load(path, weights_only=True)
    if found["settings"] != settings:
        raise SystemExit(f"{path} was made with {found['settings']}, not {settings}")
    for name, part in state.items():
        part.load_state_dict(found[name])
    return int(found["step"]), float(found["seconds"])


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
            records.append(measure(plan, path))
    return records


def coded_by_us(records: Sequence[Record], images: Sequence[Path], plan: Plan) -> list[Record]:
    """The images' records with our codec, each file at most as large as the peer's."""
    ours = []
    for record, path in zip(records, images, strict=True):
        targets = tuple(point["bpp"] for point in record["points"])
        ours.append(measure(replace(plan, targets=targets), path))
        for point in ours[-1]["points"]:
            del point["target-bpp"]  # another one for each image
    return ours


def work(found: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run's checkpoint, and how much the run did."""
    return found["settings"] | {"step": found["step"], "seconds": round(found["seconds"])}


def measure_runs(arguments: argparse.Namespace) -> None:
    images = photographs(arguments.images)
    runs = [coded_by(run, images, arguments.lpips) for run in arguments.runs]
    peer = [
        image | {"points": [point for records in runs for point in records[i]["points"]]}
        for i, image in enumerate(runs[0])
    ]
    plan = Plan(model=arguments.model, lpips=arguments.lpips)
    ours = coded_by_us(peer, images, plan)
    works = [work(torch.load(run / CHECKPOINT, weights_only=True)) for run in arguments.runs]
    for name, description, records in (
        ("mbt2018-mean", "CompressAI's network and coder, trained by learned_peer.py", peer),
        ("bibcodec", "each file at most as large as mbt2018-mean's of the image", ours),
    ):
        summary = summarise(records)
        result = {
            "name": name,
            "description": description,
            **summary.as_json(),
            "meta": asdict(Provenance.of(images))
            | {
                "commit": commit(),
                "runs": works,
                "notes": NOTES,
                "windows": summary.windows,
                "not_measured": summary.figures.not_measured | unmeasured(plan),
            },
        }
        path = arguments.output / f"rdp_{arguments.name}_{name}.json"
        path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
        table = summary.figures.results
        for i, bpp in enumerate(table["bpp"]):
            realism = table["realism"][i]
            print(f"{name} {realism}: {bpp:.4f} bpp, {table['psnr-rgb'][i]:.2f} dB")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(required=True)
    training = verbs.add_parser("train")
    training.add_argument("data", type=Path, help="folder of tar shards or of images")
    training.add_argument("folder", type=Path, help="of the run; goes on from its checkpoint")
    training.add_argument("--lmbda", type=float, required=True, help="0.0005, 0.0018, 0.0067")
    training.add_argument("--steps", type=int, default=20_000)
    training.add_argument("--batch", type=int, default=8)
    training.add_argument("--crop", type=int, default=192, help="a multiple of 64")
    training.add_argument("--rate", type=float, default=2e-4, help="of Adam")
    training.add_argument("--start", type=Path, help="a run to take up, e.g. of another λ")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--log-steps", type=int, default=50)
    training.add_argument("--save-seconds", type=float, default=300)
    training.set_defaults(run=train)
    measuring = verbs.add_parser("measure")
    measuring.add_argument("images", type=Path, help="folder of photographs")
    measuring.add_argument("runs", type=Path, nargs="+", help="folders of runs, a λ each")
    measuring.add_argument(
        "--name", required=True, help="of the set of images, for the files' names"
    )
    measuring.add_argument("-m", "--model", default="default")
    measuring.add_argument("--lpips", help="weights of LPIPS 0.1 on SqueezeNet")
    measuring.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    measuring.set_defaults(run=measure_runs)
    arguments = parser.parse_args(argv)
    arguments.run(arguments)


if __name__ == "__main__":
    main()
