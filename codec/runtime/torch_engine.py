"""The networks' steps in torch, on a CPU or a GPU. Maps are channels last in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codec.errors import CodecError
from codec.forks import around_forks
from codec.networks.config import CELLS
from codec.networks.detail import Detail
from codec.networks.layers import channels_last
from codec.networks.pyramid import Networks
from codec.runtime.cpu import fast_bfloat16
from codec.runtime.engine import Array, Floats


class TorchEngine:
    """Runs the steps of `codec.runtime.engine.Engine`; safe to share between threads.

    Args:
        networks: encoder, quantizer and decoder.
        detail: the network r; None for a model that decodes to the conditional mean only.
        device: where the networks run.
    """

    def __init__(self, networks: Networks, detail: Detail | None, device: torch.device) -> None:
        self.networks = channels_last(networks.to(device)).eval()
        self.detail = channels_last(detail.to(device)).eval() if detail else None
        self.device = device
        self._process = os.getpid()
        self.bf16 = device.type == "cuda" or fast_bfloat16()

    @property
    def noise(self) -> tuple[tuple[int, int], ...]:
        """Cell and channels of the noise at each scale."""
        if self.detail is None:
            return ()
        return tuple(zip(CELLS, self.detail.config.noise, strict=True))

    @contextmanager
    def running(self) -> Iterator[None]:
        """No gradients, and one conversion of the weights to bfloat16 for all steps inside.

        Raises:
            CodecError: this process was forked from one that has the model on a GPU.
        """
        if self.device.type == "cuda" and os.getpid() != self._process:
            raise CodecError(
                "the model is on the GPU of the process that this one was forked from: start "
                "processes by spawn or forkserver, or load the model after the fork"
            )
        _forks_run_on_one_thread()
        autocast = torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)
        with torch.inference_mode(), autocast:
            yield

    def analyze(self, pixels: Floats) -> list[Floats]:
        """Linear latents of pixels."""
        x = self._tensor(pixels)
        return [_array(transform.analysis(x)) for transform in self.networks.encoder.transforms]

    def refine(self, level: int, features: Array) -> tuple[Floats, Array | None]:
        """The encoder network's part of one level."""
        correction, coarser = self.networks.encoder.correct(level, self._tensor(features))
        return _array(correction.float()), _array(coarser) if level else None

    def embed(self, condition: Sequence[float]) -> Array:
        """The embedding of a condition."""
        values = torch.tensor([condition], device=self.device)
        return _array(self.networks.decoder.condition(values))

    def predict(
        self, level: int, embedding: Array, features: Array, latents: Sequence[Floats]
    ) -> Floats:
        """What the coarser levels predict of a level's latent."""
        decoder, pixels = self.networks.decoder, self._pixels(latents)
        hidden, c = self._tensor(features), self._tensor(embedding)
        return _array(decoder.predict_level(level, hidden, pixels, c)[2])

    def update(
        self,
        level: int,
        embedding: Array,
        remainder: Floats | None,
        features: Array | None,
        latents: Sequence[Floats],
    ) -> tuple[Array, Floats]:
        """The features and the latent of a level once its remainder is decoded."""
        decoder, c = self.networks.decoder, self._tensor(embedding)
        if remainder is None:
            if features is None:
                raise ValueError("the coarsest level is always coded")
            hidden, coded = decoder.extend(level, self._tensor(features), c)
            return _array(hidden), _array(coded.float())
        r = self._tensor(remainder)
        if features is None:
            cell = list(decoder.transforms)[level].cell
            pixels = r.new_zeros((1, 3, r.shape[2] * cell, r.shape[3] * cell))
            hidden = pixels.new_zeros(())
        else:
            pixels, hidden = self._pixels(latents), self._tensor(features)
        hidden, coded, prediction = decoder.predict_level(level, hidden, pixels, c)
        hidden = decoder.update_level(level, hidden, prediction, r, c)
        return _array(hidden), _array(coded + r)

    def synthesize(self, latents: Sequence[Floats]) -> Floats:
        """Pixels of the latents, by the linear transforms."""
        return _array(self._pixels(latents))

    def render(
        self,
        embedding: Array,
        pixels: Floats,
        features: Sequence[Array],
        noise: Sequence[Floats] | None,
        texture: Floats | None,
    ) -> tuple[Floats, Floats | None]:
        """The conditional mean, and the residual if noise is given."""
        x, c, hidden, *coarser = (self._tensor(a) for a in (pixels, embedding, *features))
        mean = self.networks.decoder.render(x, hidden, c, *coarser)
        if noise is None or self.detail is None:
            return _array(mean.pixels), None
        given = None if texture is None else self._tensor(texture)
        residual = self.detail(mean, tuple(self._tensor(u) for u in noise), given)
        return _array(mean.pixels), _array(residual)

    def search(
        self, level: int, vectors: Floats, biases: Sequence[Floats], width: int
    ) -> NDArray[np.integer[Any]]:
        """Codes of a level's stages that jointly quantize vectors."""
        quantizer = self.networks.quantizer
        given = [self._tensor(bias) for bias in biases]
        stages = quantizer.stages_of_level(level)
        codes = quantizer.search(stages, self._tensor(vectors), given, width)
        return codes.cpu().numpy()

    def _pixels(self, latents: Sequence[Floats]) -> Tensor:
        """The linear image of the first levels' latents: (1, 3, H, W)."""
        transforms = self.networks.decoder.transforms
        images = [
            transform.synthesis(self._tensor(latent))
            for transform, latent in zip(transforms, latents, strict=False)
        ]
        return sum(images[1:], start=images[0])

    def _tensor(self, array: Array) -> Tensor:
        tensor = torch.from_numpy(array)
        if array.dtype == np.int16:
            tensor = tensor.view(torch.bfloat16)
        return tensor.to(self.device)


def _array(tensor: Tensor) -> Array:
    """The same memory, if it is the CPU's; bfloat16 becomes its bits in int16."""
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.cpu().numpy()


@cache
def _forks_run_on_one_thread() -> None:
    """From now on, a forked child uses one thread: it would wait for those of its parent for ever.

    OpenMP's threads do not survive a fork, and their pool does not notice.
    """
    around_forks(in_child=_use_one_thread)


def _use_one_thread() -> None:
    torch.set_num_threads(1)
