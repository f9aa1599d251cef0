"""FID/256 (Heusel et al. 2017, arXiv:1706.08500; Mentzer et al. 2020, arXiv:2006.09965).

Fréchet distance of the 2048 features that Inception-v3 has of windows of 256 pixels, from weights
of yours. The network is that of the package torch-fidelity, which computes what TensorFlow's did;
`Fid(path)` takes its file `weights-inception-2015-12-05-6726825d.pth` or pytorch-fid's, which holds
the same (`pt_inception-2015-12-05-6726825d.pth`). Figures of other networks are no FID.

With fewer than some ten thousand windows it is biased upwards, for its many dimensions: compare it
at equal windows only.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from codec.errors import CodecError
from codec.evaluation.metrics import FID_SIDE as SIZE
from codec.evaluation.metrics import weights
from codec.evaluation.metrics.import_torchvision import import_torchvision

DIMENSIONS = 2048
BATCH = 8  # windows
FILE = "pytorch-fid's pt_inception-2015-12-05-6726825d.pth"


def windows(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The windows of an image: side by side from the corner, and again from its middle.

    Args:
        image: uint8 [H, W, 3].

    Returns:
        uint8 [256, 256, 3] each, as many as fit from (0, 0) and then from (128, 128).

    Example:
        >>> len(windows(np.zeros((512, 768, 3), np.uint8)))
        8
    """
    height, width = image.shape[:2]
    return [
        image[y : y + SIZE, x : x + SIZE]
        for start in (0, SIZE // 2)
        for y in range(start, height - SIZE + 1, SIZE)
        for x in range(start, width - SIZE + 1, SIZE)
    ]


class Fid:
    """The features of an image's windows.

    Args:
        path: file of the weights.

    Raises:
        CodecError: the file does not hold these weights, or torch-fidelity is not installed.
        OSError: the file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            import_torchvision()
            from torch_fidelity import FeatureExtractorInceptionV3  # noqa: PLC0415
        except ImportError as error:
            raise CodecError(
                "FID needs torch-fidelity and torchvision: pip install 'bibcodec[metrics]'"
            ) from error
        with weights.state(
            path, "FID's Inception-v3", FILE
        ):  # it holds no code: the package loads it
            self._network = FeatureExtractorInceptionV3(
                "inception", [str(DIMENSIONS)], feature_extractor_weights_path=path
            )

    @torch.inference_mode()
    def features(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 [n, 2048] of the n windows of an sRGB image uint8 [H, W, 3]."""
        found = windows(image)
        batches = [np.stack(found[i : i + BATCH]) for i in range(0, len(found), BATCH)]
        features = [
            self._network(torch.from_numpy(batch).permute(0, 3, 1, 2))[0].numpy()
            for batch in batches
        ]
        return np.concatenate([np.empty((0, DIMENSIONS), np.float32), *features])
