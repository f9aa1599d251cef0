"""The noise that JavaScript must make again, bit for bit."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from codec.runtime.noise import noise

FIELDS = json.loads((Path(__file__).parents[2] / "web" / "tests" / "noise.json").read_text())


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field["seed"])
def test_the_values_that_javascript_is_held_to(field):
    corner, shape = (
        (field["top"], field["left"]),
        (field["channels"], field["rows"], field["columns"]),
    )
    values = noise(int(field["seed"]), field["plane"], corner, shape)
    assert hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest() == field["sha256"]
