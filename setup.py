"""The C extension, which is optional; all else is in pyproject.toml."""

import sysconfig
from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("bitstream", "native")
LIMITED = not sysconfig.get_config_var("Py_GIL_DISABLED")  # else there is no stable ABI

setup(
    ext_modules=[
        Extension(
            "bitstream._entropy",
            sources=[str(NATIVE / name) for name in ("entropy.c", "module.c")],
            depends=[str(NATIVE / name) for name in ("entropy.h", "vectors.h")],
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if LIMITED else [],
            py_limited_api=LIMITED,
            optional=True,  # without a compiler numpy does the work
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED else {},
)
