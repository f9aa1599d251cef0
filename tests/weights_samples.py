"""Files of random weights for the published networks, from numpy: the same everywhere."""

import numpy as np
import torch

from codec.evaluation.metrics.import_torchvision import import_torchvision


def save(shapes, path):
    """Weights that keep activations near 1, saved as a state dict."""
    rng = np.random.default_rng(0)
    state = {}
    for name in sorted(shapes):
        shape = shapes[name]
        spread = (2 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.1
        values = rng.standard_normal(shape, np.float32) * np.float32(spread)
        if name.startswith("lins"):
            values = np.abs(values)
        if name.endswith(("bn.weight", "running_var")):
            values += 1
        state[name] = torch.from_numpy(values)
    torch.save(state, path)


def lpips(path):
    """Of LPIPS 0.1 on SqueezeNet 1.1."""
    shapes = {f"lins.{i}.model.1.weight": (1, c, 1, 1) for i, c in enumerate((64, 128, 256))}
    shapes |= {f"lins.{i}.model.1.weight": (1, c, 1, 1) for i, c in enumerate((384, 384), 3)}
    shapes |= {f"lins.{i}.model.1.weight": (1, 512, 1, 1) for i in (5, 6)}
    shapes |= {"net.slice1.0.weight": (64, 3, 3, 3), "net.slice1.0.bias": (64,)}
    fires = ("2.3", 64, 16, 64), ("2.4", 128, 16, 64), ("3.6", 128, 32, 128), ("3.7", 256, 32, 128)
    fires += ("4.9", 256, 48, 192), ("5.10", 384, 48, 192), ("6.11", 384, 64, 256)
    for name, channels, squeezed, half in (*fires, ("7.12", 512, 64, 256)):
        for part, shape in (
            ("squeeze", (squeezed, channels, 1, 1)),
            ("expand1x1", (half, squeezed, 1, 1)),
            ("expand3x3", (half, squeezed, 3, 3)),
        ):
            shapes[f"net.slice{name}.{part}.weight"] = shape
            shapes[f"net.slice{name}.{part}.bias"] = shape[:1]
    save(shapes, path)


def vgg16(path):
    """Of torchvision's VGG16, without its classifier."""
    with torch.device("meta"):
        network = import_torchvision().models.vgg16(weights=None)
    save({f"features.{k}": tuple(v.shape) for k, v in network.features.state_dict().items()}, path)


def inception(path):
    """Of FID's Inception-v3, whose weights have the names and shapes of torchvision's."""
    with torch.device("meta"):
        network = import_torchvision().models.Inception3(1008, aux_logits=False, init_weights=False)
    shapes = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    save({name: shape for name, shape in shapes.items() if shape}, path)
