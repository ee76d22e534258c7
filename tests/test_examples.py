import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np

from realtime.sources.films import DEMO
from realtime.values import Box, Face, Reading

ROOT = Path(__file__).resolve().parent.parent


def reading(label: str, unsure: str | None = None) -> Reading:
    return Reading(Face(1, Box(0, 0, 9, 9), np.zeros((5, 2), np.float32)), np.full(7, 1 / 7, np.float32), label, 0.9, unsure)


def test_own_loop_prints_each_change_and_the_total_times():
    result = subprocess.run(
        [sys.executable, "-m", "examples.own_loop", str(DEMO)], cwd=ROOT, capture_output=True, text=True, timeout=100, check=True
    )
    lines = result.stdout.splitlines()
    assert sum("face 1:" in line for line in lines) >= 1
    assert sum(float(line.split()[1]) for line in lines if line.endswith(" s")) > 3


def test_picture_frame_shows_one_more_photo_for_each_smile(tmp_path):
    example = runpy.run_path(str(ROOT / "examples" / "picture_frame.py"))
    switch, times = example["SmileSwitch"](), []
    smile, rest = [reading("happiness")], [reading("neutral")]
    for i in range(100):
        t = i / 10
        readings = rest if 4 <= t < 4.5 else [reading("happiness", "tie")] if t >= 8 else smile
        if switch.update(t, readings):
            times.append(t)
    assert times == [1.0, 5.5]
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in example["photos_in"](tmp_path)] == ["a.jpg", "b.PNG"]
