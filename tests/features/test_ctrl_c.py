"""Ctrl-C after a CNN is gone: OpenVINO's core takes a stack for signals with it, if it goes in another thread."""

import subprocess
import sys

PROGRAM = """
import gc, os, signal, threading, time
import numpy as np
from vidseq.features.registry import build_backbone

signal.signal(signal.SIGINT, signal.default_int_handler)
kept = [build_backbone(weights="random", engine="openvino", device="cpu", input_size=64)]
kept[0](np.zeros((1, 64, 64, 3), np.uint8))

def let_go():
    kept.clear()
    gc.collect()

thread = threading.Thread(target=let_go)
thread.start()
thread.join()
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_stays_an_exception_after_a_backbone_is_gone() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
