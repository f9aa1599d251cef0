"""Whatever is wrong with a file: one sentence, exit code 1, no output, no traceback."""

import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from command import run_command

import codec
from bitstream import container
from bitstream.alpha import pack_alpha
from bitstream.header import Header
from codec.errors import CodecError

MUTATIONS = 400


def claiming(width, height, like, chunks=None):
    """A file of the model of `like` that claims another size and holds 64 bytes of image data."""
    return hostile(width, height, bytes.fromhex(codec.info(like).model), chunks)


def hostile(width, height, fingerprint, chunks=None):
    header = Header(width, height, quality=50, stages=4, fingerprint=fingerprint)
    return container.write(header, b"\1" + bytes(63), chunks)


def with_alpha(data, alpha):
    file = container.parse(data)
    return container.write(file.header, file.payload, {"alph": alpha})


def flipped(data, at, bit=0):
    out = bytearray(data)
    out[at] ^= 1 << bit
    return bytes(out)


BAD = {
    "empty": (lambda data: b"", "empty"),
    "one byte": (lambda data: data[:1], "ends inside"),
    "cut in the header": (lambda data: data[:9], "ends inside"),
    "cut in the image": (lambda data: data[:-9], "cut"),
    "cut by a byte": (lambda data: data[:-1], "cut"),
    "lengthened": (lambda data: data + bytes(4), "damaged"),
    "flip in the header": (lambda data: flipped(data, 6), "header is damaged"),
    "flip in the image": (lambda data: flipped(data, -20), "damaged"),
    "flip at the end": (lambda data: flipped(data, -1), "damaged"),
    "wrong magic": (lambda data: b"RIFF" + data[4:], "not a bibcodec file"),
    "newer version": (lambda data: data[:4] + bytes([3 << 4]) + data[5:], "version 3"),
    "wrong model": (lambda data: hostile(75, 50, b"none"), "6e6f6e65"),
    "gigapixel": (lambda data: claiming(40000, 40000, data), "limit"),
    "gigapixel side": (lambda data: claiming(2**32 - 1, 1, data), "limit"),
    "much from little": (lambda data: claiming(16000, 16000, data), "ran out in stage 1 of 4"),
    "bad alpha": (lambda data: with_alpha(data, b"junk"), "alpha chunk: damaged"),
    "alpha of another size": (
        lambda data: with_alpha(data, pack_alpha(np.zeros((50, 74), np.uint8))),
        "alpha chunk: does not hold 75x50",
    ),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("verb", ["decode", "verify"])
def test_bad_file_is_one_sentence(case, verb, coded, model_dir, tmp_path):
    damage, word = BAD[case]
    file, out = tmp_path / "file.bibc", tmp_path / "out.png"
    file.write_bytes(damage(coded))
    arguments = [verb, str(file), "-m", str(model_dir)]
    result = run_command(arguments + (["-o", str(out)] if verb == "decode" else []))
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith(f"bibcodec: {file}: ")
    assert result.stderr.count("\n") == 1
    assert word in result.stderr
    assert "internal error" not in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("verb", ["decode", "verify", "info", "encode"])
def test_missing_file(verb, tmp_path):
    path = tmp_path / "missing.bibc"
    result = run_command([verb, str(path)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"bibcodec: {path}: ")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("verb", "code", "named"),
    [
        ("verify", 1, "no .bibc files in this folder"),
        ("info", 1, "Is a directory"),
        ("encode", 2, "name a folder for the results"),
        ("decode", 2, "name a folder for the results"),
    ],
)
def test_a_folder_without_a_place_for_results(verb, code, named, tmp_path):
    result = run_command([verb, str(tmp_path)])
    assert result.exit_code == code
    assert named in " ".join(result.stderr.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_refusing_a_claim_takes_no_memory(coded, model_dir, tmp_path):
    """A file of 80 bytes that claims 250 megapixels is refused in little memory."""
    file = tmp_path / "claim.bibc"
    file.write_bytes(claiming(16000, 16000, coded))
    code = (
        "import resource, codec\n"
        "from codec.errors import CodecError\n"
        f"model = codec.load_model({str(model_dir)!r})\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"try: codec.decode({str(file)!r}, model=model)\n"
        "except CodecError: pass\n"
        "else: raise SystemExit('accepted')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(done.stdout) * resource_unit() < 100e6


def resource_unit():
    return 1 if sys.platform == "darwin" else 1024


def mutated(data, random_):
    kind = random_.choice(["flip", "flip", "cut", "insert", "header", "swap"])
    at = random_.randrange(len(data))
    if kind == "flip":
        for _ in range(random_.choice([1, 1, 2, 8])):
            data = flipped(data, random_.randrange(len(data)), random_.randrange(8))
    elif kind == "cut":
        data = data[:at]
    elif kind == "insert":
        data = data[:at] + random_.randbytes(random_.choice([1, 4, 32])) + data[at:]
    elif kind == "header":
        data = data[:4] + random_.randbytes(random_.randrange(1, 20)) + data[24:]
    else:
        other = random_.randrange(len(data))
        low, high = sorted((at, other))
        data = data[:low] + data[high:] + data[low:high]
    return kind, data


def test_mutations_are_refused_or_give_the_same_image(photo, model, capsys):
    random_ = random.Random(1)  # noqa: S311
    image = photo.copy()
    image.putalpha(photo.convert("L"))
    image.info["icc_profile"] = bytes(range(256))
    files = [codec.encode(source, model=model) for source in (photo, image)]
    right = [codec.decode(data, model=model).tobytes() for data in files]
    outcome = Counter()
    for number in range(MUTATIONS):
        which = number % 2
        kind, data = mutated(files[which], random_)
        for partial in (False, True):
            try:
                out = codec.decode(data, model=model, allow_partial=partial)
            except CodecError as error:
                assert len(str(error).splitlines()) == 1
                outcome[kind, "refused", partial] += 1
                continue
            if partial and out.info["stages"][0] < 4:
                outcome[kind, "fewer stages", partial] += 1
            else:
                assert out.tobytes() == right[which], (kind, number)
                outcome[kind, "whole", partial] += 1
    with capsys.disabled():
        print(f"\n{MUTATIONS} mutations:", *sorted(outcome.items()), sep="\n  ")
    assert outcome.total() == 2 * MUTATIONS
