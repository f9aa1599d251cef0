"""What `encode` and `decode` do with a folder."""

import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer

from codec.batch import folder
from codec.batch.folder import Options, Processes, Shard, Work
from codec.batch.manifest import Manifest, Record
from codec.cli.common import How, say
from codec.errors import CodecError


def run(
    work: Work,
    source: str,
    output: str,
    how: How,
    *,
    suffixes: Collection[str],
    becomes: str,
    options: Options,
) -> NoReturn:
    """Code a folder; a line on stderr for every file that could not be, and one for the whole.

    Args:
        work: `codec.batch.folder.encoded` or `decoded`.
        source: the folder.
        output: the folder of the results, made if missing.
        how: how many processes, which files, and what becomes of those that are there.
        suffixes: of the files that count.
        becomes: suffix of the results.
        options: for `work`.

    Raises:
        Exit: at the end, with 1 if there were files that could not be coded.
        CodecError: there is nothing to do, or no way to begin.
    """
    part, out, about = Shard.parse(how.shard), Path(output), folder.about(work, options)
    found = folder.find(Path(source), out, suffixes, becomes, part)
    if not found and part.count == 1:
        raise CodecError(f"{source}: no files to {about['run']} in this folder")
    if not how.force:
        folder.refuse_overwrite(found, out / part.manifest)
    out.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(out / part.manifest, about, resume=how.resume, force=how.force)
    before = sum(manifest.has(job.name, job.target) for job in found)
    start = time.perf_counter()
    failed = 0
    try:
        with bar(len(found), before, how.quiet) as advance:

            def done(record: Record) -> None:
                nonlocal failed
                if record["warning"] is not None and not how.quiet:
                    say(f"bibcodec: {record['file']}: {record['warning']}")
                if record["error"] is not None:
                    failed += 1
                    say(f"bibcodec: {record['file']}: {record['error']}")
                advance()

            of = Processes.of(how.jobs, how.threads)
            folder.run(work, found, manifest, options=options, processes=of, done=done)
    finally:
        manifest.close()
    seconds = time.perf_counter() - start
    now = len(found) - before
    if not how.quiet:
        total = sum(manifest.records[job.name]["bytes"] for job in found)
        say(
            f"{source} -> {out}: {len(found) - failed} files, {total:,} bytes, {failed} failed, "
            f"{before} were done, {seconds:.1f} s, {now / seconds:.2f} files/s"
        )
    raise typer.Exit(1 if failed else 0)


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
