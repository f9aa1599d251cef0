"""Small models with random weights that put every part to work."""

import torch

from codec.networks.config import Level, ModelConfig

# Levels down to cells of 4 pixels, the last one only from quality 40 on, and texture codes.
FOUR = ModelConfig(
    levels=tuple(Level(32 >> k, 8, 1 + k % 2, 16, begin=40 * (k == 3)) for k in range(4)),
    encoder=(8, 8, 8, 8),
    decoder=(8, 8, 8, 8),
    blocks=(1, 2, 1, 1),
    texture=8,
)

# Twenty stages, so files of format 2; the finest level from quality 50 on.
TWENTY = ModelConfig(
    levels=(
        *(Level(32, 16, 4, 16), Level(16, 16, 7, 16), Level(8, 16, 6, 16)),
        Level(4, 12, 3, 16, begin=50),
    ),
    encoder=(8, 8, 8, 8),
    decoder=(8, 8, 8, 8),
    blocks=(1, 2, 1, 1),
)


def mixing(model):
    """The model with random weights wherever they were zero: every place reaches all others."""
    torch.manual_seed(1)
    for parameter in [*model.engine.networks.parameters(), *model.engine.detail.parameters()]:
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return model
