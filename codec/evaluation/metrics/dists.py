"""DISTS (Ding et al. 2020, arXiv:2004.07728) on VGG16, from weights of yours.

The network and the weights of its two terms are those of the package torchmetrics. VGG16's weights
are not in it: `Dists(path)` takes torchvision's file of them (`vgg16-397923af.pth`, ImageNet),
a state dict with the keys `features.0.weight` ... `features.28.bias`. Images are compared at their
full resolution; implementations that first halve them to 256 pixels give other figures.
"""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray

from codec.errors import CodecError
from codec.evaluation.metrics import weights
from codec.evaluation.metrics.import_torchvision import import_torchvision

FILE = "torchvision's vgg16-397923af.pth"


class Dists:
    """The distance as a function of two images: 0 for the same, lower is better.

    Args:
        path: file of VGG16's weights.

    Raises:
        CodecError: the file does not hold these weights, or torchmetrics is not installed.
        OSError: the file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            torchvision = import_torchvision()
            from torchmetrics.functional.image import dists  # noqa: PLC0415
        except ImportError as error:
            raise CodecError(
                "DISTS needs torchmetrics and torchvision: pip install 'bibcodec[metrics]'"
            ) from error
        with weights.state(path, "VGG16", FILE) as state, torch.device("meta"):
            vgg = torchvision.models.vgg16(weights=None)
            prefix = "features."  # the classifier's are not needed
            kept = {key: value for key, value in state.items() if key.startswith(prefix)}
            vgg.features.load_state_dict(
                {key.removeprefix(prefix): value.float() for key, value in kept.items()},
                assign=True,
            )
        with mock.patch.object(dists, "vgg16", return_value=vgg):  # which would download its own
            self._network = dists.DISTSNetwork().eval().requires_grad_(False)

    @torch.inference_mode()
    def measure(self, original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
        """The distance of two sRGB images, uint8 [H, W, 3], sides of 16 or more."""
        x, y = (
            torch.from_numpy(np.array(image, np.float32, order="C")).permute(2, 0, 1)[None] / 255
            for image in (original, decoded)
        )
        return float(self._network(x, y))
