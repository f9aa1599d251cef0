"""What a figure needs beside it: machine, versions, commit, images."""

import hashlib
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from PIL import features

PACKAGES = ("torch", "numpy", "pillow", "constriction", "safetensors", "scipy")
LIBRARIES = ("avif", "webp", "libjpeg_turbo")


def meta(images: Sequence[Path], fingerprint: bytes) -> dict[str, Any]:
    """Provenance of a run over `images` with the model of `fingerprint`."""
    import torch  # noqa: PLC0415

    digest = hashlib.sha256()
    for path in images:
        digest.update(path.read_bytes())
    return {
        "date": date.today().isoformat(),
        "commit": commit(),
        "model": fingerprint.hex(),
        "machine": f"{cpu()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": {name: installed(name) for name in PACKAGES}
        | {name: features.version(name) for name in LIBRARIES},
        "images": len(images),
        "images_sha256": digest.hexdigest(),
    }


def commit() -> str:
    """The commit of the checkout, with a + if tracked files were changed since, if it is one."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "no checkout"


def cpu() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def installed(name: str) -> str | None:
    """The version of a package, None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def photographs(folder: Path) -> list[Path]:
    """The PNG files of a folder, in order of name."""
    paths = sorted(folder.glob("*.png"))
    if not paths:
        raise SystemExit(f"{folder}: no PNG files")
    return paths
