"""The C extension, built from the sources of this checkout, and once more without vectors."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "c": "",
    "scalar": "-DBIBC_SCALAR -fsanitize=undefined -fno-sanitize-recover=all",
}


def compiler() -> str | None:
    """The C compiler that Python would use, if there is one."""
    return shutil.which((os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0])


def build(folder: Path, **environment: str) -> list[Path]:
    """Build the extension as an installation does; the files of which it consists."""
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "-b", str(folder), "-t", f"{folder}/temp"],
        cwd=ROOT,
        env=os.environ | environment,
        check=True,
        capture_output=True,
    )
    return list((folder / "bitstream").glob("_entropy.*"))


@cache
def extension(kind: str = "c"):
    """The extension of a kind, loaded from a folder of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        flags = f"{os.environ.get('CFLAGS', '')} {KINDS[kind]}"
        (path,) = build(Path(folder), CFLAGS=flags)
        spec = spec_from_file_location("bitstream._entropy", path)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def implementations() -> list:
    """What `bitstream.compiled.extension` can be: None, and C if there is a compiler."""
    return [None, extension()] if compiler() else [None]
