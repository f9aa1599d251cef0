"""What is in a folder: the files to code, and an account of everything else."""

import os
import re
from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from codec.errors import sentence
from codec.files import printable

LINKED_FOLDER = "linked folder"
SPECIAL = "special file"
NO_SUFFIX = "file without a suffix"
SYSTEM_FILE = "system file"
REPEATED = "repeated file"
SEEN_FOLDER = "link to a folder of this run"

# What operating systems, network drives and galleries leave among photos, in lower case.
SYSTEM_NAMES = frozenset(
    (
        # Windows
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin"),
        *("system volume information", "recycler", "zbthumbnail.info", "picasa.ini"),
        # macOS
        *(".ds_store", ".localized", "icon\r", "__macosx", ".spotlight-v100", ".fseventsd"),
        *(".trashes", ".trash", ".temporaryitems", ".documentrevisions-v100", ".appledouble"),
        *(".appledb", ".appledesktop", "network trash folder", "temporary items"),
        *(".volumeicon.icns", ".apdisk", ".com.apple.timemachine.donotpresent"),
        # Linux and Android
        *(".directory", ".thumbnails", ".nomedia", ".xvpics", "lost+found", ".dtrash"),
        *(".picasa.ini", ".picasaoriginals", ".thumbdata", ".globaltrash"),
        # network drives, and programs that keep folders alike
        *("@eadir", "#recycle", "#snapshot", "@tmp", ".@__thumb", "@recycle"),
        *(".snapshot", ".stfolder", ".stversions", ".sync", ".dropbox", ".dropbox.cache"),
    )
)
SYSTEM_PATTERN = re.compile(r"\._.*|\.trash-.*|\.trashed-.*|\.pending-.*|\.fuse_hidden.*", re.S)


def is_system(name: str) -> bool:
    """Whether a file or folder of this name was made by a system, and is nobody's picture.

    Example:
        >>> is_system("._IMG_1.jpg"), is_system("Thumbs.db"), is_system("IMG_1.jpg")
        (True, True, False)
    """
    lower = name.lower()
    return lower in SYSTEM_NAMES or SYSTEM_PATTERN.fullmatch(lower) is not None


def kind_of(name: str) -> str:
    """What a file is called in a list of what was passed over: its suffix.

    Example:
        >>> kind_of("IMG_1.heic"), kind_of("README")
        ('HEIC', 'file without a suffix')
    """
    suffix = PurePosixPath(name).suffix
    return printable(suffix[1:].upper())[:16] or NO_SUFFIX


def counted(kinds: Collection[str]) -> str:
    """How many there are of each kind, the most frequent first.

    Example:
        >>> counted(["DNG", "linked folder", "HEIC", "linked folder"])
        '2 linked folders, 1 DNG, 1 HEIC'
    """
    numbers = sorted(Counter(kinds).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number:,} {_plural(kind, number)}" for kind, number in numbers)


def _plural(kind: str, number: int) -> str:
    if number == 1 or kind.isupper():
        return kind
    first, *rest = kind.split(" ", 1)
    if kind in (LINKED_FOLDER, SPECIAL, SYSTEM_FILE, REPEATED):
        return f"{kind}s"
    return " ".join([f"{first}s", *rest])


@dataclass(frozen=True)
class Found:
    """A file to code.

    Attributes:
        name: within the run, what the manifest calls it.
        path: where it is.
        place: within the folder of the results, where its result goes, with the file's own suffix.
    """

    name: str
    path: Path
    place: PurePosixPath


@dataclass
class Survey:
    """Everything that is in a folder, or was named one by one.

    Attributes:
        files: to code, in order of their names.
        passed_over: of what is not read, kind by name.
        left_out: kinds of what is not coded for a good reason: files of the system, files and
            folders that were given already.
        unreadable: of folders that cannot be listed, what is wrong by name.
    """

    files: list[Found] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """What was not coded, in words; "" if there is nothing of that.

        Example:
            >>> Survey(passed_over={"a.heic": "HEIC"}, left_out=["system file"]).summary()
            '1 HEIC passed over, 1 system file left out'
        """
        parts = [(self.passed_over.values(), "passed over"), (self.left_out, "left out")]
        return ", ".join(f"{counted(kinds)} {what}" for kinds, what in parts if kinds)


def survey(
    sources: Collection[str | Path],
    suffixes: Collection[str],
    *,
    follow_links: bool = False,
    out: Path | None = None,
) -> Survey:
    """Look at everything that a run is given.

    Args:
        sources: folders, and files, which count whatever their suffix. The files of a single folder
            have their path within it as name and place, those of several begin with the folder's
            name.
        suffixes: of the files of folders that count, in lower case.
        follow_links: look into linked folders too, into each folder once.
        out: the folder of the results; what is in it is not looked at.
    """
    walk = _Walk(suffixes, follow_links, out)
    for source in sources:
        path = Path(source)
        if not path.is_dir():
            walk.file(Found(str(source), path, PurePosixPath(path.name)))
        elif len(sources) == 1:
            walk.folder(path, PurePosixPath())
        else:
            walk.folder(path, PurePosixPath(path.resolve().name))
    walk.found.files.sort(key=lambda file: file.name)
    return walk.found


class _Walk:
    """A walk through folders, each of which is visited once: first the real ones, then the linked.

    Attributes:
        found: what is there.
    """

    def __init__(
        self, suffixes: Collection[str], follow_links: bool, out: Path | None = None
    ) -> None:
        self.found = Survey()
        self._suffixes, self._follow_links = suffixes, follow_links
        self._visited: set[tuple[int, int]] = set()
        self._files: set[str] = set()
        self._out = _identity(out) if out and out.is_dir() else None
        self._folders: deque[tuple[Path, PurePosixPath]] = deque()
        self._links: deque[tuple[Path, PurePosixPath]] = deque()

    def file(self, file: Found) -> None:
        """Take a file, unless it was given already, as `a.png *.png` does."""
        where = os.path.abspath(file.path)
        if where in self._files:
            self.found.left_out.append(REPEATED)
            return
        self._files.add(where)
        self.found.files.append(file)

    def folder(self, path: Path, name: PurePosixPath) -> None:
        """Visit a folder, and those in it."""
        if self._out == _identity(path):
            self._out = None  # the results stand beside their sources
        self._folders.append((path, name))
        while self._folders or self._links:
            queue = self._folders or self._links
            self._list(*queue.popleft())

    def _list(self, path: Path, name: PurePosixPath) -> None:
        try:
            identity = _identity(path)
            if identity == self._out:
                return
            if identity in self._visited:
                self.found.left_out.append(SEEN_FOLDER)
                return
            self._visited.add(identity)
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self.found.unreadable[name.as_posix()] = sentence(error)
            return
        for entry in entries:
            self._entry(entry, path / entry.name, name / entry.name)

    def _entry(self, entry: os.DirEntry[str], path: Path, name: PurePosixPath) -> None:
        if is_system(entry.name):
            self.found.left_out.append(SYSTEM_FILE)
        elif _is(entry.is_dir, follow_symlinks=False):
            self._folders.append((path, name))
        elif _is(entry.is_dir) and self._follow_links:
            self._links.append((path, name))
        elif _is(entry.is_dir):
            self.found.passed_over[name.as_posix()] = LINKED_FOLDER
        elif path.suffix.lower() not in self._suffixes:
            self.found.passed_over[name.as_posix()] = kind_of(entry.name)
        elif os.path.exists(path) and not _is(entry.is_file):
            self.found.passed_over[name.as_posix()] = SPECIAL
        else:  # a link to nothing too: coding it says what is wrong
            self.file(Found(name.as_posix(), path, name))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _is(test: Callable[..., bool], **options: bool) -> bool:
    """An entry's `is_dir` or `is_file`; False where the system cannot tell."""
    try:
        return test(**options)
    except OSError:  # such as a loop of links
        return False
