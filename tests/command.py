"""Run the command `bibcodec` in this process."""

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock

from codec import cli


@dataclass(frozen=True)
class Result:
    """What a run of the command gave."""

    exit_code: int
    stdout_bytes: bytes
    stderr: str

    @property
    def stdout(self):
        return self.stdout_bytes.decode()

    @property
    def output(self):
        return self.stdout_bytes.decode(errors="replace") + self.stderr


def run_command(arguments, data=b""):
    """Run the command with arguments, and bytes on its standard input."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    err = io.StringIO()
    stdin = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
    with (
        mock.patch.object(sys, "stdin", stdin),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = cli.run([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code or 0
    return Result(code, out.buffer.getvalue(), err.getvalue())
