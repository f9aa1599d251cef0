"""Where the result of each file goes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

from codec.batch.survey import Found


@dataclass(frozen=True)
class Job:
    """One file: its name in the run, where it is, and where its result goes."""

    name: str
    source: Path
    target: Path


def name_results(
    files: Sequence[Found], out: Path, suffix: str, given: Mapping[str, str]
) -> list[Job]:
    """Give every file a result of its own.

    A file a.png becomes a.bibc, unless another one of this run would become that too: then both
    keep their suffix, as a.png.bibc. A name that an earlier run gave stays, whatever has come
    since, and no other file takes it.

    Args:
        files: of the run, of all its shards.
        out: the folder of the results.
        suffix: of the results.
        given: results that earlier runs made, by the names of their files.

    Example:
        >>> files = [Found(name, Path(name), PurePosixPath(name)) for name in ("a.jpg", "a.png")]
        >>> [job.target.name for job in name_results(files, Path(), ".bibc", {})]
        ['a.jpg.bibc', 'a.png.bibc']
        >>> jobs = name_results(files, Path(), ".bibc", {"a.jpg": "a.bibc"})
        >>> [job.target.name for job in jobs]
        ['a.bibc', 'a.png.bibc']
    """
    stems = Counter(place for file in files for place in (file.place, file.place.with_suffix("")))
    taken = set(given.values())
    jobs = []
    for file in files:
        alone = stems[file.place.with_suffix("")] == 1
        names = list(_short(file.place, suffix)) if alone else []
        before = given.get(file.name)
        if before is not None and _is_of(before, file.place, suffix):
            result = before
        else:
            candidates = (name for group in (names, _long(file.place, suffix)) for name in group)
            result = next(name for name in candidates if name not in taken)
        taken.add(result)
        jobs.append(Job(file.name, file.path, out / result))
    return jobs


def _short(place: PurePosixPath, suffix: str) -> Iterator[str]:
    yield place.with_suffix(suffix).as_posix()


def _long(place: PurePosixPath, suffix: str) -> Iterator[str]:
    yield f"{place.as_posix()}{suffix}"
    for number in count(2):
        yield f"{place.as_posix()}-{number}{suffix}"


def _is_of(result: str, place: PurePosixPath, suffix: str) -> bool:
    """Whether a name could be that of a file's result; a manifest is not believed more than that.

    Example:
        >>> place = PurePosixPath("a/b.png")
        >>> [_is_of(name, place, ".bibc") for name in ("a/b.bibc", "a/b.png-2.bibc", "../b.bibc")]
        [True, True, False]
    """
    path = PurePosixPath(result)
    start = place.with_suffix("").name
    return path.parent == place.parent and path.name.startswith(start) and path.suffix == suffix
