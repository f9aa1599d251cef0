"""bibcodec as a CompressAI model, for its registries, its zoo and its evaluation.

    python -m codec.compressai_adapter eval pretrained PHOTOS -a bibcodec -q 10,30,50
    python -m codec.compressai_adapter plot -f ours.json theirs.json -o curves.png

run CompressAI's own `eval_model` and `plot` after `register`. The strings are whole files, so the
bits per pixel that CompressAI computes are those of files. It pads images with black to multiples
of 64 before a model sees them: an image of another size has a larger file here than it needs.
"""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn, Self, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

import codec
from bitstream.header import Header
from bitstream.prior import Prior
from bitstream.tables import Tables
from codec.errors import CodecError
from codec.evaluation.metrics.import_torchvision import import_torchvision
from codec.images.strips import Samples, Strips
from codec.models.files import DETAIL, FILES
from codec.models.loading import load_model
from codec.models.torch_model import save_model, torch_engine
from codec.runtime.model import CodecModel
from codec.runtime.quantize import Indices

NAME = "bibcodec"
T = TypeVar("T")


class BibCodec(nn.Module):
    """A codec model at one quality, with the methods that CompressAI calls.

    Args:
        model: the codec model.
        quality: 0..100.
        realism: 0..1, how much of the uncoded detail decoding synthesizes.

    Example:
        >>> from codec.models.tiny import tiny_model
        >>> net = BibCodec(tiny_model(), quality=30)
        >>> coded = net.compress(torch.full((1, 3, 48, 64), 0.5))
        >>> codec.info(coded["strings"][0][0]).width, coded["shape"]
        (64, (48, 64))
        >>> net.decompress(**coded)["x_hat"].shape
        torch.Size([1, 3, 48, 64])
    """

    def __init__(self, model: CodecModel, quality: int, realism: float = 0.0) -> None:
        super().__init__()
        self.codec = model
        self.quality = quality
        self.realism = realism

    def forward(self, x: Tensor) -> dict[str, Any]:
        """Decoded images and the probability of every index, without files.

        Args:
            x: (N, 3, H, W) float32 in 0..1, which are rounded to 8 bits.

        Returns:
            {"x_hat": as `x`, "likelihoods": {"indices": (N, indices of an image) float32}}.
        """
        height, width = x.shape[2:]
        decoded, likelihoods = [], []
        for image in _samples(x):
            analysis = self.codec.analyze(Strips([image]))
            coding = self.codec.quantize(analysis, self.quality)
            header, indices = self.codec.header(coding, height, width), coding.indices
            likelihoods.append(_probabilities(indices, self.codec.prior, header))
            decoded.append(
                self.codec.synthesize(indices, self.quality, height, width, realism=self.realism)
            )
        return {
            "x_hat": torch.from_numpy(np.concatenate(decoded)).to(x.device),
            "likelihoods": {"indices": torch.stack(likelihoods).to(x.device)},
        }

    def compress(self, x: Tensor) -> dict[str, Any]:
        """Whole files: {"strings": [[bytes, ... N]], "shape": (H, W)} of (N, 3, H, W) in 0..1."""
        files = [
            codec.encode(image, quality=self.quality, model=self.codec, keep=())
            for image in _samples(x)
        ]
        return {"strings": [files], "shape": tuple(x.shape[2:])}

    def decompress(
        self, strings: Sequence[Sequence[bytes]], shape: Sequence[int]
    ) -> dict[str, Any]:
        """Images of files: {"x_hat": (N, 3, H, W) float32 in 0..1, of 8-bit values}.

        Raises:
            CodecError: a file is damaged, of another model, or not of this shape.
        """
        images = [
            np.asarray(codec.decode(file, realism=self.realism, model=self.codec).convert("RGB"))
            for file in strings[0]
        ]
        for image in images:
            if image.shape[:2] != tuple(shape):
                raise CodecError(f"a file of {image.shape[:2]} pixels, expected {tuple(shape)}")
        x_hat = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div(255)
        return {"x_hat": x_hat.to(torch_engine(self.codec).device)}

    def update(
        self, scale_table: object = None, force: bool = False, update_quantiles: bool = False
    ) -> bool:
        """False: there are no tables to make, the integer ones are part of the model."""
        return False

    def aux_loss(self) -> Tensor:
        """Zero: no entropy model is trained by gradient."""
        return torch.zeros(())

    def parameters(self, recurse: bool = True) -> Any:
        """The parameters of the codec's networks."""
        engine = torch_engine(self.codec)
        yield from engine.networks.parameters(recurse)
        if engine.detail:
            yield from engine.detail.parameters(recurse)

    def half(self) -> NoReturn:
        """Refuse: bfloat16 is used by itself where it is fast.

        Raises:
            CodecError: always.
        """
        raise CodecError("bibcodec does not run in half precision: leave out --half")

    def get_extra_state(self) -> dict[str, Any]:
        """The model's files, quality and realism: all of a state dict."""
        with TemporaryDirectory() as folder:
            save_model(self.codec, Path(folder))
            files = {
                path.name: torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
                for path in Path(folder).iterdir()
            }
        return {"files": files, "quality": self.quality, "realism": self.realism}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """The reverse of `get_extra_state`."""
        self.codec = _model(state["files"])
        self.quality, self.realism = int(state["quality"]), float(state["realism"])

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, Any]) -> Self:
        """The model that a state dict was taken of.

        Raises:
            CodecError: it is not one of this class.
        """
        try:
            state = state_dict["_extra_state"]
            return cls(_model(state["files"]), int(state["quality"]), float(state["realism"]))
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise CodecError("not a state dict of codec.compressai_adapter.BibCodec") from error

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        engine = torch_engine(self.codec)
        engine.networks._apply(fn, recurse)
        if engine.detail:
            engine.detail._apply(fn, recurse)
        engine.device = next(self.parameters()).device
        return self


def bibcodec(
    quality: int,
    metric: str = "mse",
    pretrained: bool = False,
    progress: bool = True,
    *,
    model: str | Path | CodecModel = "default",
    realism: float = 0.0,
) -> BibCodec:
    """The factory that CompressAI's zoo calls.

    Args:
        quality: 0..100.
        metric: "mse" only.
        pretrained: has to be True: models are trained by `bibcodec train`.
        progress: not looked at, nothing is downloaded.
        model: "default", a folder, or a loaded model.
        realism: 0..1; CompressAI measures fidelity, for which 0 is best.

    Raises:
        CodecError: another metric or an untrained model was asked for, there is no such model, or
            the quality is out of its range.
    """
    if not 0 <= quality <= 100:
        raise CodecError(f"bibcodec has no quality {quality}: expected 0..100")
    if metric != "mse":
        raise CodecError(f"bibcodec has no model trained for {metric}: use -m mse")
    if not pretrained:
        raise CodecError("bibcodec comes trained: pretrained=True; `bibcodec train` makes others")
    loaded = model if isinstance(model, CodecModel) else load_model(model, "cpu", "torch")
    return BibCodec(loaded, quality, realism)


def register() -> None:
    """Make "bibcodec" known to CompressAI: to its registry of models and to its zoo."""
    import_torchvision()
    from compressai import zoo  # noqa: PLC0415
    from compressai.registry import register_model  # noqa: PLC0415
    from compressai.zoo import image  # noqa: PLC0415

    register_model(NAME)(BibCodec)
    zoo.image_models[NAME] = zoo.models[NAME] = bibcodec
    image.model_architectures[NAME] = BibCodec


def main(arguments: Sequence[str]) -> None:
    """Run CompressAI's eval_model or plot with "bibcodec" registered."""
    if not arguments or arguments[0] not in ("eval", "plot"):
        raise SystemExit("usage: python -m codec.compressai_adapter {eval,plot} ...")
    register()
    name = "eval_model" if arguments[0] == "eval" else "plot"
    tool = importlib.import_module(f"compressai.utils.{name}.__main__")
    try:
        tool.main(list(arguments[1:]))
    except CodecError as error:
        raise SystemExit(f"bibcodec: {error}") from None


def _model(files: Mapping[str, Tensor]) -> CodecModel:
    """A model of its files' bytes; files of other names are not looked at."""
    with TemporaryDirectory() as folder:
        for name in (*FILES, DETAIL):
            if name in files:
                (Path(folder) / name).write_bytes(files[name].cpu().numpy().tobytes())
        return load_model(folder, "cpu", "torch")


def _samples(x: Tensor) -> list[Samples]:
    """The images (H, W, 3) uint8 of a batch (N, 3, H, W) in 0..1."""
    return list(x.mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy())


def _probabilities(indices: Indices, prior: Prior, header: Header) -> Tensor:
    """The probability of each index under the prior, (indices,) float32."""
    found: list[np.ndarray[Any, np.dtype[np.float64]]] = []

    def look_up(table_ids: Any, tables: Tables, symbols: T | None) -> T:
        found.append(
            np.exp2(-tables.bits[table_ids, cast(Any, symbols)].astype(np.float64)).ravel()
        )
        return cast(T, symbols)

    state = prior.begin(header.height, header.width, header.quality)
    for stage, known in enumerate(indices):
        state.code_stage(stage, look_up, known)
    return torch.from_numpy(np.concatenate(found).astype(np.float32))


if __name__ == "__main__":
    main(sys.argv[1:])
