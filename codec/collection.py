"""Collections beyond one machine (extra `ray`): the public name of `codec.batch.cluster`."""

from codec.batch.cluster import encode, evaluate

__all__ = ["encode", "evaluate"]
