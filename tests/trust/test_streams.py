"""Standard streams that are closed, pipes without a name, and variables that mean nothing."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from codec import cli
from codec.errors import CodecError
from codec.files import STDIO, read_coded, writing
from codec.images.load import load
from codec.processes import Processes
from codec.runtime.cpu import MOST_THREADS, core_count, thread_count

COMMAND = [sys.executable, "-c", "from codec.cli import main; main()"]


def closed(*numbers, arguments, given=b""):
    """Run the command with standard streams closed; what it says and its exit code."""
    pipes = {name: subprocess.PIPE for name in ("stdout", "stderr")}
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=given,
        preexec_fn=lambda: [os.close(number) for number in numbers],
        **pipes,
    )
    return done.returncode, done.stdout, done.stderr.decode()


def test_a_closed_input_is_empty(tmp_path):
    code, out, said = closed(0, arguments=["info", "-"])
    assert (code, out, said) == (1, b"", "bibcodec: -: the file is empty\n")


def test_a_closed_output_is_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with (
        pytest.raises(CodecError, match="^standard output is closed: name a file with -o$"),
        writing(STDIO, force=False),
    ):
        pass


@pytest.mark.parametrize("numbers", [(1,), (2,), (0, 1, 2)])
def test_what_is_said_to_a_closed_stream_is_lost(numbers, coded, tmp_path):
    """And it is not in a file that was opened later, under the number of that stream."""
    (tmp_path / "a.bibc").write_bytes(coded)
    code, out, said = closed(*numbers, arguments=["info", tmp_path / "a.bibc"])
    assert code == 0
    assert bool(out) == (1 not in numbers)
    assert said == ""
    code, out, said = closed(*numbers, arguments=["info", tmp_path / "none"])
    assert code == 1
    assert bool(said) == (2 not in numbers)


def test_a_pipe_that_has_no_name(tmp_path):
    """As of `-o /dev/stdout` before a pipe, and of `-o >(program)` in a shell."""
    reading, written = os.pipe()
    got = []
    with os.fdopen(reading, "rb") as source:
        reader = threading.Thread(target=lambda: got.append(source.read()))
        reader.start()
        with writing(f"/dev/fd/{written}", force=False) as file:
            file.write(b"whole")
        os.close(written)
        reader.join()
    assert got == [b"whole"]


def test_what_cannot_be_read_is_named():
    """An error while reading, as of a broken disk, has no name of its own."""
    for read in (load, read_coded):
        with pytest.raises(OSError, match="Input/output error") as caught:
            read("/proc/self/mem")
        assert caught.value.filename == "/proc/self/mem"


@pytest.mark.parametrize("given", ["", "0", "-1", "abc", "3.5", "99999999", "9" * 5000, ",2"])
def test_a_number_of_threads_that_means_nothing(given, monkeypatch):
    """onnxruntime would begin as many threads as it is told, and fill the memory."""
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert thread_count() == core_count()


@pytest.mark.parametrize(("given", "count"), [("3", 3), (" 2 ", 2), ("4,2", 4), ("1024", 1024)])
def test_a_number_of_threads_that_means_one(given, count, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert thread_count() == count <= MOST_THREADS


def test_no_more_processes_than_files():
    assert Processes.of(1000, 1).for_jobs(3).count == 3
    assert Processes.of(2, 1).for_jobs(0).count == 1


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN])
def test_a_closed_terminal_ends_the_command_unless_nohup_began_it(before, monkeypatch):
    caught = {}
    monkeypatch.setattr(signal, "getsignal", lambda number: before)
    monkeypatch.setattr(signal, "signal", caught.__setitem__)
    cli._catch_signals()
    assert (signal.SIGHUP in caught) == (before == signal.SIG_DFL)
    with pytest.raises(SystemExit) as stopped:
        caught[signal.SIGTERM](signal.SIGTERM, None)
    assert stopped.value.code == 143
