"""Collections beyond one machine: Ray Data spreads the work over a cluster (extra `ray`).

`evaluate` is `bibcodec eval` on a cluster, for a folder that all nodes see. For `encode`, images
and results are on any file system that fsspec knows (such a folder, s3://, gs://). Its workers keep
the model loaded, read and write by themselves, and are replaced when they or their node die. The
process that calls `encode` is the only one that writes the manifest: a parquet file for every so
many files, with the columns of `codec.batch.manifest`'s records, each file once.
"""

import json
import posixpath
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray

import codec
from codec.batch.folder import record_of
from codec.batch.manifest import Record
from codec.encoding import encode_image
from codec.errors import CodecError
from codec.evaluation.photographs import photographs
from codec.evaluation.plan import Plan
from codec.evaluation.run import Outcome, Progress, attempt, to_file
from codec.images.load import suffixes
from codec.options import EncodeOptions, Running
from codec.runtime.cpu import limit_threads

MANIFEST = "manifest"  # folder of the parquet files, in the folder of the results
SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("output", pa.string()),
        ("bytes", pa.int64()),
        ("bpp", pa.float64()),
        ("seconds", pa.float64()),
        ("sha256", pa.string()),
        ("warning", pa.string()),
        ("error", pa.string()),
    ]
)


def encode(
    source: str,
    out: str,
    *,
    workers: int,
    cpus: float = 1,
    gpus: float = 0,
    options: EncodeOptions | None = None,
    running: Running | None = None,
    part: int = 1000,
    done: Callable[[Record], None] = lambda record: None,
) -> tuple[int, int]:
    """Encode all images under a path on a Ray cluster; a run that was stopped goes on.

    Files of the manifest without an error are left alone. `ray.init` decides which cluster; without
    it Ray starts one on this machine. A file a/b.jpg becomes a/b.jpg.bibc.

    Args:
        source: a path or URL of a folder, the same on every node.
        out: a path or URL of the folder of the results.
        workers: processes on the whole cluster.
        cpus: of each worker; as many threads as that.
        gpus: of each worker; 0 encodes on the CPU.
        options: of the files; None: those of `codec.encode` by default.
        running: which model runs, and where; None: the packaged one.
        part: files that a parquet file of the manifest lists.
        done: called with each record.

    Returns:
        How many files are encoded, those of earlier runs counted, and how many could not be.

    Raises:
        CodecError: there are no images under `source`.
    """
    files, root = fsspec.core.url_to_fs(source)
    names = [posixpath.relpath(path, root) for path in sorted(files.find(root))]
    names = [name for name in names if posixpath.splitext(name)[1].lower() in suffixes()]
    if not names:
        raise CodecError(f"{source}: no images under this path")
    manifest = Manifest(out)
    earlier = manifest.encoded()
    left = [{"name": name} for name in names if name not in earlier]
    failed = 0
    how = options or EncodeOptions(), running or Running()
    encoder = Encoder, source, out, *how, max(int(cpus), 1)
    pending: list[Record] = []
    for record in _mapped(left, encoder, workers, cpus, gpus):
        pending.append(record)
        done(record)
        failed += record["error"] is not None
        if len(pending) >= part:
            manifest.write(pending)
            pending = []
    manifest.write(pending)
    return len(names) - failed, failed


def evaluate(
    folder: str,
    output: str,
    plan: Plan,
    *,
    workers: int,
    cpus: float = 1,
    gpus: float = 0,
    force: bool = False,
    done: Progress = lambda path, error: None,
) -> dict[str, Any]:
    """Measure a codec over a folder on a Ray cluster; a run that was stopped goes on.

    Only this process writes: what is done to a journal beside `output`, each image once.

    Args:
        folder: with the images; a path that every node sees, as those in `plan`.
        output: the result file, as `bibcodec eval` writes it.
        plan: what to measure.
        workers: processes on the whole cluster.
        cpus: of each worker; as many threads as that.
        gpus: of each worker.
        force: replace `output`.
        done: called with each image's path and what was wrong with it, or None.

    Returns:
        What is in the file; ["meta"]["errors"] says what was wrong with which image.

    Raises:
        CodecError: there are no images, the plan cannot be carried out, or nothing was measured.
    """

    def executor(plan: Plan, images: Sequence[Path]) -> Iterator[Outcome]:
        paths = {str(path.resolve()): path for path in images}
        measurer = Measurer, plan, max(int(cpus), 1)
        for row in _mapped([{"path": path} for path in paths], measurer, workers, cpus, gpus):
            yield paths[row["path"]], json.loads(row["record"]), row["error"]

    images = photographs(Path(folder))
    return to_file(plan, images, Path(output), force=force, executor=executor, progress=done)


def _mapped(
    rows: list[dict[str, str]], worker: tuple[Any, ...], workers: int, cpus: float, gpus: float
) -> Iterator[dict[str, Any]]:
    """Rows as a worker class, given with its arguments, makes them of others, as they are made."""
    if not rows:
        return
    data = ray.data.from_items(rows, override_num_blocks=min(len(rows), 16 * workers))
    yield from data.map_batches(
        worker[0],
        fn_constructor_args=worker[1:],
        batch_size=8,
        concurrency=workers,
        num_cpus=cpus,
        num_gpus=gpus,
    ).iter_rows()


class Manifest:
    """The parquet files that list what is encoded.

    Args:
        out: folder of the results.
    """

    def __init__(self, out: str) -> None:
        self._files, root = fsspec.core.url_to_fs(out)
        self._folder = posixpath.join(root, MANIFEST)

    def encoded(self) -> set[str]:
        """Names of the files that are encoded."""
        names = set()
        for path in self._files.glob(posixpath.join(self._folder, "*.parquet")):
            with self._files.open(path, "rb") as file:
                table = pq.read_table(file, columns=["file", "error"]).to_pylist()
            names |= {row["file"] for row in table if row["error"] is None}
        return names

    def write(self, records: list[Record]) -> None:
        """List some more; the file takes its name when it is whole."""
        if records:
            path = posixpath.join(self._folder, f"{secrets.token_hex(8)}.parquet")
            buffer = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(records, SCHEMA), buffer)
            put(self._files, path, buffer.getvalue().to_pybytes())


class Encoder:
    """Encodes batches of names; Ray keeps it and its model.

    Args:
        source: folder of the images.
        out: folder of the results.
        options: of the files.
        running: which model runs, and where.
        threads: of the engine.
    """

    def __init__(
        self, source: str, out: str, options: EncodeOptions, running: Running, threads: int
    ) -> None:
        from codec.models.loading import network_of  # noqa: PLC0415

        limit_threads(threads)
        network_of(running)
        self._read, self._source = fsspec.core.url_to_fs(source)
        self._write, self._out = fsspec.core.url_to_fs(out)
        self._options, self._running = options, running

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        """Records of the files in "name"; a worker that takes over writes the same again."""
        records = [self._encode(str(name)) for name in batch["name"]]
        return {column: [record[column] for record in records] for column in SCHEMA.names}

    def _encode(self, name: str) -> Record:
        output = f"{name}.bibc"
        return record_of(name, output, partial(self._written, name, output))

    def _written(self, name: str, output: str) -> tuple[bytes, float]:
        with self._read.open(posixpath.join(self._source, name), "rb") as file:
            data = encode_image(file, self._options, self._running)
        put(self._write, posixpath.join(self._out, output), data)
        return data, codec.info(data).bpp


class Measurer:
    """Measures batches of images; Ray keeps it and what it has loaded.

    Args:
        plan: what to measure.
        threads: of torch.
    """

    def __init__(self, plan: Plan, threads: int) -> None:
        import torch  # noqa: PLC0415

        torch.set_num_threads(threads)
        self._plan = plan

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[str]]:
        """The images' records as JSON, "null" with an "error"."""
        attempts = [attempt(self._plan, Path(str(path))) for path in batch["path"]]
        return {
            "path": [str(path) for path, _, _ in attempts],
            "record": [json.dumps(record, allow_nan=False) for _, record, _ in attempts],
            "error": [error for _, _, error in attempts],
        }


def put(files: fsspec.AbstractFileSystem, path: str, data: bytes) -> None:
    """Write a file that takes its name when it is whole."""
    files.makedirs(posixpath.dirname(path), exist_ok=True)
    temporary = f"{path}.{secrets.token_hex(4)}.tmp"
    files.pipe_file(temporary, data)
    files.mv(temporary, path)
