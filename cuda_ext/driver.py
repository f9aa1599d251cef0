"""The few calls of the CUDA driver API that loading and launching a kernel takes, by ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache

_CAPABILITY_MAJOR, _CAPABILITY_MINOR, _MULTIPROCESSORS = 75, 76, 16

Argument = ctypes.c_void_p | ctypes.c_int


class DriverError(RuntimeError):
    """The driver is missing or a call failed; the message names the call and the reason."""


class Driver:
    """libcuda, initialized.

    Args:
        path: the library; the default is the one that every NVIDIA driver installs.

    Raises:
        DriverError: there is none, or it cannot start (no GPU, too old for the library).
    """

    def __init__(self, path: str = "libcuda.so.1") -> None:
        try:
            self._library = ctypes.CDLL(path)
        except OSError as error:
            raise DriverError(f"{path} was not found; is an NVIDIA driver installed?") from error
        self.call("cuInit", 0)
        version = ctypes.c_int()
        self.call("cuDriverGetVersion", ctypes.byref(version))
        self.version = (version.value // 1000, version.value % 1000 // 10)

    def call(self, name: str, *arguments: object) -> None:
        """Call ``name``; raise DriverError unless it returns 0."""
        result = getattr(self._library, name)(*arguments)
        if result != 0:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(result, ctypes.byref(text))
            reason = text.value.decode() if text.value else "unknown error"
            raise DriverError(f"{name} failed with {result}: {reason}")


class Device:
    """One GPU and its primary context, which torch uses too.

    Attributes:
        capability: ten times the compute capability, 90 for 9.0.
        multiprocessors: how many it has.
        name: as the driver tells it.
    """

    def __init__(self, driver: Driver, ordinal: int) -> None:
        self._driver = driver
        handle, self._context = ctypes.c_int(), ctypes.c_void_p()
        driver.call("cuDeviceGet", ctypes.byref(handle), ordinal)
        driver.call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), handle)
        text = ctypes.create_string_buffer(256)
        driver.call("cuDeviceGetName", text, 256, handle)
        self.name = text.value.decode()
        major, minor, count = (
            self._attribute(handle, which)
            for which in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR, _MULTIPROCESSORS)
        )
        self.capability, self.multiprocessors = 10 * major + minor, count

    def _attribute(self, handle: ctypes.c_int, which: int) -> int:
        value = ctypes.c_int()
        self._driver.call("cuDeviceGetAttribute", ctypes.byref(value), which, handle)
        return value.value

    def load(self, module: bytes, names: Sequence[str]) -> dict[str, ctypes.c_void_p]:
        """Load a cubin or PTX and return its kernels by name. It stays loaded."""
        handle = ctypes.c_void_p()
        kernels = {}
        with _Current(self._driver, self._context):
            self._driver.call("cuModuleLoadData", ctypes.byref(handle), module)
            for name in names:
                kernel = ctypes.c_void_p()
                self._driver.call(
                    "cuModuleGetFunction", ctypes.byref(kernel), handle, name.encode()
                )
                kernels[name] = kernel
        return kernels

    def launch(
        self,
        kernel: ctypes.c_void_p,
        grid: tuple[int, int],
        block: int,
        stream: int,
        arguments: Sequence[Argument],
    ) -> None:
        """Queue ``kernel`` on ``stream``; the arguments are copied before this returns."""
        pointers = (ctypes.c_void_p * len(arguments))(*map(ctypes.addressof, arguments))
        with _Current(self._driver, self._context):
            self._driver.call(
                "cuLaunchKernel",
                kernel,
                *(grid[0], grid[1], 1, block, 1, 1, 0),
                ctypes.c_void_p(stream),
                pointers,
                None,
            )


class _Current:
    """Makes a context this thread's current one for a ``with`` block."""

    def __init__(self, driver: Driver, context: ctypes.c_void_p) -> None:
        self._driver, self._context = driver, context

    def __enter__(self) -> None:
        self._driver.call("cuCtxPushCurrent_v2", self._context)

    def __exit__(self, *_: object) -> None:
        self._driver.call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))


@cache
def driver() -> Driver:
    """The process's driver, started at the first call. Raises DriverError."""
    return Driver()
