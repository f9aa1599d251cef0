"""Runs the command in forks of one process that has imported everything; see test_faults.py.

A line of JSON in starts a run: argv, and what to do to it. A line out answers with its pid; later,
{"wait": pid} answers with its exit code (minus the signal's number if a signal killed it).
"""

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path

import torch

import codec.cli
import codec.runtime.torch_engine
from codec import encoding


def pause_at(name: str, scratch: str) -> None:
    """Stop the run at a place until the file `go` is there; `at` says that it is reached."""
    owner, attribute = {
        "reading": (encoding, "load"),
        "decoding": (encoding.stream, "decode_indices"),
        "writing": (os, "fsync"),
    }[name]
    real = getattr(owner, attribute)

    def paused(*arguments, **options):
        Path(scratch, f"at{os.getpid()}").touch()
        while not Path(scratch, "go").exists():
            time.sleep(0.01)
        return real(*arguments, **options)

    setattr(owner, attribute, paused)


if "PAUSE_WORKERS" in os.environ:  # this is a worker of a folder run, see `run`
    pause_at(*json.loads(os.environ["PAUSE_WORKERS"]))


def run(argv, stdin="/dev/null", stdout="/dev/null", stderr="/dev/null", **options) -> None:
    """In the fork: streams and limits, then the command, to the interpreter's own end."""
    for number, path in enumerate((stdin, stdout, stderr)):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND if number else os.O_RDONLY
        os.dup2(os.open(path, flags, 0o644), number)
    if "pause" in options:
        pause_at(options["pause"], options["scratch"])
    if "pause_workers" in options:
        place = [options["pause_workers"], options["scratch"]]
        os.environ["PAUSE_WORKERS"] = json.dumps(place)
    if "file_bytes" in options:
        resource.setrlimit(resource.RLIMIT_FSIZE, (options["file_bytes"],) * 2)
    if "memory_bytes" in options:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + options["memory_bytes"],) * 2)
    sys.argv = ["bibcodec", *argv]
    codec.cli.main()


def serve() -> None:
    """Import what takes seconds, then answer; the arguments are names of further modules."""
    for name in sys.argv[1:]:
        importlib.import_module(name)
    torch.set_num_threads(1)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            status = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
            os.write(1, b"%d\n" % status)
            continue
        if pid := os.fork():
            os.write(1, b"%d\n" % pid)
        else:
            run(**request)
            return


if __name__ == "__main__":
    serve()
