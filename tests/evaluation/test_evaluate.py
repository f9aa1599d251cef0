"""eval: the schema, equal bytes, resuming, broken images, foreign codecs; on small images."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import weights_samples
from command import run_command
from PIL import Image

from codec.cli import eval as verb
from codec.errors import CodecError
from codec.evaluation import peers
from codec.evaluation import run as evaluate
from codec.evaluation.photographs import photographs
from codec.evaluation.plan import FOREIGN, OURS, Plan

PHOTO = Path(__file__).parents[2] / "examples" / "kodim23.png"
SIZE = (208, 192)  # holds windows of 128 pixels and none of 256; MS-SSIM needs 161


def scene(seed, size=SIZE):
    """A smooth image with edges and some noise."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    wave = np.stack([np.sin(x / rng.uniform(5, 40) + y / rng.uniform(5, 40)) for _ in range(3)], 2)
    edge = 60 * (x > size[0] * rng.uniform(0.2, 0.8))[..., None]
    return Image.fromarray(
        np.clip(90 + 50 * wave + edge + rng.normal(0, 6, wave.shape), 0, 255).astype(np.uint8)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("originals")
    for seed in range(3):
        scene(seed).save(path / f"{seed}.png")
    return path


@pytest.fixture(scope="module")
def plan(model_dir):
    return Plan(qualities=(20, 60), realisms=(0.0, 1.0), samples=2, model=str(model_dir))


@pytest.fixture(scope="module")
def measured(plan, folder, tmp_path_factory):
    journal = tmp_path_factory.mktemp("run") / "journal"
    images = photographs(folder)
    records, errors = evaluate.run(plan, images, journal)
    assert not errors
    return evaluate.result(plan, images, records, errors)


def test_schema(measured, folder):
    results = measured["results"]
    assert results["quality"] == [20, 20, 60, 60]
    assert results["realism"] == [0, 1, 0, 1]
    expected = {"bpp", "psnr-rgb", "ms-ssim-rgb", "ssimulacra2", "flip", "gmsd", "encoding_time"}
    expected |= {"frechet-128", "kid-128", "decoding_time", "quality", "realism"}
    assert set(results) == expected
    assert all(len(column) == 4 for column in results.values())
    assert {len(rows) for rows in measured["ci95"].values()} == {4}
    for key, rows in measured["ci95"].items():
        for value, (low, high) in zip(results[key], rows, strict=True):
            assert low <= high
            assert low <= value <= high or key.startswith(("frechet", "kid"))
    assert set(measured["meta"]["not_measured"]) == {
        "lpips",
        "dists",
        "fid",
        "frechet-256",
        "kid-256",
    }
    json.dumps(measured, allow_nan=False)


def test_points_are_of_whole_files_and_their_means_are_the_results(measured, model_dir, folder):
    import codec

    for i, (quality, realism) in enumerate([(20, 0), (20, 1), (60, 0), (60, 1)]):
        points = [image["points"][i] for image in measured["images"]]
        assert {p["quality"] for p in points} == {quality}
        assert {p["realism"] for p in points} == {realism}
        assert {p["samples"] for p in points} == {2 if realism else 1}
        for key in ("bpp", "psnr-rgb", "flip"):
            assert np.mean([p[key] for p in points]) == pytest.approx(
                measured["results"][key][i], abs=2e-6
            )
        for point in points:
            assert point["bpp"] == pytest.approx(8 * point["bytes"] / (SIZE[0] * SIZE[1]), abs=1e-6)
    first = measured["images"][0]["points"][0]
    data = codec.encode(folder / "0.png", quality=20, model=model_dir)
    assert first["bytes"] == len(data)
    decoded = np.array(codec.decode(data, realism=0, model=model_dir), np.float64)
    error = np.square(decoded - np.array(Image.open(folder / "0.png"))).mean()
    assert first["psnr-rgb"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-5)


def test_samples_are_means_over_seeds(measured, model_dir, folder):
    import codec

    data = codec.encode(folder / "0.png", quality=20, model=model_dir)
    original = np.array(Image.open(folder / "0.png"), np.float64)
    psnr = [
        10 * np.log10(255**2 / np.square(np.array(image, np.float64) - original).mean())
        for image in (codec.decode(data, realism=1, seed=seed, model=model_dir) for seed in (0, 1))
    ]
    assert psnr[0] != psnr[1]
    assert measured["images"][0]["points"][1]["psnr-rgb"] == pytest.approx(np.mean(psnr), abs=1e-5)


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif", "avif-psnr", "jxl", "heic"])
def test_peers_take_the_largest_file_within_a_budget(name):
    peer, image = peers.load(name), scene(0, (64, 64))
    (quality, data, _), (least, smallest, _) = peer.within(image, [700, 1])
    assert len(data) <= 700 < len(peer.encode(image, quality + 4))
    assert all(len(peer.encode(image, q)) >= len(smallest) for q in peer.qualities[:30])
    assert peer.encode(image, least) == smallest
    assert peer.decode(data).size == image.size
    error = np.square(np.array(peer.decode(data), np.float64) - np.array(image)).mean()
    assert error < 900  # it is the image


def test_a_peer_whose_sizes_do_not_grow_is_searched_at_every_quality():
    sizes = [90, 70, 40, 60, 50, 60, 80]
    peer = peers.Peer(
        "up-and-down",
        "",
        lambda image, quality: bytes(sizes[quality]),
        lambda data: None,
        range(7),
        growing=False,
    )
    image = scene(0, (8, 8))
    found = [
        (quality, len(data)) for quality, data, _ in peer.within(image, [1000, 65, 59, 40, 39])
    ]
    assert found == [(0, 90), (5, 60), (4, 50), (2, 40), (2, 40)]


def test_jpeg_xl_of_a_texture_is_smaller_at_distance_19_75_than_at_20():
    """Half the resolution from 20 on: a bisection ends at a file that is not the smallest."""
    texture = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    peer, image = peers.load("jxl"), Image.fromarray(texture)
    sizes = {quality: len(peer.encode(image, quality)) for quality in (0, 20, 21)}
    half = min(sizes[0], sizes[20])
    assert sizes[21] < 0.6 * half
    (quality, data, _), (_, smallest, _) = peer.within(image, [int(0.8 * half), 1])
    assert quality > 20
    assert len(smallest) <= sizes[21] <= len(data) <= 0.8 * half


@pytest.mark.parametrize("name", ["avif", "avif-psnr"])
def test_avif_names_its_encoder_and_runs_on_one_thread(name, monkeypatch):
    given = {}
    peer = peers.load(name)
    monkeypatch.setattr(Image.Image, "save", lambda *_, **options: given.update(options))
    peer.encode(scene(0, (64, 64)), 50)
    assert given["max_threads"] == 1
    assert ("tune" in given.get("advanced", {})) == (name == "avif-psnr")
    assert re.search(r"libavif \d+\.\d+\.\d+ \(\w+ \d[^)]*\)", peer.description)


def test_a_peer_at_targets(folder, tmp_path):
    plan = Plan(codec="jpeg", targets=(0.1, 2.0))
    images = photographs(folder)
    records, errors = evaluate.run(plan, images, tmp_path / "journal")
    results = evaluate.result(plan, images, records, errors)["results"]
    assert results["realism"] == [None, None]
    assert results["target-bpp"] == [0.1, 2.0]
    assert results["over-target"] == [3, 0]  # no JPEG is that small
    assert results["bpp"][0] > 0.1
    assert 1.7 < results["bpp"][1] <= 2


def test_ours_at_targets_and_lpips_that_is_measured(folder, model_dir, tmp_path):
    weights_samples.lpips(tmp_path / "weights.pt")
    plan = Plan(
        targets=(0.001, 0.5),
        realisms=(0.0,),
        model=str(model_dir),
        lpips=str(tmp_path / "weights.pt"),
    )
    images = photographs(folder)[:1]
    records, errors = evaluate.run(plan, images, tmp_path / "journal")
    result = evaluate.result(plan, images, records, errors)
    assert result["results"]["over-target"] == [1, 0]
    assert result["results"]["bpp"][1] <= 0.5
    assert result["results"]["lpips"][0] > 0
    assert result["ci95"] == {}  # of one image
    assert "lpips" not in result["meta"]["not_measured"]


def test_dists_and_fid_are_measured_with_weights(tmp_path, vgg16_weights, inception_weights):
    """Images of 256 pixels hold one window of FID, smaller ones none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, size in enumerate([(256, 256), (256, 272), (64, 64)]):
        scene(seed, size).save(folder / f"{seed}.png")
    images = photographs(folder)
    plan = Plan(
        codec="jpeg", qualities=(5, 95), dists=str(vgg16_weights), fid=str(inception_weights)
    )
    records, errors = evaluate.run(plan, images, tmp_path / "journal")
    assert not errors
    again, _ = evaluate.run(plan, images, tmp_path / "journal")  # as the journal has them
    assert again == records
    result = evaluate.result(plan, images, records, errors)
    for key in ("dists", "fid"):
        coarse, fine = result["results"][key]
        assert coarse > 2 * fine > 0
    assert len(result["ci95"]["dists"]) == 2
    assert "fid" not in result["ci95"]
    assert result["meta"]["windows"]["fid"] == {"images": 2, "windows": 2}
    assert set(result["meta"]["weights_sha256"]) == {"dists", "fid"}
    assert set(result["meta"]["not_measured"]) == {"lpips", "ms-ssim-rgb"}
    small = evaluate.result(plan, images[2:], records[2:], errors)
    assert "0 images hold a window of 256" in small["meta"]["not_measured"]["fid"]


def test_finished_images_are_not_measured_again(plan, folder, tmp_path, monkeypatch):
    journal = tmp_path / "journal"
    images = photographs(folder)
    records, _ = evaluate.run(plan, images[:2], journal)
    with journal.open("ab") as file:
        file.write(b'{"file": "2.png", "sha2')  # the run was killed here
    calls = []
    measure = evaluate.measure
    monkeypatch.setattr(evaluate, "measure", lambda p, path: calls.append(path) or measure(p, path))
    again, errors = evaluate.run(plan, images, journal)
    assert calls == images[2:]
    assert again[:2] == records
    assert not errors
    evaluate.run(plan, images, journal)
    assert calls == images[2:]


def test_a_journal_of_another_plan_is_not_used(folder, tmp_path):
    journal = tmp_path / "journal"
    images = photographs(folder)[:1]
    sizes = []
    for quality in (10, 90):
        plan = Plan(codec="jpeg", qualities=(quality,))
        with pytest.warns(match="starting anew") if sizes else nullcontext():
            [record], _ = evaluate.run(plan, images, journal)
        sizes.append(record["points"][0]["bytes"])
    assert sizes[1] > 2 * sizes[0]


def test_replaced_files_of_a_foreign_codec_are_measured_again(folder, tmp_path):
    images = photographs(folder)[:1]
    for name in ("decoded", "coded"):
        (tmp_path / name).mkdir()
    plan = Plan(codec=FOREIGN, decoded=str(tmp_path / "decoded"), coded=str(tmp_path / "coded"))
    found = []
    for quality, size in ((90, 1000), (5, 1000), (5, 500)):
        scene(0).save(tmp_path / "decoded" / "0.webp", quality=quality)
        (tmp_path / "coded" / "0.bin").write_bytes(bytes(size))
        [record], _ = evaluate.run(plan, images, tmp_path / "journal")
        found.append((record["points"][0]["psnr-rgb"], record["points"][0]["bytes"]))
    (fine, _), (coarse, _), last = found
    assert fine > coarse + 3
    assert last == (coarse, 500)


def start_eval(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "codec.cli", "eval", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_a_killed_run_goes_on(folder, tmp_path):
    out, journal = tmp_path / "out.json", tmp_path / ".out.json.journal"
    many = tmp_path / "many"
    many.mkdir()
    for seed in range(12):
        scene(seed).save(many / f"{seed:02}.png")
    arguments = (many, "-o", out, "--codec", "jpeg", "-q", "5,80")
    workers = []
    with start_eval(*arguments, "-j", 2) as process:
        end = time.monotonic() + 120
        while time.monotonic() < end and process.poll() is None:
            if journal.is_file() and journal.read_bytes().count(b"\n") >= 3:
                workers = children(process.pid)
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.01)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    assert len(workers) >= 2
    end = time.monotonic() + 60
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(alive, workers))
    finished = journal.read_bytes().splitlines(keepends=True)[1:3]
    before = [json.loads(line) for line in finished]
    with start_eval(*arguments) as process:
        _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert not journal.exists()
    images = {image["file"]: image for image in json.loads(out.read_text())["images"]}
    assert len(images) == 12
    for record in before:  # times too are those of the first run
        shown = images[record["file"]]["points"]
        for point, again in zip(record["points"], shown, strict=True):
            assert again["encoding_time"] == round(point["encoding_time"], 6)


def test_originals_of_one_stem_have_no_decoded_images_of_their_own(folder, tmp_path):
    images = [tmp_path / "x.jpg", tmp_path / "x.png"]
    plan = Plan(codec=FOREIGN, decoded=str(folder), coded=str(folder))
    with pytest.raises(CodecError, match=r"x\.jpg and x\.png: decoded images and files are found"):
        evaluate.run(plan, images, tmp_path / "journal")


def test_originals_of_one_stem_are_found_by_their_whole_names(tmp_path):
    originals, decoded, coded = (tmp_path / name for name in ("originals", "decoded", "coded"))
    for path in (originals, decoded, coded):
        path.mkdir()
    for seed, name in enumerate(("x.tif", "x.png", "y.png")):
        scene(seed).save(originals / name)
        scene(seed).save(decoded / (f"{name}.png" if name[0] == "x" else "y.webp"), quality=50)
        (coded / (f"{name}.bin" if name[0] == "x" else "y.bin")).write_bytes(bytes(1000 + seed))
    plan = Plan(codec=FOREIGN, decoded=str(decoded), coded=str(coded))
    images = photographs(originals)
    records, errors = evaluate.run(plan, images, tmp_path / "journal")
    points = {record["file"]: record["points"][0] for record in records}
    assert not errors
    assert {name: point["bytes"] for name, point in points.items()} == {
        "x.tif": 1000,
        "x.png": 1001,
        "y.png": 1002,
    }
    assert points["x.tif"]["psnr-rgb"] == points["x.png"]["psnr-rgb"] == 100
    (coded / "x.png.bin").rename(coded / "x.bin")
    with pytest.raises(CodecError, match=r"x\.\w+ and x\.\w+: .*name what belongs to them x\."):
        evaluate.run(plan, images, tmp_path / "journal")


def test_broken_images_and_other_sizes_are_named_and_the_run_goes_on(tmp_path):
    folders = {name: tmp_path / name for name in ("originals", "decoded", "coded")}
    for path in folders.values():
        path.mkdir()
    for seed in range(4):
        scene(seed).save(folders["originals"] / f"{seed}.png")
        scene(seed).save(folders["decoded"] / f"{seed}.webp", quality=90 - 20 * seed)
        (folders["coded"] / f"{seed}.bin").write_bytes(bytes(1000 + seed))
    (folders["originals"] / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    scene(1, (100, 192)).save(folders["decoded"] / "1.webp")
    (folders["coded"] / "2.bin").unlink()
    out = tmp_path / "out.json"
    arguments = ["eval", folders["originals"], "-o", out, "--decoded", folders["decoded"]]
    (tmp_path / ".out.json.journal").write_text("{}\n")
    arguments += ["--bytes", folders["coded"], "--name", "theirs"]
    done = run_command([*map(str, arguments)])
    assert done.exit_code == 1
    assert "starting anew: the stopped run had other options" in done.stderr
    assert "1.png: decoded to 100x192 pixels, expected 208x192" in done.stderr
    assert "2.png: 0 files named 2.*" in done.stderr
    assert "broken.png: " in done.stderr
    assert "2 of 5 images; not measured: frechet-256, kid-256 (" in done.stderr
    result = json.loads(out.read_text())
    assert set(result["meta"]["errors"]) == {"1.png", "2.png", "broken.png"}
    assert [image["file"] for image in result["images"]] == ["0.png", "3.png"]
    assert result["results"]["quality"] == [None]
    assert result["images"][1]["points"][0]["bytes"] == 1003
    assert result["name"] == "theirs"
    assert not any(key.endswith("_time") for key in result["results"])


def test_whatever_a_codec_raises_is_named(folder, tmp_path, monkeypatch):
    def encode(image, quality):
        raise RuntimeError("the encoder gave up")

    peer = peers.Peer("jpeg", "fails", encode, lambda data: None, range(1, 101))
    monkeypatch.setattr(peers, "load", lambda name: peer)
    plan = Plan(codec="jpeg", qualities=(10,))
    records, errors = evaluate.run(plan, photographs(folder), tmp_path / "journal")
    assert not records
    assert errors["0.png"] == "0.png: RuntimeError: the encoder gave up"
    assert len(errors) == 3


def test_jobs_give_what_one_process_gives(folder, tmp_path):
    plan = Plan(codec="webp", qualities=(10,))
    images = photographs(folder)
    found = []
    for jobs in (1, 2):
        executor = partial(evaluate.processes, jobs=jobs)
        records, errors = evaluate.run(plan, images, tmp_path / f"journal{jobs}", executor=executor)
        results = evaluate.result(plan, images, records, errors)["results"]
        found.append({key: v for key, v in results.items() if not key.endswith("_time")})
    assert list(found[0]) == list(found[1])
    for key, values in found[0].items():  # sums over threads may round another way
        assert found[1][key] == (values if None in values else pytest.approx(values, rel=1e-6))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "give qualities (-q) or targets"),
        (["-q", "5", "--target-bpp", "0.1"], "(--target-bpp), not both"),
        (["--decoded", "nowhere", "--bytes", "."], "nowhere: not a folder"),
        (["-q", "5", "-o", "nowhere/a.json"], "nowhere/a.json: there is no folder nowhere"),
        (["-q", "101"], "no quality 101: expected 0..100"),
        (["-q", "0", "--codec", "jpeg"], "no quality 0: expected 1..100"),
        (["-q", "5", "--realism", "2"], "expected 0..1"),
        (["--target-bpp", "0"], "expected more than 0"),
        (["-q", "5", "--lpips", "nowhere.pt"], "nowhere.pt: No such file"),
        (["-q", "5", "--dists", __file__], "test_evaluate.py: no weights of VGG16"),
        (["-q", "5", "--fid", __file__], "test_evaluate.py: no weights of FID's Inception-v3"),
        (["-q", "5", "-m", "nowhere"], "no model in nowhere"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(folder, tmp_path, options, said):
    out = tmp_path / "out.json"
    done = run_command(["eval", str(folder), "-o", str(out), *options])
    assert done.exit_code == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-q", "5,ten"], "--quality 5,ten: expected numbers with commas"),
        (["-q", "5", "--codec", "jpeg", "--samples", "1"], "--samples is not for jpeg"),
        (["-q", "5", "--name", "ours"], "--name is not for codecs that are run here"),
        (["--decoded", ".", "--bytes", ".", "-q", "5"], "--quality is not for files of another"),
        (["--decoded", "."], "give both --decoded and --bytes"),
    ],
)
def test_options_that_mean_nothing_are_named(folder, tmp_path, options, said):
    out = str(tmp_path / "out.json")
    done = run_command(["eval", str(folder), "-o", out, *options])
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert os.listdir(tmp_path) == []


def test_numbers_count_once():
    assert verb.numbers("10,5,10", "-q", int) == (10, 5)


def test_a_result_is_not_replaced_unasked_and_no_folder_is_named(folder, tmp_path):
    out = tmp_path / "out.json"
    out.write_text("kept")
    run = ["eval", str(folder), "-o", str(out), "-q", "5"]
    assert "exists already" in run_command(run).stderr
    assert out.read_text() == "kept"
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(CodecError, match=r"not a folder|no images"):
            photographs(missing)


def test_the_commands_codecs_are_all_there_are():
    assert set(verb.CODECS) == {OURS, *peers.NAMES}


def test_mozjpeg_without_its_program_is_one_sentence(monkeypatch):
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    with pytest.raises(CodecError, match="needs MozJPEG's program cjpeg"):
        peers.load("mozjpeg")
