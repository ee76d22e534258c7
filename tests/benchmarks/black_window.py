"""Opens a window on a virtual screen beside two busy processes: how often does it stay black?

    python tests/benchmarks/black_window.py [TIMES]            default: 40; needs Debian's packages xvfb and xdotool, and openbox

Without and with the window manager openbox: how many windows had no picture 8 s after they were there, and how many of those had it once
they were hidden and shown. The window is `realtime.viewers.desktop`'s alone, without camera or model.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from test_window import Screen, wait_for  # noqa: E402

TITLE, GREY = "A grey picture", 200
START_S, PATIENCE_S = 60, 8
"""How long the process may take to open its window, and the window to get its picture."""
SHOWS = f"""
import time
import numpy as np
from realtime.viewers.desktop import DesktopWindow
screen = DesktopWindow("{TITLE}")
while True:
    screen.show(np.full((480, 640, 3), {GREY}, np.uint8))
    time.sleep(0.02)
"""


def opened(manager: str | None) -> tuple[bool, bool]:
    """Opens the window once: whether its picture was there, and, if not, whether it came once the window was hidden and shown."""
    with tempfile.TemporaryDirectory() as folder:
        screen = Screen(Path(folder))

        def there() -> bool:
            return bool((screen.picture() == GREY).all(axis=2).mean() > 0.2)

        quiet = {"env": screen.environment, "cwd": ROOT, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started = []
        try:
            if manager:
                started.append(subprocess.Popen([manager], **quiet))
                time.sleep(1)
            started.append(subprocess.Popen([sys.executable, "-c", SHOWS], **quiet))
            window = wait_for(lambda: screen.find(TITLE), START_S)
            if wait_for(there, PATIENCE_S):
                return True, False
            screen.xdotool("windowunmap", "--sync", window, "windowmap", "--sync", window)
            return False, bool(wait_for(there, PATIENCE_S))
        finally:
            for process in reversed(started):
                process.kill()
                process.wait()
            screen.close()


def main(times: int) -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        for manager in (None, "openbox"):
            black = [cured for shown, cured in (opened(manager) for _ in range(times)) if not shown]
            name = manager or "no window manager"
            print(f"{name}: black {len(black)} of {times}, painted once hidden and shown: {sum(black)}", flush=True)
    finally:
        for process in busy:
            process.kill()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
