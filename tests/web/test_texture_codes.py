"""The texture codes that JavaScript must choose, too."""

import json
from pathlib import Path

import numpy as np

from codec.runtime import texture

GIVEN = json.loads((Path(__file__).parents[2] / "web" / "tests" / "texture.json").read_text())


def picture():
    """The picture of the JSON file: cells of 32 pixels with patterns of different strength."""
    channel, row, column = np.indices((3, 64, 96))
    strength = np.array(GIVEN["strengths"])[row // 32, column // 32]
    value = (31 * column + 17 * row * (channel + 1) + row * column) % (strength + 1)
    return ((value - strength // 2) / 127.5).astype(np.float32)[None]


def test_the_codes_that_javascript_is_held_to():
    book, lengths = (np.array(GIVEN[name], np.float32) for name in ("book", "lengths"))
    codes = texture.choose(book, lengths, picture(), np.zeros((1, 3, 64, 96), np.float32))[0]
    assert codes.tolist() == GIVEN["codes"]
    assert len(set(codes.ravel().tolist())) == 6
