"""The steps of a model's networks as ONNX graphs, for onnxruntime here and in a browser.

    python -m codec.models.export MODEL

`docs/graphs.md` describes the files. The graphs hold no weights: their initializers are places in
the model's own safetensors files, so that the weights exist once. The linear transforms of pixels
to latents and back are composed, level to level, when a graph is loaded: no step but the first and
the last ones sees pixels.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from bitstream.errors import CodecError
from codec.files import writing
from codec.images.strips import Bands
from codec.models.files import DETAIL, GRAPHS, MANIFEST, WEIGHTS
from codec.models.graphs import OPSET, SCHEMA, digest_of_detail
from codec.models.loading import load_model
from codec.models.search_graph import search_graph
from codec.models.torch_model import torch_engine
from codec.networks.config import CELLS, STEM
from codec.networks.decoder import Decoder, Mean
from codec.networks.detail import Detail
from codec.networks.encoder import Encoder
from codec.networks.layers import BlockAnalysis, BlockTransform
from codec.networks.pyramid import Networks
from codec.options import LEAST_TILE
from codec.runtime.model import CodecModel

IR_VERSION = 8  # of ONNX files with opset 17


@dataclass(frozen=True)
class Step:
    """A module to export, with examples of its arguments."""

    name: str
    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: list[str]


def patches(basis: Tensor, cell: int, smaller: int) -> Tensor:
    """Rows of pixels (D, 3 * cell²) as those of the smaller cells in it.

    Returns:
        (D, f, f, 3 * smaller²), f = cell / smaller.
    """
    f = cell // smaller
    cut = basis.view(-1, 3, f, smaller, f, smaller).permute(0, 2, 4, 1, 3, 5)
    return cut.reshape(-1, f, f, 3 * smaller * smaller)


def composed(coarse: BlockTransform, fine: BlockAnalysis, z: Tensor) -> Tensor:
    """The fine level's analysis of the coarse level's synthesis: (N, D_fine, h * f, w * f)."""
    f = coarse.cell // fine.cell
    inverse = patches(coarse.inverse_basis, coarse.cell, fine.cell)  # (D_coarse, f, f, pixels)
    weight = (inverse @ fine.forward_basis.T).permute(3, 1, 2, 0)  # (D_fine, f, f, D_coarse)
    wide = nn.functional.conv2d(z, weight.reshape(-1, coarse.dim, 1, 1))
    return nn.functional.pixel_shuffle(wide, f)


class Analyze(nn.Module):
    """Pixels to the linear latents of all levels."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Pixels (1, 3, H, W) in [-1, 1] to latents."""
        return [
            nn.functional.conv2d(
                pixels, t.forward_basis.view(t.dim, 3, t.cell, t.cell), stride=t.cell
            )
            for t in self.encoder.transforms
        ]


class Refine(nn.Module):
    """The encoder network's part of one level."""

    def __init__(self, encoder: Encoder, level: int) -> None:
        super().__init__()
        self.encoder, self.level = encoder, level

    def forward(self, features: Tensor) -> list[Tensor]:
        """Features to the correction, and to the features of the coarser level."""
        return list(self.encoder.correct(self.level, features)[: 2 if self.level else 1])


class Embed(nn.Module):
    """The embedding of a condition."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, condition: Tensor) -> Tensor:
        """A condition (1, 1 + levels) to its embedding."""
        embedding: Tensor = self.decoder.condition(condition)
        return embedding


class Predict(nn.Module):
    """What the coarser levels predict of a level's latent."""

    def __init__(self, decoder: Decoder, level: int) -> None:
        super().__init__()
        self.decoder, self.level = decoder, level

    def known(self, embedding: Tensor, features: Tensor, latents: Sequence[Tensor]) -> Any:
        """Features at the level's resolution, the network's part of the prediction, and all."""
        decoder, k = self.decoder, self.level - 1
        *coarser, own = list(decoder.transforms)[: self.level + 1]
        linear = sum(composed(t, own, z) for t, z in zip(coarser, latents, strict=True))
        hidden = decoder.before[k](decoder.ups[k](features), embedding)
        coded = decoder.predict[k](hidden)
        return hidden, coded, linear + coded

    def forward(self, embedding: Tensor, features: Tensor, *latents: Tensor) -> Tensor:
        """The arguments of `Engine.predict` to the prediction."""
        prediction: Tensor = self.known(embedding, features, latents)[2]
        return prediction


class Update(Predict):
    """The features and the latent of a level once its remainder is decoded."""

    def forward(  # type: ignore[override]
        self, embedding: Tensor, remainder: Tensor, *coarser: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The arguments of `Engine.update` to features and latent."""
        if self.level:
            hidden, coded, prediction = self.known(embedding, coarser[0], coarser[1:])
        else:
            hidden = coded = remainder.new_zeros(())
            prediction = torch.zeros_like(remainder)
        features = self.decoder.absorb(self.level, hidden, prediction, remainder, embedding)
        return features, coded + remainder


class Extend(Predict):
    """The features and the latent of a level that is not coded."""

    def forward(self, embedding: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """The arguments of `Engine.update` without remainder to features and latent."""
        decoder, k = self.decoder, self.level - 1
        hidden = decoder.before[k](decoder.ups[k](features), embedding)
        return hidden, decoder.predict[k](hidden)


class Synthesize(nn.Module):
    """The linear image of all levels: summed in cells of the finest one, then cut into pixels."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, *latents: Tensor) -> Tensor:
        """The latents of all levels to pixels."""
        transforms = list(self.decoder.transforms)
        cell = transforms[-1].cell
        total: Any = 0
        for transform, z in zip(transforms, latents, strict=True):
            f = transform.cell // cell
            weight = patches(transform.inverse_basis, transform.cell, cell).permute(3, 1, 2, 0)
            wide = nn.functional.conv2d(z, weight.reshape(-1, transform.dim, 1, 1))
            total = total + nn.functional.pixel_shuffle(wide, f)
        return nn.functional.pixel_shuffle(total, cell)


class Render(nn.Module):
    """The conditional mean, and the features at an eighth and a quarter of the resolution."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self, embedding: Tensor, pixels: Tensor, features: Tensor, *coarser: Tensor
    ) -> list[Tensor]:
        """The arguments of `Engine.render` to the mean and the features."""
        mean = self.decoder.render(pixels, features, embedding, *coarser)
        return [mean.pixels, mean.h8, mean.h4]


class Residual(nn.Module):
    """The detail network r."""

    def __init__(self, detail: Detail) -> None:
        super().__init__()
        self.detail = detail

    def forward(
        self, embedding: Tensor, mean: Tensor, eighth: Tensor, quarter: Tensor, *noise: Tensor
    ) -> Tensor:
        """What `Render` made, and noise, to the residual."""
        residual: Tensor = self.detail(Mean(mean, eighth, quarter, embedding), noise)
        return residual


def steps(networks: Networks, detail: Detail | None) -> Iterator[Step]:
    """All steps but the search, with arguments of the smallest windows times two."""
    config = networks.config
    side = 2 * config.levels[0].cell
    latents = {
        f"latent_{n}": torch.zeros(1, level.dim, side // level.cell, side // level.cell)
        for n, level in enumerate(config.levels)
    }
    pixels = torch.zeros(1, 3, side, side)
    yield from encoder_steps(networks.encoder, pixels, list(latents))
    condition = torch.zeros(1, 1 + len(latents))
    yield Step("embed", Embed(networks.decoder), {"condition": condition}, ["embedding"])
    embedding = {"embedding": networks.decoder.condition(condition)}
    yield from level_steps(networks, embedding, latents)
    yield Step("synthesize", Synthesize(networks.decoder), latents, ["pixels"])
    yield from render_steps(networks, detail, embedding | {"pixels": pixels})


def encoder_steps(encoder: Encoder, pixels: Tensor, latents: list[str]) -> Iterator[Step]:
    """The linear transforms of all levels, and the network's part of each, fine to coarse."""
    yield Step("analyze", Analyze(encoder), {"pixels": pixels}, latents)
    features = pixels
    for level in reversed(range(len(latents))):
        refine = Refine(encoder, level)
        outputs = ["correction", "coarser_features"][: 2 if level else 1]
        yield Step(f"refine_{level}", refine, {"features": features}, outputs)
        features = refine(features)[-1]


def level_steps(
    networks: Networks, embedding: dict[str, Tensor], latents: dict[str, Tensor]
) -> Iterator[Step]:
    """Prediction and update of each level; what stands for a level that may be left out."""
    decoder, coarser, known = networks.decoder, dict[str, Tensor](), dict[str, Tensor]()
    outputs = ["finer_features", "latent"]
    for level, (name, remainder) in enumerate(latents.items()):
        if level:
            arguments = embedding | coarser | known
            yield Step(f"predict_{level}", Predict(decoder, level), arguments, ["prediction"])
        if networks.config.levels[level].begin:
            yield Step(f"extend_{level}", Extend(decoder, level), embedding | coarser, outputs)
        update = Update(decoder, level)
        arguments = embedding | {"remainder": remainder} | coarser | known
        yield Step(f"update_{level}", update, arguments, outputs)
        coarser = {"features": update(*arguments.values())[0]}
        known[name] = remainder


def render_steps(
    networks: Networks, detail: Detail | None, given: dict[str, Tensor]
) -> Iterator[Step]:
    """The conditional mean, and the detail on it.

    Args:
        networks: the networks.
        detail: the detail network, if there is one.
        given: embedding and pixels.
    """
    config = networks.config
    widths, cell = config.decoder, config.levels[-1].cell
    height, width = given["pixels"].shape[2:]
    quarter, eighth = (
        torch.zeros(1, widths[k], height // scale, width // scale)
        for k, scale in enumerate((STEM, 2 * STEM))
    )
    features = (
        {"features": eighth} if cell > STEM else {"features": quarter, "coarser_features": eighth}
    )
    outputs = ["mean", "features_8", "features_4"]
    yield Step("render", Render(networks.decoder), given | features, outputs)
    if detail:
        made = {"mean": given["pixels"], "features_8": eighth, "features_4": quarter}
        noise = {
            f"noise_{cell}": torch.zeros(1, channels, height // cell, width // cell)
            for cell, channels in zip(CELLS, detail.config.noise, strict=True)
        }
        arguments = {"embedding": given["embedding"]} | made | noise
        yield Step("detail", Residual(detail), arguments, ["residual"])


def traced(step: Step) -> onnx.ModelProto:
    """A step as a graph with its weights in it, of any height and width."""
    maps = [name for name, value in step.inputs.items() if value.ndim == 4]
    maps += [name for name in step.outputs if name != "embedding"]
    buffer: Any = io.BytesIO()  # which torch's annotations do not know
    with warnings.catch_warnings():  # of the exporter, about itself and about traced sizes
        warnings.simplefilter("ignore")
        torch.onnx.export(
            step.module.eval(),
            tuple(step.inputs.values()),
            buffer,
            input_names=list(step.inputs),
            output_names=step.outputs,
            dynamic_axes={name: {2: f"{name}_rows", 3: f"{name}_columns"} for name in maps},
            opset_version=OPSET,
            do_constant_folding=False,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())


class Weights:
    """Where the tensors of a model's safetensors files are.

    Args:
        folder: the model's.
    """

    def __init__(self, folder: Path) -> None:
        self._places: dict[str, tuple[str, dict[str, Any], int]] = {}
        for file, prefix in ((WEIGHTS, ""), (DETAIL, "detail.")):
            if (folder / file).is_file():
                data = (folder / file).read_bytes()
                start = 8 + int.from_bytes(data[:8], "little")
                header = json.loads(data[8:start])
                header.pop("__metadata__", None)
                for name, tensor in header.items():
                    self._places[prefix + name] = (file, tensor, start)

    def reference(self, name: str) -> onnx.TensorProto | None:
        """An initializer whose values are in a file of the model; None if they are in none."""
        if name not in self._places:
            return None
        file, tensor, start = self._places[name]
        kinds = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}
        first, end = tensor["data_offsets"]
        proto = onnx.TensorProto(name=name, dims=tensor["shape"], data_type=kinds[tensor["dtype"]])
        proto.data_location = TensorProto.EXTERNAL
        for key, value in (("location", file), ("offset", start + first), ("length", end - first)):
            proto.external_data.add(key=key, value=str(value))
        return proto


def without_weights(graph: onnx.GraphProto, weights: Weights) -> onnx.GraphProto:
    """The graph with every weight as a reference to its place in a file, and a cast to float32."""
    given = {name for node in graph.node for name in node.input}
    references = {name: proto for name in sorted(given) if (proto := weights.reference(name))}
    kept = [tensor for tensor in graph.initializer if tensor.name not in references]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *references.values()])
    halves = [name for name, proto in references.items() if proto.data_type == TensorProto.FLOAT16]
    casts = [helper.make_node("Cast", [n], [f"{n}.float"], to=TensorProto.FLOAT) for n in halves]
    # The exporter makes equal weights one, by an Identity; here each has a place of its own.
    own = [node for node in graph.node if not references.keys() & set(node.output)]
    for node in own:
        for k, name in enumerate(node.input):
            if name in halves:
                node.input[k] = f"{name}.float"
    nodes = [*casts, *own]
    del graph.node[:]
    graph.node.extend(nodes)
    return graph


def export(folder: Path) -> None:
    """Write the graphs of the model in a folder, and the manifest that ties them to its weights.

    Raises:
        CodecError: there is no valid model in the folder.
        OSError: a file cannot be written.
    """
    model = load_model(folder, "cpu", engine="torch")
    engine, weights = torch_engine(model), Weights(folder)
    made = {
        step.name: without_weights(traced(step).graph, weights)
        for step in steps(engine.networks, engine.detail)
    }
    for level, numbers in enumerate(model.codebooks.levels):
        stages = [model.codebooks.stages[number] for number in numbers]
        made[f"search_{level}"] = without_weights(search_graph(numbers, stages), weights)
    target = folder / GRAPHS
    target.mkdir(exist_ok=True)
    for old in target.glob("*.onnx"):
        old.unlink()
    digests = {}
    for name, graph in made.items():
        graph.name = name
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        proto.ir_version, proto.producer_name = IR_VERSION, "bibcodec"
        data = proto.SerializeToString(deterministic=True)
        digests[name] = hashlib.sha256(data).hexdigest()
        with writing(str(target / f"{name}.onnx"), force=True) as file:
            file.write(data)
    manifest = {
        "schema": SCHEMA,
        "fingerprint": model.fingerprint.hex(),
        "detail": digest_of_detail(folder),
        "opset": OPSET,
        "noise": engine.noise,
        "reaches": reaches(model),
        "graphs": digests,
    }
    with writing(str(target / MANIFEST), force=True) as file:
        file.write(json.dumps(manifest, indent=1).encode() + b"\n")


def reaches(model: CodecModel) -> dict[str, int]:
    """How far every step of the passes reaches, found on an image of two tiles."""
    model.reaches.clear()
    size = (LEAST_TILE, LEAST_TILE + 8 * max(model.cells))
    image = np.zeros((*size, 3), np.uint8)
    analysis = model.analyze(Bands([image]), LEAST_TILE)
    for quality in sorted({level.begin for level in model.config.levels}):
        indices = model.quantize(analysis, quality, effort=1).indices
        for realism in (0.0, 1.0):
            model.synthesize(indices, quality, *size, realism=realism, tile=LEAST_TILE)
    return dict(sorted(model.reaches.items()))


def main() -> None:
    """Export the model of a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of the model")
    try:
        export(parser.parse_args().model)
    except (CodecError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
