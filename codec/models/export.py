"""The steps of a model's networks as ONNX graphs, for onnxruntime here and in a browser.

    python -m codec.models.export MODEL

`docs/graphs.md` describes the files. The graphs hold no weights: their initializers are places in
the model's own safetensors files, so that the weights exist once.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from bitstream.errors import CodecError
from codec.files import writing
from codec.images.strips import Strips
from codec.models.files import DETAIL, GRAPHS, MANIFEST, WEIGHTS
from codec.models.graphs import OPSET, SCHEMA, digest_of
from codec.models.loading import load_model
from codec.models.search_graph import search_graph
from codec.models.steps import Step, steps
from codec.models.torch_model import torch_engine
from codec.options import LEAST_TILE
from codec.runtime.model import CodecModel

IR_VERSION = 8  # of ONNX files with opset 17


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
    target, detail = folder / GRAPHS, folder / DETAIL
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
        "detail": digest_of(detail.read_bytes() if detail.is_file() else None),
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
    analysis = model.analyze(Strips([image]), LEAST_TILE)
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
