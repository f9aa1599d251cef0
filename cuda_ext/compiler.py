"""From the kernel source to a binary for one GPU: NVRTC through ctypes, and a cache on disk.

NVRTC comes with every CUDA build of torch from PyPI, so neither nvcc nor a build step is needed.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

SOURCE = Path(__file__).with_name("nearest.cu")
DEPTHS = (8, 16, 32, 64)  # what the float32 filter keeps in shared memory
TENSOR_DEPTHS = (16, 32, 64)  # what the tensor-core filter keeps in registers
_INPUTS = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}


class CompileError(RuntimeError):
    """NVRTC is missing or refused the kernel; the message says which and why."""


@dataclass(frozen=True)
class Variant:
    """One build of the source: x's dtype, D rounded up (0: any), and which filter.

    >>> Variant.choose(torch.float32, 20)
    Variant(dtype=torch.float32, depth=32, tensor=False)
    >>> Variant.choose(torch.float16, 100).flags
    ('-DINPUT=1', '-DDEPTH=0', '-DTENSOR=0')
    """

    dtype: torch.dtype
    depth: int
    tensor: bool

    @classmethod
    def choose(cls, dtype: torch.dtype, depth: int, tensor: bool = False) -> Variant:
        """The build for rows of ``depth`` numbers; ``tensor`` falls back above a depth of 64."""
        tensor = tensor and depth <= TENSOR_DEPTHS[-1]
        sizes = TENSOR_DEPTHS if tensor else DEPTHS
        return cls(dtype, next((size for size in sizes if size >= depth), 0), tensor)

    @property
    def flags(self) -> tuple[str, ...]:
        """The preprocessor flags of this build."""
        return (
            f"-DINPUT={_INPUTS[self.dtype]}",
            f"-DDEPTH={self.depth}",
            f"-DTENSOR={int(self.tensor)}",
        )


class Nvrtc:
    """The runtime compiler.

    Attributes:
        path: the shared library, or the name it was found by.
        version: (major, minor).
        architectures: compute capabilities it makes binaries for, as 80 or 120.

    Raises:
        CompileError: no libnvrtc was found; the message lists the places.
    """

    def __init__(self) -> None:
        tried = _places()
        for path in tried:
            try:
                self._library = ctypes.CDLL(path)
            except OSError:
                continue
            self.path = path
            break
        else:
            raise CompileError(
                f"libnvrtc was not found (tried {', '.join(tried)}); "
                "install nvidia-cuda-nvrtc of torch's CUDA version"
            )
        major, minor, count = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        self.version = (major.value, minor.value)
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        numbers = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", numbers)
        self.architectures = tuple(sorted(numbers))

    def target(self, capability: int) -> str:
        """The -arch value for a GPU: its own binary, or PTX that a newer GPU's driver finishes."""
        if capability in self.architectures:
            return f"sm_{capability}"
        older = [arch for arch in self.architectures if arch < capability]
        if not older:
            raise CompileError(
                f"NVRTC {self.version[0]}.{self.version[1]} makes no code for compute capability "
                f"{capability / 10}, the oldest it knows is {self.architectures[0] / 10}"
            )
        return f"compute_{older[-1]}"

    def compile(self, source: str, flags: tuple[str, ...]) -> bytes:
        """A cubin for ``-arch=sm_..``, else PTX. Raises CompileError with the compiler's log."""
        program = ctypes.c_void_p()
        self._call(
            "nvrtcCreateProgram",
            ctypes.byref(program),
            source.encode(),
            SOURCE.name.encode(),
            0,
            None,
            None,
        )
        try:
            options = (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
            if self._library.nvrtcCompileProgram(program, len(flags), options) != 0:
                log = self._read(program, "nvrtcGetProgramLog").rstrip(b"\0").decode()
                raise CompileError(f"NVRTC refused {SOURCE.name} with {' '.join(flags)}: {log}")
            binary = any(flag.startswith("-arch=sm_") for flag in flags)
            return self._read(program, "nvrtcGetCUBIN" if binary else "nvrtcGetPTX")
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))

    def _read(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"{what}Size", program, ctypes.byref(size))
        data = ctypes.create_string_buffer(size.value)
        self._call(what, program, data)
        return data.raw

    def _call(self, name: str, *arguments: object) -> None:
        result = getattr(self._library, name)(*arguments)
        if result != 0:
            self._library.nvrtcGetErrorString.restype = ctypes.c_char_p
            reason = self._library.nvrtcGetErrorString(result).decode()
            raise CompileError(f"{name} of {self.path} failed: {reason}")


@cache
def nvrtc() -> Nvrtc:
    """The process's NVRTC, loaded at the first call. Raises CompileError."""
    return Nvrtc()


def build_flags(variant: Variant, target: str) -> tuple[str, ...]:
    """Every flag of a build, in the order that the cache key has them."""
    return (f"-arch={target}", "--std=c++17", "-fmad=false", *variant.flags)


def binary(variant: Variant, capability: int) -> bytes:
    """The module of ``variant`` for a GPU, from the cache or compiled now and put there.

    Args:
        variant: which build.
        capability: ten times the compute capability, 90 for 9.0.

    Raises:
        CompileError: NVRTC is missing or refused the source. A cache that cannot be written only
            means compiling again next time.
    """
    compiler, source = nvrtc(), SOURCE.read_text()
    flags = build_flags(variant, compiler.target(capability))
    path = cache_entry(source, flags, compiler.version)
    module = _load(path)
    if module is None:
        module = compiler.compile(source, flags)
        _store(path, module)
    return module


def cache_entry(source: str, flags: tuple[str, ...], version: tuple[int, int]) -> Path:
    """Where the build of ``source`` with ``flags`` by NVRTC ``version`` is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    key = hashlib.sha256("\0".join((source, *flags, f"{version}")).encode()).hexdigest()
    return Path(base) / "bibcodec" / "kernels" / f"{key[:32]}.bin"


def _load(path: Path) -> bytes | None:
    """The module at ``path`` if it is whole and no other user could have put it there."""
    try:
        for place in (path.parent, path):
            status = place.stat()
            if status.st_uid != os.getuid() or status.st_mode & 0o022:
                return None
        data = path.read_bytes()
    except OSError:
        return None
    digest, module = data[:32], data[32:]
    return module if hashlib.sha256(module).digest() == digest else None


def _store(path: Path, module: bytes) -> None:
    """Write temp + rename; give up silently where the cache cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(module).digest() + module)
        os.replace(file.name, path)
    except OSError:
        return


def _places() -> list[str]:
    """Candidates for libnvrtc, best first: torch's own CUDA version, pip packages, the system."""
    major = (torch.version.cuda or "13").split(".")[0]
    versions = sorted({major, "13", "12"}, key=lambda version: version != major)
    spec = importlib.util.find_spec("nvidia")
    roots = [Path(root) for root in spec.submodule_search_locations or []] if spec else []
    found = []
    for version in versions:
        for root in roots:
            found += sorted(map(str, root.glob(f"*/lib/libnvrtc.so.{version}")))
    names = [f"libnvrtc.so.{version}" for version in versions]
    toolkit = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "lib64"
    return [*found, *names, *(str(toolkit / name) for name in names)]
