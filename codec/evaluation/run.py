"""A codec over a folder of images: a run that can be killed and started again, and its result file.

Every finished image is one line of a journal (JSON lines), so nothing finished is measured twice.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import codec
from codec.errors import CodecError
from codec.evaluation import peers
from codec.evaluation.image_files import of_whole_name
from codec.evaluation.measure import (
    WINDOWS,
    Record,
    digest,
    load_networks,
    measure,
    unmeasured,
)
from codec.evaluation.photographs import names_of
from codec.evaluation.plan import FOREIGN, OURS, Plan, check
from codec.evaluation.provenance import Provenance, versions
from codec.evaluation.summary import NOTES, summarize
from codec.files import refuse_overwrite, writing
from codec.processes import Processes

Outcome: TypeAlias = tuple[Path, Record | None, str]  # an image, its record or what was wrong
Executor: TypeAlias = Callable[[Plan, Sequence[Path]], Iterable[Outcome]]  # in any order
Progress: TypeAlias = Callable[[Path, str | None], None]  # told of an image and what was wrong


def codec_description(plan: Plan) -> dict[str, str]:
    """What the codec is: a "description" with versions and settings, and the hash of our model.

    Raises:
        CodecError: the codec, its package or the model is not there.
    """
    if plan.codec == FOREIGN:
        return {"description": f"decoded images of {plan.decoded}, files of {plan.coded}"}
    if plan.codec != OURS:
        return {"description": peers.load(plan.codec).description}
    fingerprint = codec.load_model(plan.model, plan.device).fingerprint.hex()
    default = Path(codec.__file__).parent / "models" / "default"
    folder = default if plan.model == "default" else Path(plan.model)
    digest = hashlib.sha256()  # the fingerprint does not cover the detail network
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        digest.update(path.read_bytes())
    return {
        "description": f"bibcodec {codec.__version__}, model {fingerprint}",
        "model": fingerprint,
        "model_sha256": digest.hexdigest(),
    }


def fingerprint_of_plan(plan: Plan) -> dict[str, Any]:
    """The plan with what its names stand for: runs of equal ones measure the same."""
    known = asdict(plan) | codec_description(plan) | {"windows": WINDOWS, "versions": versions()}
    known |= _hashes(plan.weights)
    known["unmeasured"] = sorted(unmeasured(plan))
    read_back: dict[str, Any] = json.loads(json.dumps(known))  # tuples become lists
    return read_back


def to_file(
    plan: Plan,
    images: Sequence[Path],
    output: Path,
    *,
    name: str | None = None,
    force: bool = False,
    executor: Executor | None = None,
    progress: Progress = lambda path, error: None,
) -> dict[str, Any]:
    """Measure images and write the result file; a run that was killed goes on (see `run`).

    Args:
        plan: what to measure.
        images: the originals, at least one.
        output: the result file; until it is written, `.NAME.journal` beside it has what is done.
        name: of the result, see `result`.
        force: replace the file.
        executor: how the work is spread, see `run`.
        progress: is told of every image, see `run`.

    Returns:
        What was written.

    Raises:
        CodecError: the plan cannot be carried out, or no image could be measured.
        OSError: a file cannot be written.
    """
    refuse_overwrite(str(output), force)
    if not output.parent.is_dir():
        raise CodecError(f"{output}: there is no folder {output.parent}")
    journal = output.with_name(f".{output.name}.journal")
    records, errors = run(plan, images, journal, executor=executor, progress=progress)
    if not records:
        raise CodecError(f"{images[0].parent}: no image could be measured, nothing is written")
    written = result(plan, images, records, errors, name)
    with writing(str(output), force) as file:
        file.write((json.dumps(written, indent=1, allow_nan=False) + "\n").encode())
    journal.unlink()
    return written


def run(
    plan: Plan,
    images: Sequence[Path],
    journal: Path,
    *,
    executor: Executor | None = None,
    progress: Progress = lambda path, error: None,
) -> tuple[list[Record], dict[str, str]]:
    """Measure images, but for those that the journal has.

    Args:
        plan: what to measure.
        images: the originals.
        journal: file to add finished images to; made anew if it is of another plan.
        executor: how the work is spread, if not over this process alone: see `processes`.
        progress: is told of every image that is finished, and of what was wrong with it.

    Returns:
        The records in the order of `images`, and what was wrong with those that have none.

    Raises:
        CodecError: the plan cannot be carried out at all.
        OSError: the journal cannot be written.

    Warns:
        UserWarning: the journal is of another plan.
    """
    check(plan)
    if plan.codec == FOREIGN:
        _refuse_equal_stems(plan, images)
    known = fingerprint_of_plan(plan)
    load_networks(plan)
    finished = _read(journal, known)
    names = names_of(images)
    records: dict[Path, Record] = {}
    errors: dict[str, str] = {}
    left = []
    for path in images:
        known_as = _digest(plan, path)
        if known_as in finished:
            records[path] = finished[known_as] | {"file": names[path]}
            progress(path, None)
        else:
            left.append(path)
    with journal.open("a") as file:
        for path, record, error in (executor or processes)(plan, left):
            if record is None:
                errors[names[path]] = error
            else:
                record["file"] = names[path]
                records[path] = record
                file.write(json.dumps(record, allow_nan=False) + "\n")
                file.flush()
            progress(path, error or None)
    return [records[path] for path in images if path in records], errors


def result(
    plan: Plan,
    images: Sequence[Path],
    records: Sequence[Record],
    errors: dict[str, str],
    name: str | None = None,
) -> dict[str, Any]:
    """The result file of a run, as JSON.

    Args:
        plan: of the run.
        images: of the run.
        records: that the run gave, at least one.
        errors: that the run gave.
        name: of the result; by default the codec's, and of a foreign one its folder's.
    """
    header = codec_description(plan)
    summary = summarize(records)
    usual = Path(plan.decoded or "").name if plan.codec == FOREIGN else plan.codec
    names = names_of(images)
    measured = [path for path in images if names[path] not in errors]
    meta = asdict(Provenance.of(measured)) | {
        "model": header.get("model"),
        "model_sha256": header.get("model_sha256"),
        "weights_sha256": _hashes(plan.weights) or None,
        "samples": plan.samples if plan.codec == OURS else 1,
        "windows": summary.windows,
        "notes": NOTES,
        "not_measured": summary.figures.not_measured | unmeasured(plan),
        "errors": errors,
    }
    shown = {key: value for key, value in meta.items() if value is not None}
    head = {"name": name or usual, "description": header["description"]}
    return {**head, **summary.as_json(), "meta": shown}


def processes(plan: Plan, images: Sequence[Path], jobs: int = 1) -> Iterator[Outcome]:
    """Measure images in so many processes, which share the cores.

    Raises:
        CodecError: a process died.
    """
    if jobs == 1 or len(images) < 2:
        yield from (attempt(plan, path) for path in images)
        return
    try:
        with Processes.of(jobs, None).pool() as pool:
            futures = [pool.submit(attempt, plan, path) for path in images]
            yield from (future.result() for future in as_completed(futures))
    except BrokenProcessPool:
        raise CodecError("a worker process died, perhaps for lack of memory: use -j 1") from None


def attempt(plan: Plan, path: Path) -> Outcome:
    """Measure one image, whatever is wrong with it."""
    try:
        return path, measure(plan, path), ""
    except Exception as error:  # codecs raise nearly anything, and the other images go on
        if isinstance(error, CodecError):
            said = str(error)
        elif isinstance(error, OSError) and error.strerror:
            said = error.strerror
        else:
            said = f"{type(error).__name__}: {error}"
        return path, None, said if path.name in said else f"{path.name}: {said}"


def _read(journal: Path, known: dict[str, Any]) -> dict[str, Record]:
    """Records of a journal by their `digest`; a journal of another plan is made anew.

    What was being written when a run was killed is cut off.
    """
    lines = journal.read_bytes().splitlines(keepends=True) if journal.is_file() else []
    whole = [line for line in lines if line.endswith(b"\n")]
    try:
        entries = [json.loads(line) for line in whole]
    except ValueError:
        entries = []
    if not entries or entries[0] != known:
        if lines:
            warnings.warn("starting anew: the stopped run had other options", stacklevel=3)
        journal.write_text(json.dumps(known) + "\n")
        return {}
    if len(whole) < len(lines):
        journal.write_bytes(b"".join(whole))
    return {entry["sha256"]: entry for entry in entries[1:]}


def _refuse_equal_stems(plan: Plan, images: Sequence[Path]) -> None:
    """Raise CodecError where two originals would be compared with one decoded image."""
    folders = Path(plan.decoded or ""), Path(plan.coded or "")
    by_stem: dict[str, list[Path]] = {}
    for path in images:
        by_stem.setdefault(path.stem, []).append(path)
    for same in by_stem.values():
        told_apart = len({path.name for path in same}) == len(same)
        if len(same) > 1 and not (
            told_apart and all(of_whole_name(path, folder) for path in same for folder in folders)
        ):
            one, other = same[0].name, same[1].name
            raise CodecError(
                f"{one} and {other}: decoded images and files are found by the name without its "
                "suffix: give the originals different ones, or, if they differ in the suffix, "
                f"name what belongs to them {one}.* and {other}.*"
            )


def _hashes(files: Mapping[str, str]) -> dict[str, str]:
    return {
        name: hashlib.sha256(Path(file).read_bytes()).hexdigest() for name, file in files.items()
    }


def _digest(plan: Plan, path: Path) -> str | None:
    try:
        return digest(plan, path)
    except (CodecError, OSError):  # which measuring will name
        return None
