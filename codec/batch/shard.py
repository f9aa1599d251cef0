"""Parts of a run over many files, each on a machine of its own."""

import re
import zlib
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Shard:
    """One of several runs that share a folder.

    >>> shards = [Shard(number, 3) for number in (1, 2, 3)]
    >>> [[shard.has(f"{k}.png") for shard in shards].count(True) for k in range(3)]
    [1, 1, 1]
    """

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Shard i of n from "i/n", 1 <= i <= n.

        >>> Shard.parse("2/8")
        Shard(number=2, count=8)
        """
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"{text}: expected i/n with 1 <= i <= n, such as 2/8")
        return cls(int(match[1]), int(match[2]))

    def has(self, name: str) -> bool:
        """Whether a file is this shard's; it does not depend on the other files."""
        return zlib.crc32(name.encode(errors="surrogateescape")) % self.count == self.number - 1

    @property
    def manifest(self) -> str:
        """Name of the manifest."""
        return "manifest.jsonl" if self.count == 1 else f"manifest-{self.number}-{self.count}.jsonl"
