"""A process that has coded an image forks, as gunicorn, multiprocessing and a DataLoader do."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

SCRIPT = """
import os, sys, threading
import numpy as np
import torch
import codec

torch.set_num_threads(max(torch.get_num_threads(), 2))  # where the tests have one core, too
network = codec.load_model(sys.argv[1], "cpu")
pixels = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)

def work():
    data = codec.encode(pixels, model={model})
    return data, codec.decode(data, model={model}).tobytes()

expected = work()

def child(depth):
    pid = os.fork()
    if not pid:
        done = work()
        same = done[0] == expected[0] and len(done[1]) == len(expected[1])
        if depth > 1:
            same = same and child(depth - 1) == 0
        os._exit(0 if same else 3)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

{how}
"""
ONCE = "sys.exit(child(1))"
GRANDCHILD = "sys.exit(child(2))"
POOL = """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    done = pool.starmap(work, [()] * 4)
sys.exit(any(data != expected[0] for data, _ in done))
"""
WHILE_A_THREAD_READS = """
from codec.images import load
inside, go = threading.Event(), threading.Event()
real = load.from_image
def slow(*arguments, **options):
    inside.set()
    go.wait()
    return real(*arguments, **options)
import io
from PIL import Image
file = io.BytesIO()
Image.fromarray(pixels).save(file, "PNG")
load.from_image = slow
thread = threading.Thread(target=codec.encode, args=[file.getvalue()], kwargs={"model": network})
thread.start()
inside.wait()
load.from_image = real
def work():
    data = codec.encode(file.getvalue(), model=network, allow_truncated=True)
    return data, codec.decode(data, model=network).tobytes()
code = child(1)
go.set()
thread.join()
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("how", "chosen"),
    [
        (ONCE, "network"),
        (ONCE, "sys.argv[1]"),
        (GRANDCHILD, "network"),
        (POOL, "network"),
        (WHILE_A_THREAD_READS, "network"),
    ],
    ids=["once", "by its folder", "a child's child", "pool", "while a thread reads"],
)
def test_a_forked_child_codes_the_same_file(how, chosen, model_dir):
    """Threads do not survive a fork; without care the child waits for them for ever."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("OMP_NUM_THREADS", None)
    script = SCRIPT.format(model=chosen, how=how)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(model_dir)], env=environment, start_new_session=True
    )
    try:
        assert process.wait(120) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_threads_are_inside_the_networks_together(model_dir, photo):
    """No lock is held while the networks run: two threads meet in the middle of an encoding."""
    import codec

    network = codec.load_model(model_dir, "cpu")
    meeting, real = threading.Barrier(2), network.engine.refine

    def refine(level, features):
        if threading.current_thread() in threads:
            meeting.wait(60)
        return real(level, features)

    network.engine.refine = refine
    files = []
    threads = [
        threading.Thread(target=lambda: files.append(codec.encode(photo, model=network)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files) == 2
    assert files[0] == files[1] == codec.encode(np.asarray(photo), model=network)
