"""Write the golden files of format 2, with a prior of 20 stages. They stay for ever: run once.

python tests/make_format2.py
"""

import json

import numpy as np
from bitstream_samples import context_prior, sample_indices
from golden import DATA, INDEX, PRIOR, hash_of

from bitstream import Header, encode_indices, write
from bitstream.alpha import pack_alpha
from bitstream.container import seed_chunk

CELLS = (32,) * 4 + (16,) * 7 + (8,) * 6 + (4,) * 3
FINGERPRINT = b"v2v2"


def cases():
    """Name -> (size, quality, stages, mode, chunks)."""
    alpha = pack_alpha(np.indices((31, 77)).sum(axis=0).astype(np.uint8))
    metadata = {"iccp": bytes(range(256)), "exif": b"MM\0*", "xmp_": b"<x/>"}
    return {
        "all_q90": ((90, 61), 90, 20, "RGB", {}),
        "without_the_finest_level_q50": ((256, 192), 50, 17, "RGB", {}),
        "one_stage_q0": ((77, 31), 0, 1, "RGB", {}),
        "one_pixel_q100": ((1, 1), 100, 20, "RGB", {}),
        "grey_q30": ((77, 31), 30, 16, "L", {"grey": b""}),
        "rgba_metadata_q70": ((77, 31), 70, 20, "RGBA", {**metadata, "alph": alpha}),
        "seed_q60": ((40, 65), 60, 18, "RGB", seed_chunk(2**64 - 1)),
    }


def main():
    prior = context_prior(2, CELLS, symbols=32, tables=8)
    prior.save(PRIOR["v2"])
    index = {}
    for number, (name, (size, quality, stages, mode, chunks)) in enumerate(cases().items()):
        header = Header(*size, quality, stages, FINGERPRINT, major=2)
        indices = sample_indices(prior, header, seed=number)
        data = write(header, encode_indices(indices, prior, header), chunks)
        (DATA / f"v2_{name}.bibc").write_bytes(data)
        index[f"v2_{name}.bibc"] = {
            "mode": mode,
            "size": size,
            "indices_sha256": hash_of(indices),
        }
    INDEX["v2"].write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
