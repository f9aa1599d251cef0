"""What `encode` and `decode` do with a folder, or with several files."""

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from codec.batch import folder
from codec.batch.manifest import MANIFESTS, Manifest, Record, given_names
from codec.batch.names import Job, name_results
from codec.batch.shard import Shard
from codec.batch.survey import Survey, survey
from codec.batch.tasks import Task
from codec.cli.common import BatchOptions, say
from codec.cli.progress import Bar
from codec.errors import CodecError
from codec.processes import Processes


def run(
    task: Task,
    inputs: Sequence[str],
    output: str,
    options: BatchOptions,
    suffixes: Collection[str],
) -> int:
    """Code many files; a line on stderr for every file that could not be, and one for the whole.

    Args:
        task: what is done to each file.
        inputs: folders and files.
        output: the folder of the results, made if missing.
        options: how many processes, which files, and what becomes of those that are there.
        suffixes: of the files of folders that count.

    Returns:
        The exit code: 1 if there were files that could not be coded, or if there were any that are
        not read and the run is strict.

    Raises:
        CodecError: there is nothing to do, or no way to begin.
    """
    shard, out = Shard.parse(options.shard), Path(output)
    found = survey(inputs, suffixes, follow_links=options.follow_links, out=out)
    named = name_results(found.files, out, task.suffix, given_names(out))
    if len(inputs) == 1:
        _forget_own_files(found, Path(inputs[0]), out, named)
    jobs = [job for job in named if shard.has(job.name)]
    if not named and not found.unreadable:
        raise CodecError(_nothing(task, inputs, found))
    if not options.force:
        folder.refuse_overwrite(jobs, out / shard.manifest)
    out.mkdir(parents=True, exist_ok=True)
    header = folder.header(task)
    manifest = Manifest(out / shard.manifest, header, resume=options.resume, force=options.force)
    start = time.perf_counter()
    try:
        manifest.pass_over(found.passed_over)
        left = [job for job in jobs if not manifest.has(job)]
        with Bar(len(jobs), len(jobs) - len(left), options.quiet) as bar:
            tell = Teller(bar, options.quiet)
            for name, error in found.unreadable.items():
                tell.of_failure(name, error)
            worker = folder.Worker(task, out, manifest.replaces, options.keep_times)
            processes = Processes.of(options.jobs, options.threads).for_jobs(len(left))
            folder.run(worker, left, manifest, processes=processes, done=tell)
    finally:
        manifest.close()
    seconds = time.perf_counter() - start
    if not options.quiet:
        source = inputs[0] if len(inputs) == 1 else f"{len(inputs)} files and folders"
        total = sum(manifest.records[job.name]["bytes"] for job in jobs)
        say(
            f"{source} -> {out}: {len(jobs) - tell.failed_files} files, {total:,} bytes, "
            f"{tell.failed} failed, {len(jobs) - len(left)} were done, "
            f"{seconds:.1f} s, {len(left) / seconds:.2f} files/s"
        )
    account = found.summary()
    if account and (options.strict or not options.quiet):
        say(f"bibcodec: {account}")
    return 1 if tell.failed or (options.strict and found.passed_over) else 0


def _forget_own_files(found: Survey, source: Path, out: Path, jobs: Sequence[Job]) -> None:
    """Take from what was passed over what runs have written: manifests, and these jobs' results."""
    root, results = source.resolve(), out.resolve()
    own = {results / job.target.relative_to(out) for job in jobs} | set(root.glob(MANIFESTS))
    for name in [name for name in found.passed_over if root / name in own]:
        del found.passed_over[name]


def _nothing(task: Task, inputs: Sequence[str], found: Survey) -> str:
    """The sentence for a run that has nothing to do."""
    account = found.summary()
    where = "this folder" if len(inputs) == 1 else "these folders"
    return f"{inputs[0]}: no files to {task.verb} in {where}" + (f" ({account})" if account else "")


class Teller:
    """Tells of every finished file: its warning or error, and one more on the bar.

    Args:
        bar: of the run.
        quiet: no warnings.

    Attributes:
        failed: how many files could not be coded, and folders not be listed.
        failed_files: how many files could not be coded.
    """

    def __init__(self, bar: Bar, quiet: bool) -> None:
        self._bar, self._quiet = bar, quiet
        self.failed = self.failed_files = 0

    def __call__(self, record: Record) -> None:
        """Tell of the file of a record."""
        if record["warning"] is not None and not self._quiet:
            self._bar.say(f"bibcodec: {record['file']}: {record['warning']}")
        if record["error"] is not None:
            self.failed_files += 1
            self.of_failure(record["file"], record["error"])
        self._bar.advance()

    def of_failure(self, name: str, error: str) -> None:
        """Tell of a file or a folder that could not be read."""
        self.failed += 1
        self._bar.say(f"bibcodec: {error if name in error else f'{name}: {error}'}")
