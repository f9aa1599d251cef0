"""bibcodec: a learned image codec (photo -> bytes -> photo).

`import codec` costs nothing: what needs torch is imported when it is first used.

Example:
    >>> import codec
    >>> sorted(codec.__all__)
    ['decode', 'encode', 'info', 'load_model', 'verify']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codec.decoding import decode
    from codec.encoding import encode
    from codec.inspecting import info, verify
    from codec.models.loading import load_model

__version__ = "0.1.0"
__all__ = ["decode", "encode", "info", "load_model", "verify"]

_HOME = {
    "decode": "codec.decoding",
    "encode": "codec.encoding",
    "info": "codec.inspecting",
    "load_model": "codec.models.loading",
    "verify": "codec.inspecting",
}


def __getattr__(name: str) -> Any:  # PEP 562
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'codec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
