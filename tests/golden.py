"""Golden files of formats 1 and 2: what they are made of, and what is kept of them.

The files and the priors that code them stay for ever; `test_golden.py` says what must hold. Those
of format 1 are photographs, coded by an early packaged model; `make_format2.py` wrote the others.
"""

import hashlib
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
VERSIONS = ("v1", "v2")
INDEX = {version: DATA / f"{version}_index.json" for version in VERSIONS}
PRIOR = {version: DATA / f"{version}_prior.safetensors" for version in VERSIONS}
CONFORMANCE = DATA / "conformance.json"  # of any decoder; `make_conformance.py` makes it
PACKAGED = DATA / "packaged.json"  # of files of the packaged model, which `make_packaged.py` makes
GRID = 4  # the image is summed up as means over GRID x GRID areas


def version_of(name):
    """The version in the name of a golden file."""
    return name.partition("_")[0]


def hash_of(indices):
    """SHA-256 of all indices, 16 bits each, little-endian, all stages in order."""
    digest = hashlib.sha256()
    for grid in indices:
        digest.update(np.asarray(grid).astype("<u2").tobytes())
    return digest.hexdigest()


def means(image):
    """Mean of each channel over a grid of areas, in a nested list."""
    samples = np.asarray(image, np.float64)
    samples = samples[:, :, None] if samples.ndim == 2 else samples
    areas = [
        area.mean(axis=(0, 1))
        for rows in np.array_split(samples, min(GRID, samples.shape[0]), axis=0)
        for area in np.array_split(rows, min(GRID, samples.shape[1]), axis=1)
    ]
    return np.round(areas, 3).tolist()
