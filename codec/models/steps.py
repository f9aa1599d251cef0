"""The steps of `codec.runtime.engine` as modules of torch, as they are exported.

The linear transforms of pixels to latents and back are composed, level to level: no step but the
first and the last ones sees pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from codec.networks.config import CELLS, STEM, TEXTURE_DIM
from codec.networks.decoder import Decoder, Mean
from codec.networks.detail import Detail
from codec.networks.encoder import Encoder
from codec.networks.layers import BlockAnalysis, BlockTransform
from codec.networks.pyramid import Networks
from codec.runtime.texture import BLOCK


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
        decoder = self.decoder
        *coarser, own = list(decoder.transforms)[: self.level + 1]
        linear = sum(composed(t, own, z) for t, z in zip(coarser, latents, strict=True))
        hidden, coded = decoder.extend(self.level, features, embedding)
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
        features = self.decoder.update_level(self.level, hidden, prediction, remainder, embedding)
        return features, coded + remainder


class Extend(Predict):
    """The features and the latent of a level that is not coded."""

    def forward(self, embedding: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """The arguments of `Engine.update` without remainder to features and latent."""
        return self.decoder.extend(self.level, features, embedding)


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
        self, embedding: Tensor, mean: Tensor, eighth: Tensor, quarter: Tensor, *given: Tensor
    ) -> Tensor:
        """What `Render` made, noise of each scale, and a texture map if any, to the residual."""
        scales = len(self.detail.config.noise)
        noise, texture = given[:scales], given[scales:]
        residual: Tensor = self.detail(Mean(mean, eighth, quarter, embedding), noise, *texture)
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
        if config.texture:
            arguments["texture"] = torch.zeros(1, TEXTURE_DIM, height // BLOCK, width // BLOCK)
        yield Step("detail", Residual(detail), arguments, ["residual"])
