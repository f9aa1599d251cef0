"""Coding where the names are missing that Python has on POSIX only, as on Windows.

It stands in for a machine with Windows, which these tests have not met; torch is another matter.
"""

import subprocess
import sys

SCRIPT = """
import os, sys
for name in ("register_at_fork", "fork", "fchmod", "getuid", "sched_getaffinity", "chown"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
from codec.cli import main
sys.argv = ["bibcodec", *sys.argv[1:]]
sys.exit(main())
"""


def test_the_command_encodes_and_decodes(tmp_path, photo):
    photo.save(tmp_path / "photo.png")
    for arguments in (
        ["encode", "photo.png", "-q", "10"],
        ["encode", "photo.png", "-q", "20", "-f"],
        ["info", "photo.bibc"],
        ["verify", "photo.bibc"],
        ["decode", "photo.bibc", "-o", "back.png", "--engine", "onnx"],
        ["encode", ".", "-o", "coded", "-j", "1"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
    assert (tmp_path / "back.png").stat().st_size
    assert (tmp_path / "coded" / "photo.bibc").is_file()
