"""A folder that claims to be a model: one sentence, little memory, and nothing of it is run."""

import json
import os
import pickle
import shutil
import struct

import numpy as np
import pytest
import torch
from bitstream_samples import context_prior
from effort import Effort
from safetensors.numpy import load_file, save_file
from test_attack_files import UNITS, memory_of

import codec
from bitstream import Prior, StaticPrior
from bitstream.errors import Checksum, CodecError, Truncated
from codec.models.loading import load_model
from codec.models.torch_model import torch_model

MEGABYTES = 20
DETAIL = "detail.safetensors"
SOME = "decoder.condition.0.weight"  # (32, 4)
SIZES, MOST = ("widths", "blocks", "noise"), ([512] * 3, [16] * 3, [64] * 3)


class Payload:
    """Pickled, it would make a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def config(**changes):
    def change(folder):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def level(**changes):
    def change(folder):
        path = folder / "config.json"
        whole = json.loads(path.read_text())
        whole["levels"][1] |= changes
        path.write_text(json.dumps(whole))

    return change


def text(content):
    return lambda folder: (folder / "config.json").write_bytes(content)


def tensors(file, change, **metadata):
    """Change the tensors of a file and write it with this metadata."""

    def apply(folder):
        arrays = load_file(folder / file)
        change(arrays)
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        save_file(arrays, folder / file, metadata)

    return apply


def weights(change):
    return tensors("weights.safetensors", change)


def prior(change, kind="static"):
    return tensors("prior.safetensors", change, kind=kind)


def header(file, entries, size=0, length=None):
    """A safetensors header of any entries over `size` bytes that are a hole in the file."""

    def apply(folder):
        head = json.dumps(entries).encode()
        with (folder / file).open("wb") as out:
            out.write(struct.pack("<Q", len(head) if length is None else length) + head)
            out.truncate(8 + len(head) + size)

    return apply


def hole(size):
    return {"x": {"dtype": "F16", "shape": [size // 2], "data_offsets": [0, size]}}


def typed(dtype, size):
    """A prior whose only tensor is of a type that numpy does not have."""
    entry = {"dtype": dtype, "shape": [4], "data_offsets": [0, size]}
    return header("prior.safetensors", {"cells": entry, "__metadata__": {"kind": "static"}}, size)


def novelty(content):
    return lambda folder: (folder / "novelty.json").write_bytes(content)


def as_pickle(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(pickle.dumps(Payload(str(folder / "owned"))))


def as_torch_file(folder):
    torch.save({"x": Payload(str(folder / "owned"))}, folder / "weights.safetensors")


def as_device(folder):
    (folder / "weights.safetensors").unlink()
    (folder / "weights.safetensors").symlink_to("/dev/zero")


def as_pipe(folder):
    (folder / "prior.safetensors").unlink()
    os.mkfifo(folder / "prior.safetensors")


def as_folder(folder):
    (folder / "prior.safetensors").unlink()
    (folder / "prior.safetensors").mkdir()


ATTACKS = {
    # config.json
    "a billion channels": (
        config(encoder=[10**9] * 4),
        "a width is 1000000000, expected an integer in 1..512",
    ),
    "a level of a billion stages": (
        level(stages=10**9),
        "stages is 1000000000, expected an integer in 1..64",
    ),
    "a billion codes": (level(codes=10**9), "codes is 1000000000, expected an integer in 2..4096"),
    "a latent of a billion": (level(dim=10**9), "dim is 1000000000, expected an integer in 1..256"),
    "half a channel": (
        config(decoder=[8, 8, 8.5, 8]),
        "a width is 8.5, expected an integer in 1..512",
    ),
    "a true channel": (
        config(decoder=[8, 8, True, 8]),
        "a width is True, expected an integer in 1..512",
    ),
    "three channels": (
        config(decoder=[8, 8, 8]),
        "the number of widths is 3, expected an integer in 4..4",
    ),
    "no levels": (
        config(levels=[]),
        "the cells are [], expected each to be half of the one before",
    ),
    "a thousand levels": (
        config(levels=[{"cell": 8, "dim": 8, "stages": 1}] * 1000),
        "expected each to be half of the one before, to 8 or 4",
    ),
    "cells of zero": (level(cell=0), "expected each to be half of the one before, to 8 or 4"),
    "sixty-five stages": (
        level(stages=63),
        "the number of stages is 65, expected an integer in 3..64",
    ),
    "a lambda of zero": (config(lambda_fine=0), "expected 0 < lambda_fine <= lambda_coarse"),
    "a lambda that is no number": (
        config(lambda_fine=float("nan")),
        "expected 0 < lambda_fine <= lambda_coarse",
    ),
    "lambdas of 400 digits": (
        config(lambda_fine=10**400, lambda_coarse=10**400),
        "expected 0 < lambda_fine <= lambda_coarse <= 1000000",
    ),
    "a lambda in words": (config(lambda_fine="small"), "not supported between instances"),
    "an unknown key": (config(command="rm"), "unexpected keyword argument 'command'"),
    "a key that clears the screen": (config(**{"\x1b[2J\n": 1}), "keyword argument '?[2J"),
    "a missing key": (text(b'{"levels": []}'), "'encoder'"),
    "a list": (text(b"[]"), "list indices must be integers"),
    "a deep nest": (text(b"[" * 60_000), "recursion"),
    "a number of 5000 digits": (text(b'{"levels": ' + b"9" * 5000 + b"}"), "Exceeds the limit"),
    "a config of 64 KiB": (text(b" " * 2**16 + b"{}"), "config.json is longer than 65536 bytes"),
    "bytes that are no text": (text(b"\xff\xfe"), "can't decode byte 0xff"),
    # weights.safetensors
    "weights of another shape": (
        weights(lambda w: w.update({SOME: w[SOME][:, :2]})),
        f"{SOME} is F16 (32, 2), expected floats (32, 4)",
    ),
    "weights of 8 GB, a hole": (
        header("weights.safetensors", hole(2**33), 2**33),
        "weights.safetensors is longer than 536870912 bytes",
    ),
    "weights that are missing": (
        weights(lambda w: w.pop(SOME)),
        f"weights.safetensors lacks {SOME}",
    ),
    "weights too many": (
        weights(lambda w: w.update(more=np.zeros(9))),
        "weights.safetensors has a tensor too many: more",
    ),
    "weights of integers": (
        weights(lambda w: w.update({SOME: w[SOME].astype(np.int64)})),
        f"{SOME} is I64 (32, 4), expected floats",
    ),
    "weights of doubles": (
        weights(lambda w: w.update({SOME: w[SOME].astype(np.float64)})),
        f"{SOME} is F64 (32, 4), expected floats",
    ),
    "weights that are no numbers": (
        weights(lambda w: w.update({SOME: w[SOME] * np.float16("nan")})),
        f"{SOME} has values that are not finite",
    ),
    "weights that are infinite": (
        weights(lambda w: w.update({SOME: w[SOME] + np.float16("inf")})),
        f"{SOME} has values that are not finite",
    ),
    "a name as a path": (
        weights(lambda w: w.update({"../../x": np.zeros(9)})),
        "has a tensor too many: ../../x",
    ),
    "a pickle": (as_pickle, "Error while deserializing header"),
    "a pickle of torch": (as_torch_file, "Error while deserializing header"),
    "a header of 2^64 bytes": (
        header("weights.safetensors", {}, length=2**64 - 1),
        "Error while deserializing header",
    ),
    "tensors that overlap": (
        header(
            "weights.safetensors",
            {name: {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]} for name in "ab"},
            8,
        ),
        "Error while deserializing header",
    ),
    "a tensor beyond the end": (
        header(
            "weights.safetensors", {"a": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]}}, 4
        ),
        "Error while deserializing header",
    ),
    "a shape that wraps": (
        header(
            "weights.safetensors",
            {"a": {"dtype": "F16", "shape": [2**32, 2**32], "data_offsets": [0, 0]}},
            0,
        ),
        "Error while deserializing header",
    ),
    "a device": (as_device, "no model in {folder}: weights.safetensors missing"),
    # detail.safetensors
    "a detail network of a billion channels": (
        tensors(DETAIL, lambda w: None, config='{"widths": [1000000000, 8, 8]}'),
        "widths is 1000000000, expected an integer in 1..512",
    ),
    "a detail network of no shape": (tensors(DETAIL, lambda w: None), "'config'"),
    "a detail network of another shape": (
        tensors(DETAIL, lambda w: None, config="{}"),
        "detail.safetensors lacks blocks.",
    ),
    "a detail network that is a list": (
        tensors(DETAIL, lambda w: None, config="[]"),
        "'list' object has no attribute 'items'",
    ),
    "a detail network of 800 MB": (
        tensors(DETAIL, dict.clear, config=json.dumps(dict(zip(SIZES, MOST, strict=True)))),
        "detail.safetensors lacks amplitudes.0",
    ),
    # novelty.json
    "a deep nest of novelty": (novelty(b"[" * 60_000), "delete it: maximum recursion depth"),
    "novelty of 64 KiB": (novelty(b" " * 2**16 + b"{}"), "novelty.json is longer than 65536 bytes"),
    # prior.safetensors
    "a pipe": (as_pipe, "no model in {folder}: prior.safetensors missing"),
    "a folder": (as_folder, "no model in {folder}: prior.safetensors missing"),
    "a prior of 1 GB, a hole": (
        header("prior.safetensors", hole(2**30), 2**30),
        "has 1073741910 bytes, a prior has at most 268435456",
    ),
    "a prior of an unknown kind": (
        prior(lambda p: None, kind="../evil"),
        "holds a prior of kind '../evil'",
    ),
    "tables of other symbols": (
        prior(lambda p: p.update({"tables.1": np.full((1, 32), 2**19, np.uint32)})),
        "its prior is one of other stages",
    ),
    "other cells": (
        prior(lambda p: p.update(cells=np.array([32, 16, 8, 8], np.int32))),
        "its prior is one of other stages",
    ),
    "a billion stages": (
        prior(lambda p: p.update(cells=np.zeros(10**5, np.int32))),
        "cells has shape (100000,), expected 1..64 numbers",
    ),
    "no cells": (
        prior(lambda p: p.update(cells=np.zeros(0, np.int32))),
        "cells has shape (0,), expected 1..64 numbers",
    ),
    "a cell of zero": (
        prior(lambda p: p.update(cells=np.array([0, 16, 16, 8], np.int32))),
        "expected cells of 1 pixel or more, got (0, 16, 16, 8)",
    ),
    "cells that wrap": (
        prior(lambda p: p.update(cells=np.array([2**32 + 32, 16, 16, 8]))),
        "cells is int64 (4,), expected int32",
    ),
    "a prior of bfloat16": (typed("BF16", 8), "'cells' is BF16, a prior holds integers only"),
    "a prior of 8-bit floats": (typed("F8_E4M3", 4), "'cells' is F8_E4M3, a prior holds integers"),
    "tables of floats": (
        prior(lambda p: p.update({"tables.0": np.full((1, 16), 2.0**20)})),
        "a prior holds integers only",
    ),
    "a frequency of zero": (
        prior(lambda p: p["tables.0"].__setitem__((0, slice(0, 2)), [0, 2**21])),
        "a frequency lies outside 1..2**24 - 1",
    ),
    "frequencies that sum to 2^32 and more": (
        prior(lambda p: p.update({"tables.0": np.full((1, 512), 2**23 + 2**15, np.uint32)})),
        "sums to 4311744512, expected 2**24",
    ),
    "a bucket without tables": (
        prior(lambda p: p["bucket"].__setitem__(7, 99)),
        "a quality has bucket 99, which has no tables",
    ),
    "a negative bucket": (
        prior(lambda p: p["bucket"].__setitem__(7, -1)),
        "expected a bucket >= 0",
    ),
    "a context prior of static arrays": (prior(lambda p: None, kind="context"), "'own.0'"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_model_gets_its_sentence_and_little_memory(name, model_dir, tmp_path):
    attack, says = ATTACKS[name]
    folder = tmp_path / "model"
    shutil.copytree(model_dir, folder)
    attack(folder)

    def run():
        with pytest.raises(CodecError) as caught:
            assert load_model(folder, "cpu").calibration is None
        assert says.format(folder=folder) in str(caught.value)
        assert str(folder) in str(caught.value)
        assert str(caught.value).isprintable()

    with Effort() as effort:
        memory = memory_of(run)
    assert effort.units < UNITS
    assert memory < MEGABYTES
    assert not (folder / "owned").exists()


def put(name, array, dtype=np.int32):
    return lambda arrays: arrays.update({name: np.asarray(array, dtype)})


CONTEXT_ATTACKS = {
    "features in a row": (
        put("features.0", range(384)),
        "features.0 is int32 (384,), expected int32 in 2 dimensions",
    ),
    "no features": (
        put("features.0", np.zeros((64, 0))),
        "expected 1..64 features of a code, got 0",
    ),
    "features without end": (
        put("features.0", np.zeros((64, 65))),
        "expected 1..64 features of a code, got 65",
    ),
    "features that wrap": (
        put("features.0", np.ones((64, 6)), np.int64),
        "is int64 (64, 6), expected int32",
    ),
    "features that overflow": (
        put("features.0", np.full((64, 6), -(2**31))),
        "the context sums of stage 0 could leave int32",
    ),
    "no shift": (put("shift", []), "shift has shape (0,), expected 1..64 numbers"),
    "a shift of a billion": (put("shift", [10**9]), "expected a shift of 0..24 bits"),
    "a negative shift": (put("shift", [-1]), "expected a shift of 0..24 bits"),
    "centres outside": (put("centres.3", np.full((16, 5), 4096)), "centres.3 leave the range"),
    "more centres than tables": (
        put("centres.3", np.zeros((17, 5))),
        "centres.3 has shape (17, 5)",
    ),
    "centres in a row": (
        put("centres.3", np.zeros(16)),
        "centres.3 is int32 (16,), expected int32 in 2 dimensions",
    ),
    "long contexts": (
        put("centres.0", np.zeros((16, 43))),
        "expected 1..42 numbers of a context, got 43",
    ),
    "cells that grow": (put("cells", [8, 32] * 5), "do not form a pyramid"),
    "cells that do not divide": (put("cells", [32] * 9 + [7]), "do not form a pyramid"),
    "a place too few": (put("place.9", np.zeros((3, 4, 5))), "place.9 has shape (3, 4, 5)"),
    "99 qualities": (put("quality.2", np.zeros((99, 5))), "quality.2 has shape (99, 5)"),
    "tables of another type": (
        put("tables.2", np.full((16, 64), 2**18), np.int64),
        "tables.2 is int64 (16, 64), expected uint32",
    ),
}


@pytest.mark.parametrize("name", CONTEXT_ATTACKS)
def test_hostile_context_prior_gets_its_sentence(name, tmp_path):
    change, says = CONTEXT_ATTACKS[name]
    path = tmp_path / "prior.safetensors"
    arrays = dict(context_prior().to_arrays())
    change(arrays)
    save_file(arrays, path, {"kind": "context"})

    def run():
        with pytest.raises(CodecError) as caught:
            Prior.load(path)
        assert says in str(caught.value)
        assert str(path) in str(caught.value)

    assert memory_of(run) < MEGABYTES


def test_wrong_tables_under_a_right_fingerprint(model, photo):
    """A file does not decode to other indices: the checks and the seal depend on every table."""
    data = codec.encode(photo, model=model)
    skewed = [[[2**24 - 15 * 2**k] + [2**k] * 15] for k in (10, 15, 19, 19)]
    for stage in range(4):
        tables = [table.frequencies for table in model.prior.tables]
        tables[stage] = skewed[stage]
        prior = StaticPrior(model.cells, tables)
        other = torch_model(model.engine.networks, prior, model.fingerprint)
        for partial in (False, True):
            with pytest.raises((Checksum, Truncated)):
                codec.decode(data, model=other, allow_partial=partial)
