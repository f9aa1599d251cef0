"""What the tests of the engines share."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PHOTO = Path(__file__).parents[2] / "examples" / "kodim23.png"


@pytest.fixture(scope="session")
def scene():
    """A photograph, uint8 (rows, columns, 3)."""
    with Image.open(PHOTO) as photo:
        return np.asarray(photo.convert("RGB"))
