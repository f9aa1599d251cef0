"""The conformance set of tests/data: the package agrees with it, and it is complete."""

import json

import pytest
from golden import CONFORMANCE, DATA, INDEX
from make_conformance import flipped, outcome

from bitstream import Prior, reference

SET = json.loads(CONFORMANCE.read_text())
PRIORS = {name: Prior.load(DATA / name) for name in {f["prior"] for f in SET["files"].values()}}
FOR_THE_REFERENCE = [  # it has one limit, no model and no pixels, and is slow
    name
    for name, entry in SET["refused"].items()
    if entry["refused"] not in ("LimitExceeded", "ModelMismatchError")
    and "alpha" not in name
    and "most_pixels" not in name
]


def expected(entry):
    keys = ("refused", "sentence", "stages", "indices_sha256")
    return {key: entry[key] for key in keys if key in entry}


@pytest.mark.parametrize("name", SET["files"] | SET["refused"])
def test_the_package_does_what_the_index_says(name):
    entry = (SET["files"] | SET["refused"])[name]
    assert outcome((DATA / name).read_bytes(), PRIORS[entry["prior"]]) == expected(entry)


@pytest.mark.parametrize("entry", SET["partial"], ids=str)
def test_partial_images(entry):
    data = (DATA / entry["file"]).read_bytes()[: entry["bytes"]]
    if "flipped_bit" in entry:
        data = flipped(data, entry["flipped_bit"])
    prior = PRIORS[SET["files"][entry["file"]]["prior"]]
    assert outcome(data, prior, partial=True) == expected(entry)
    assert "refused" in outcome(data, prior)


@pytest.mark.parametrize("name", FOR_THE_REFERENCE)
def test_the_reference_refuses_them_too(name):
    prior = reference.load_prior((DATA / SET["refused"][name]["prior"]).read_bytes())
    with pytest.raises(reference.Refused):
        reference.decode((DATA / name).read_bytes(), prior)


def test_the_set_is_complete_and_agrees_with_the_golden_index():
    kept = {str(path.relative_to(DATA)) for path in (DATA / "refused").iterdir()}
    assert kept == set(SET["refused"])
    golden = {}
    for path in INDEX.values():
        golden |= json.loads(path.read_text())
    hashes = {name: entry["indices_sha256"] for name, entry in golden.items()}
    found = {name: SET["files"][name]["indices_sha256"] for name in golden}
    assert found == hashes
    kinds = {entry["refused"] for entry in SET["refused"].values()}
    assert {"Checksum", "Truncated", "LimitExceeded", "UnsupportedVersion"} <= kinds
