"""What `encode` and `decode` do with a folder."""

import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from codec import folder
from codec.cli.common import say
from codec.errors import CodecError
from codec.folder import Manifest, Options, Processes, Record, Shard


def run(
    work: Callable[[Path, Options], tuple[bytes, float]],
    source: str,
    output: str,
    *,
    suffixes: Collection[str],
    becomes: str,
    options: Options,
    jobs: int | None,
    threads: int | None,
    shard: str,
    resume: bool,
    force: bool,
    quiet: bool,
) -> int:
    """Code a folder; a line on stderr for every file that could not be, and one for the whole.

    Args:
        work: `codec.folder.encoded` or `decoded`.
        source: the folder.
        output: the folder of the results, made if missing.
        suffixes: of the files that count.
        becomes: suffix of the results.
        options: for `work`.
        jobs: processes, if not as many as cores.
        threads: of each process, if not the cores divided among the processes.
        shard: which files, "i/n".
        resume: go on with a run that was stopped.
        force: replace an earlier run's results.
        quiet: say nothing of what went well.

    Returns:
        How many files could not be coded.

    Raises:
        CodecError: there is nothing to do, or no way to begin.
    """
    part, out = Shard.parse(shard), Path(output)
    found = folder.find(Path(source), out, suffixes, becomes, part)
    if not found and part.count == 1:
        raise CodecError(f"{source}: no files to {work.__name__.removesuffix('d')} in this folder")
    out.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(out, part, resume=resume, force=force)
    start, before = time.perf_counter(), sum(manifest.has(job) for job in found)
    failed = 0
    try:
        with bar(len(found), before, quiet) as advance:

            def done(record: Record) -> None:
                nonlocal failed
                if record["error"] is not None:
                    failed += 1
                    say(f"bibcodec: {record['file']}: {record['error']}")
                advance()

            of = Processes.of(jobs, threads)
            folder.run(work, found, manifest, options=options, processes=of, done=done)
    finally:
        manifest.close()
    seconds = time.perf_counter() - start
    now = len(found) - before
    if not quiet:
        total = sum(manifest.records[job.name]["bytes"] for job in found)
        say(
            f"{source} -> {out}: {len(found) - failed} files, {total:,} bytes, {failed} failed, "
            f"{before} were done, {seconds:.1f} s, {now / seconds:.2f} files/s"
        )
    return failed


@contextmanager
def bar(total: int, before: int, quiet: bool) -> Iterator[Callable[[], None]]:
    """A progress bar with rate and time to go on stderr, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    columns = (
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]:.2f} files/s, to go"),
        progress.TimeRemainingColumn(),
    )
    start, count = time.perf_counter(), 0
    with progress.Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task("", total=total, completed=before, rate=0.0)

        def advance() -> None:
            nonlocal count
            count += 1
            shown.update(task, advance=1, rate=count / (time.perf_counter() - start))

        yield advance
