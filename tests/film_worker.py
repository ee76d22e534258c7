"""A process that records the films whose paths it reads, checks the recordings, and writes a line of JSON about each.

    python tests/film_worker.py FOLDER

`tests/mutated_films.py` starts it.
"""

import io
import json
import resource
import sys
import time
import traceback
from pathlib import Path

import numpy as np
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from realtime.base.errors import Trouble
from realtime.commands.record import RecordOptions, record_one
from realtime.config import CameraSettings, Choices, ReportSettings, Settings
from realtime.readings.file import read, readings_path
from realtime.readings.thumbnails import Moment, thumbnails
from realtime.readings.verify import decode_film, verify

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
OPTIONS = RecordOptions(Settings(), Choices(), CameraSettings(), None, True)
TOLD = ("its file is damaged", "its file is incomplete")
"""What `verify` says of a whole recording of a damaged film."""


def reset_peak() -> None:
    """Lets the kernel count the peak of the memory from now on."""
    if RESET.exists():
        RESET.write_text("5")


def peak_mb() -> float:
    """The most memory that this process occupied since `reset_peak`; where that does not work, since its start."""
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def one_line(trouble: Trouble) -> str:
    text = str(trouble)
    assert text and "\n" not in text, f"not one line: {text!r}"
    return text


def treat(path: Path, out: Path) -> tuple[str, str]:
    """Records a film and checks the recording; checks the film itself and cuts a face out of it. Gives the result and its line."""
    result, text = "whole", ""
    for file in (out, out.with_suffix(".jsonl")):
        file.unlink(missing_ok=True)
    try:
        record_one(str(path), out, OPTIONS, Console(file=io.StringIO(), width=10_000), lambda: False)
    except Trouble as trouble:
        result, text = "trouble", one_line(trouble)
    if out.exists():
        problems, _ = verify(out)
        wrong = [problem for problem in problems if not problem.endswith(TOLD)]
        if wrong:
            return "wrong", f"{' / '.join(wrong)} ({text})"
        assert len(read(readings_path(out)).t)
    # `verify` looks into MP4, MOV and MKV only.
    for check in (verify, decode_film):
        try:
            check(path)
        except Trouble as trouble:
            one_line(trouble)
    thumbnails(path, [Moment(0.4, "happiness", np.array([10.0, 10.0, 40.0, 40.0]))], None, ReportSettings())
    return result, text


def main() -> None:
    out = Path(sys.argv[1]) / "out.mp4"
    print("ready", flush=True)
    for line in sys.stdin:
        reset_peak()
        start = time.monotonic()
        try:
            result, text = treat(Path(line.rstrip("\n")), out)
        except Exception:
            result, text = "wrong", traceback.format_exc()
        print(json.dumps({"result": result, "text": text, "peak_mb": peak_mb(), "s": time.monotonic() - start}), flush=True)


if __name__ == "__main__":
    main()
