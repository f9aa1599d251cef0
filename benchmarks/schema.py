"""The one schema of result files: what is measured, and under "meta" where it comes from.

`meta` has the fields of `codec.evaluation.provenance.Provenance` (date, machine, system, python,
threads, load, versions, images, images_sha256) and:

- "schema": the version of this schema.
- "script": the file that measured, from the root of the repository.
- "commit": of the checkout; a + says that tracked files had been changed.
- "settings": by name.
- "inputs": what else was measured than images and our model: a SHA-256 by name.
- "model": fingerprint of our model, if one was measured.
- "not_known": fields above that nobody wrote down, in results older than the schema.
"""

import json
import math
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codec.files import writing

SCHEMA = 1
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
ALWAYS = ("schema", "script", "commit")  # fields that are known of every result
FIELDS = (
    *ALWAYS,
    "date",
    "machine",
    "system",
    "python",
    "threads",
    "load",
    "versions",
    "images",
    "images_sha256",
    "settings",
    "inputs",
)
COMMIT = re.compile(r"[0-9a-f]{12}\+?")


def commit() -> str | None:
    """The commit of the checkout, with a + if tracked files were changed since.

    Without git it is the environment's COMMIT; None, and the result cannot be committed.
    """
    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("COMMIT")


def changes() -> str:
    """What differs from the commit, as a patch."""
    try:
        return git("diff", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return ""


def git(*arguments: str) -> str:
    """What git says about the checkout."""
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def read(name: str) -> dict[str, Any]:
    """A committed result, by the name of its file without the suffix."""
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return result


def write(path: Path, result: dict[str, Any]) -> None:
    """Write a result file, whole or not at all; NaN and infinity are refused."""
    text = json.dumps(result, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(str(path), force=True) as file:
        file.write(text.encode())


def faults(path: Path) -> list[str]:
    """What is wrong with a result file, a sentence each."""
    try:
        result = json.loads(path.read_text())
    except ValueError as error:
        return [f"{path.name}: not JSON: {error}"]
    meta = result.get("meta") if isinstance(result, dict) else None
    if not isinstance(meta, dict):
        return [f"{path.name}: it has no meta"]
    return [f"{path.name}: {fault}" for fault in (*_of_meta(meta), *_of_numbers(result))]


def _of_meta(meta: dict[str, Any]) -> Iterator[str]:
    if meta.get("schema") != SCHEMA:
        yield f"meta.schema is {meta.get('schema')}, expected {SCHEMA}"
    script = str(meta.get("script"))
    if not script.endswith((".py", ".sh")) or not (ROOT / script).is_file():
        yield f"meta.script is {script}: there is no such script"
    if not COMMIT.fullmatch(str(meta.get("commit"))):
        yield f"meta.commit is {meta.get('commit')}, expected 12 hexadecimal digits"
    unknown = meta.get("not_known", [])
    for field in FIELDS:
        if field not in meta and (field in ALWAYS or field not in unknown):
            yield f"meta.{field} is missing, and meta.not_known does not name it"
        elif field in meta and field in unknown:
            yield f"meta.{field} is there, though meta.not_known names it"


def _of_numbers(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _of_numbers(part, f"{name}.{key}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _of_numbers(part, f"{name}[{number}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{name[1:]} is {value}: expected a finite number"
