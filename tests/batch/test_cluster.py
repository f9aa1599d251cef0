"""Ray: two worker nodes, one of them killed half-way: nothing lost, nothing twice."""

import json
import threading
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import ray
from PIL import Image
from ray.cluster_utils import Cluster

import codec
from codec import collection
from codec.errors import CodecError
from codec.evaluation import run as evaluate
from codec.evaluation.photographs import photographs
from codec.evaluation.plan import Plan
from codec.options import EncodeOptions, Running

PHOTOS = 24


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(PHOTOS):
        path = folder / f"{number % 3}" / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 96, 3), np.uint8)).save(path)
    (folder / "0/bad.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def head():
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def cluster(head):
    nodes = [head.add_node(num_cpus=1) for _ in range(2)]
    yield head, nodes
    for node in nodes:
        if node in head.list_all_nodes():
            head.remove_node(node, allow_graceful=False)


def listed(out):
    tables = [pq.read_table(path).to_pylist() for path in sorted(out.glob("manifest/*.parquet"))]
    return [record for table in tables for record in table]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_dies_half_way(cluster, photos, tmp_path, model_dir, monkeypatch):
    cluster, nodes = cluster
    slow = {"options": EncodeOptions(effort=9), "running": Running(str(model_dir))}
    seen = []

    def kill():
        while len(list(tmp_path.rglob("*.bibc"))) < PHOTOS // 2:
            time.sleep(0.02)
        seen.append(len(list(tmp_path.rglob("*.bibc"))))
        cluster.remove_node(nodes[1], allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    result = collection.encode(str(photos), str(tmp_path / "out"), workers=2, part=5, **slow)
    killer.join(timeout=60)
    assert seen
    assert seen[0] < PHOTOS  # it died before the end
    assert result == (PHOTOS, 1)
    records = listed(tmp_path / "out")
    assert len(records) == len({record["file"] for record in records}) == PHOTOS + 1
    for record in records:
        if record["file"] == "0/bad.png":
            assert "not an image" in record["error"]
            continue
        data = (tmp_path / "out" / record["output"]).read_bytes()
        assert data == codec.encode(photos / record["file"], model=str(model_dir), effort=9)
        assert record["bytes"] == len(data)
    assert not list(tmp_path.rglob("*.tmp"))
    (photos / "0/bad.png").unlink()
    Image.new("RGB", (20, 20)).save(photos / "0/new.png")
    assert collection.encode(str(photos), str(tmp_path / "out"), workers=1, **slow) == (
        PHOTOS + 1,
        0,
    )
    names = [record["file"] for record in listed(tmp_path / "out") if record["error"] is None]
    assert len(names) == len(set(names)) == PHOTOS + 1


@pytest.mark.timeout(600)
def test_a_node_dies_half_way_in_measuring(cluster, photos, tmp_path, model_dir):
    cluster, nodes = cluster
    (photos / "0/broken.png").write_bytes(b"no picture")
    plan = Plan(qualities=(10, 60), model=str(model_dir))
    seen = []

    def done(path, error):
        seen.append(path.name)
        if len(seen) == 4:
            cluster.remove_node(nodes[1], allow_graceful=False)

    result = collection.evaluate(
        str(photos / "0"), str(tmp_path / "ray.json"), plan, workers=2, done=done
    )
    images = photographs(photos / "0")
    assert sorted(seen) == [path.name for path in images]  # each once
    assert list(result["meta"]["errors"]) == ["broken.png"]
    assert json.loads((tmp_path / "ray.json").read_text()) == result
    assert [path.name for path in tmp_path.iterdir()] == ["ray.json"]
    alone = evaluate.to_file(plan, images, tmp_path / "alone.json")
    for key, values in alone["results"].items():
        if not key.endswith("_time"):  # sums over threads may round another way
            assert result["results"][key] == (
                values if None in values else pytest.approx(values, rel=1e-6)
            ), key


def test_no_images(tmp_path):
    with pytest.raises(CodecError, match="no images"):
        collection.encode(str(tmp_path), str(tmp_path / "out"), workers=1)
