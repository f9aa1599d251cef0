"""Ray: two worker nodes, one of them killed half-way: nothing lost, nothing twice."""

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

PHOTOS = 48


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


@pytest.fixture
def cluster():
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster, nodes
    ray.shutdown()
    cluster.shutdown()


def listed(out):
    tables = [pq.read_table(path).to_pylist() for path in sorted(out.glob("manifest/*.parquet"))]
    return [record for table in tables for record in table]


@pytest.mark.timeout(600)
def test_a_node_dies_half_way(cluster, photos, tmp_path, model_dir, monkeypatch):
    cluster, nodes = cluster
    slow = {"model": str(model_dir), "effort": 9}
    seen = []

    def kill():
        while len(list(tmp_path.rglob("*.bibc"))) < PHOTOS // 2:
            time.sleep(0.02)
        seen.append(len(list(tmp_path.rglob("*.bibc"))))
        cluster.remove_node(nodes[1], allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    result = collection.encode(str(photos), str(tmp_path / "out"), workers=2, options=slow, part=10)
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
        assert data == codec.encode(photos / record["file"], **slow)
        assert record["bytes"] == len(data)
    assert not list(tmp_path.rglob("*.tmp"))
    (photos / "0/bad.png").unlink()
    Image.new("RGB", (20, 20)).save(photos / "0/new.png")
    assert collection.encode(str(photos), str(tmp_path / "out"), workers=1, options=slow) == (
        PHOTOS + 1,
        0,
    )
    names = [record["file"] for record in listed(tmp_path / "out") if record["error"] is None]
    assert len(names) == len(set(names)) == PHOTOS + 1


def test_no_images(tmp_path):
    with pytest.raises(CodecError, match="no images"):
        collection.encode(str(tmp_path), str(tmp_path / "out"), workers=1)
