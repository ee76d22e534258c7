"""Ctrl-C, SIGTERM and a terminal that closes, in a process of their own."""

import signal
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

PROGRAM = """
import signal, sys
from realtime.base.signals import stop_on_signal
signal.signal(signal.SIGHUP, signal.SIG_IGN if "nohup" in sys.argv else signal.SIG_DFL)
stopped = stop_on_signal()
print(stopped(), end=" ")
try:
    for name in sys.argv[1].split(","):
        signal.raise_signal(getattr(signal, name))
    print(stopped())
except KeyboardInterrupt:
    print("at once")
"""


@pytest.mark.parametrize(
    ("signals", "said"),
    [
        ("SIGINT", "True"),
        ("SIGTERM", "True"),
        ("SIGHUP", "True"),
        ("SIGHUP,SIGHUP,SIGTERM,SIGHUP", "True"),
        ("SIGINT,SIGINT", "at once"),
        ("SIGHUP,SIGTERM,SIGINT", "at once"),
    ],
)
def test_the_first_signal_ends_and_a_second_by_hand_ends_at_once(signals, said):
    done = subprocess.run([sys.executable, "-c", PROGRAM, signals], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == (f"False {said}\n", "")


def test_under_nohup_a_terminal_that_closes_ends_nothing():
    done = subprocess.run([sys.executable, "-c", PROGRAM, "SIGHUP", "nohup"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "False False\n"


def test_a_process_that_is_started_while_signals_are_held_back_does_not_get_them():
    program = """
import os, signal, subprocess, sys, time
from realtime.base.signals import held_back
with held_back():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.5); print('lived')"])
signal.signal(signal.SIGINT, lambda *_: print("held", flush=True))
with held_back():
    os.kill(os.getpid(), signal.SIGINT)
    print("still here", flush=True)
child.send_signal(signal.SIGINT)
child.wait()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("still here\nheld\nlived\n", "")
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
