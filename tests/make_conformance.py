"""Write what any decoder of the format must do with the files of tests/data: conformance.json.

python tests/make_conformance.py

tests/data/README.md says what the index holds; `trust/test_conformance.py` checks it.
"""

import json
import re
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
from bitstream_samples import static_prior
from golden import CONFORMANCE, DATA, INDEX, PRIOR, VERSIONS, hash_of, version_of

from bitstream import Prior, decode_indices, metadata, parse
from bitstream.alpha import alpha_plane, pack_filtered
from bitstream.container import write
from bitstream.errors import CodecError

sys.path.insert(0, str(Path(__file__).parent / "trust" / "attacks"))

from attack_files import ATTACKS, SIZE, Kit

STATIC = "static_prior.safetensors"
MOST_BYTES = 2000  # of a file that is kept to be refused
CUTS = 12  # prefixes of a file
PREFIXES = ("v1_rgb_q50.bibc", "v1_rgba_metadata_q40.bibc", "v1_odd_q70.bibc", "v2_all_q90.bibc")
FLIPS = 12  # damaged copies of a file


def flipped(data, bit):
    """Data with one bit flipped; bit 0 is the highest of the first byte."""
    out = bytearray(data)
    out[bit // 8] ^= 0x80 >> bit % 8
    return bytes(out)


def outcome(data, prior, *, partial=False):
    """What the package does: the indices' hash and number of stages, or why it refuses."""
    try:
        file = parse(data)
        indices = decode_indices(file.payload, prior, file.header, allow_partial=partial)
        alpha_plane(file.chunks, file.header.height, file.header.width)
        metadata.unpack(file.chunks)
    except CodecError as error:
        return {"refused": type(error).__name__, "sentence": str(error)}
    return {"stages": len(indices), "indices_sha256": hash_of(indices)}


def described(name, prior_name, prior):
    """A whole file: what its header says and what it decodes to."""
    file = parse((DATA / name).read_bytes())
    header = file.header
    about = {
        "prior": prior_name,
        "width": header.width,
        "height": header.height,
        "quality": header.quality,
        "fingerprint": header.fingerprint.hex(),
        "chunks": {kind: len(data) for kind, data in file.chunks.items()},
        "seed": str(file.seed),  # up to 2**64 - 1: more than a JSON reader's double may hold
    }
    alpha = alpha_plane(file.chunks, header.height, header.width)
    if alpha is not None:
        about["alpha_sha256"] = sha256(alpha.tobytes()).hexdigest()
    found = metadata.unpack(file.chunks)
    about["metadata_sha256"] = {kind: sha256(data).hexdigest() for kind, data in found.items()}
    return about | outcome((DATA / name).read_bytes(), prior)


def static_files(kit):
    """Write files of the small static prior, for what the golden files do not have."""
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    soft = np.clip(255 - 6 * np.hypot(rows - 20, columns - 30), 0, 255).astype(np.uint8)
    some = {"exif": b"Exif" * 40, "xmp_": b"<x/>" * 30, "iccp": bytes(range(256))}
    chunks = {
        "static.bibc": {},
        "static_packed_metadata.bibc": metadata.pack(some),
        "static_soft_alpha.bibc": {"Alpl": pack_filtered(soft)},
        "static_grey_three_channels.bibc": {"gry3": b""},
    }
    for name, some_chunks in chunks.items():
        (DATA / name).write_bytes(write(kit.file.header, kit.file.payload, some_chunks))
    return list(chunks)


def partial(priors):
    """Cut and damaged copies, and what a reader that is asked for a partial image keeps."""
    for name in PREFIXES:
        data = (DATA / name).read_bytes()
        for cut in range(1, CUTS):
            size = len(data) * cut // CUTS
            found = outcome(data[:size], priors[version_of(name)], partial=True)
            yield {"file": name, "bytes": size, **found}
    name = PREFIXES[0]
    data = (DATA / name).read_bytes()
    for number in range(FLIPS):
        bit = 8 * len(data) * (2 * number + 1) // (2 * FLIPS)
        found = outcome(flipped(data, bit), priors[version_of(name)], partial=True)
        yield {"file": name, "bytes": len(data), "flipped_bit": bit, **found}


def refused(kit):
    """Write the files that must be refused: {path: why}."""
    folder = DATA / "refused"
    folder.mkdir(exist_ok=True)
    for name, attack in ATTACKS.items():
        data = attack.make(kit)
        found = outcome(data, kit.prior)
        if len(data) <= MOST_BYTES and "refused" in found:  # not if only the model or size matter
            path = folder / (re.sub(r"\W+", "_", name) + ".bibc")
            path.write_bytes(data)
            yield str(path.relative_to(DATA)), {"about": name, "prior": STATIC, **found}


def main():
    priors = {version: Prior.load(PRIOR[version]) for version in VERSIONS}
    kit = Kit(static_prior(2, (32, 16, 16, 8), symbols=16), b"tiny")
    kit.prior.save(DATA / STATIC)
    files = {
        name: described(name, PRIOR[version].name, priors[version])
        for version in VERSIONS
        for name in json.loads(INDEX[version].read_text())
    }
    files |= {name: described(name, STATIC, kit.prior) for name in static_files(kit)}
    index = {
        "files": files,
        "partial": list(partial(priors)),
        "refused": dict(refused(kit)),
    }
    CONFORMANCE.write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
