"""The two sets of images that the family is trained on: digits and photographs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from sklearn.datasets import load_digits  # type: ignore[import-untyped, import-not-found]
from sklearn.neural_network import MLPClassifier  # type: ignore[import-untyped, import-not-found]
from torch import Tensor
from torch.nn.functional import avg_pool2d

from benchmarks.inputs import Missing, Shards
from codec.lagrangian import OBJECTIVES
from codec.train.data import Crops, Pool, load_images
from codec.train.detail import features as deep
from codec.train.family.loop import FamilyConfig

Features = Callable[[Tensor], Tensor]
Setting = tuple[str, float, float]  # objective, β and σ


@dataclass(frozen=True)
class Images:
    """Images (N, ...) of one seed, the first `train` of which are for training."""

    x: Tensor
    label: Tensor | None
    train: int
    features: Features
    accuracy: float | None = None  # of the classifier whose features these are


@dataclass(frozen=True)
class Set:
    """What is run on one set of images."""

    data: str
    labels: bool
    load: Callable[[int], Images]
    config: FamilyConfig
    fit_steps: int  # of each new critic
    swept: dict[str, Sequence[float]]  # β besides the declared
    wide: tuple[float, float]  # β and σ of the second quantized pair

    def runs(self) -> list[Setting]:
        """Every objective at its β, then other β of some, then the quantized pair."""
        sigma = self.config.sigma
        table = [
            (name, objective.beta, sigma)
            for name, objective in OBJECTIVES.items()
            if self.labels or "S" not in objective.coefficients()
        ]
        swept = [(name, beta, sigma) for name, betas in self.swept.items() for beta in betas]
        return table + swept + [(name, *self.wide) for name in ("shannon-ae", "gc-ae")]


def digits(seed: int) -> Images:
    """The digits in an order that the seed draws, and features of a classifier of them."""
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(data.images / 16, dtype=torch.float32)[order]
    label, train = torch.tensor(data.target)[order], 1437
    network = MLPClassifier((64, 32), max_iter=400, random_state=seed)
    network.fit(x[:train].flatten(1).numpy(), label[:train].numpy())
    accuracy = network.score(x[train:].flatten(1).numpy(), label[train:].numpy())
    layers = [
        (torch.tensor(weight, dtype=torch.float32), torch.tensor(bias, dtype=torch.float32))
        for weight, bias in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True)
    ]

    def features(images: Tensor) -> Tensor:
        h = images.flatten(1)
        for weight, bias in layers:
            h = (h @ weight + bias).relu()
        return h

    return Images(x, label, train, features, float(accuracy))


def photographs(shards: Shards, seed: int) -> Images:
    """Crops that the seed draws, and the 32 main axes of the deep features of training crops."""
    train = Crops([Pool(load_images(shards.folder, "train-*.tar", 300))], 64, 1536, seed)(0)
    test = Crops([Pool(load_images(shards.folder, "val-*.tar"))], 64, 512, seed)(0)
    x = avg_pool2d(torch.cat([train, test]).mean(1), 2).add(1).div(2).contiguous()
    network = deep.Features().eval()

    @torch.no_grad()
    def pooled(images: Tensor) -> Tensor:
        pixels = images.clamp(0, 1)[:, None].expand(-1, 3, -1, -1) * 2 - 1
        return torch.cat([tap.mean((2, 3)) for tap in network(pixels)], 1)

    axes = torch.linalg.eigh(pooled(x[: len(test)]).T.cov()).eigenvectors[:, -32:]
    return Images(x, None, len(train), lambda images: pooled(images) @ axes)


def the_digits() -> Set:
    """The digits of scikit-learn."""
    return Set(
        "scikit-learn digits, 8x8 in 0..1, 1437 train, 360 test",
        labels=True,
        load=digits,
        config=FamilyConfig(steps=350),
        fit_steps=150,
        swept={"beta-vae": (0.1, 0.3, 1.0, 10.0), "shannon-ae": (0.3, 3.0)},
        wide=(8.0, 1.0),
    )


def the_photographs(shards: Shards | None) -> Set:
    """Crops of photographs."""
    if shards is None:
        raise Missing("photographs: give their folder of shards with --shards")
    return Set(
        "64x64 crops of photographs, grey, halved to 32x32, in 0..1, 1536 train, 512 test",
        labels=False,
        load=partial(photographs, shards),
        config=FamilyConfig(steps=200, sigma=0.5, critic_steps=1),
        fit_steps=30,
        swept={"beta-vae": (0.3,)},
        wide=(8.0, 2.0),
    )
