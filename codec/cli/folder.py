"""What `encode` and `decode` do with a folder."""

import time
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

import typer

from codec.batch import folder
from codec.batch.folder import Options, Processes, Shard, Work
from codec.batch.manifest import Manifest, Record
from codec.cli.common import How, say
from codec.cli.progress import Bar
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
    try:
        with Bar(len(found), before, how.quiet) as bar:
            tell = Teller(bar, how.quiet)
            of = Processes.of(how.jobs, how.threads)
            folder.run(work, found, manifest, options=options, processes=of, done=tell)
    finally:
        manifest.close()
    seconds = time.perf_counter() - start
    now = len(found) - before
    if not how.quiet:
        total = sum(manifest.records[job.name]["bytes"] for job in found)
        say(
            f"{source} -> {out}: {len(found) - tell.failed} files, {total:,} bytes, "
            f"{tell.failed} failed, "
            f"{before} were done, {seconds:.1f} s, {now / seconds:.2f} files/s"
        )
    raise typer.Exit(1 if tell.failed else 0)


class Teller:
    """Tells of every finished file: its warning or error, and one more on the bar.

    Args:
        bar: of the run.
        quiet: no warnings.

    Attributes:
        failed: how many files could not be coded.
    """

    def __init__(self, bar: Bar, quiet: bool) -> None:
        self._bar, self._quiet = bar, quiet
        self.failed = 0

    def __call__(self, record: Record) -> None:
        """Tell of the file of a record."""
        if record["warning"] is not None and not self._quiet:
            self._bar.say(f"bibcodec: {record['file']}: {record['warning']}")
        if record["error"] is not None:
            self.failed += 1
            self._bar.say(f"bibcodec: {record['file']}: {record['error']}")
        self._bar.advance()
