"""`run.py live` in a real window on a virtual screen, driven by real keys."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import ROOT
from fakes import NetworkCamera

from realtime.drawing.bar import GROUND, outline, place_buttons
from realtime.drawing.palette import COLOURS
from realtime.viewers.window import Window

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="needs Debian's packages xvfb and xdotool"),
]


class Screen:
    """A virtual screen whose pixels lie in a file."""

    def __init__(self, folder: Path):
        self.file = folder / "Xvfb_screen0"
        read, write = os.pipe()
        # Without -noreset it starts anew whenever its last client leaves, xdotool or the look whether there is a display, and whoever comes
        # in that moment is thrown out.
        command = ["Xvfb", "-noreset", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-fbdir", str(folder)]
        self.process = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            self.display = f":{pipe.readline().strip()}"
        self.environment = {**os.environ, "DISPLAY": self.display}

    def picture(self) -> np.ndarray:
        """What is on the screen, (h, w, 3) BGR: the file is an XWD dump, a header of big-endian words and then the pixels."""
        content = self.file.read_bytes()
        words = np.frombuffer(content[:100], ">u4")
        head, width, height, line, colours = int(words[0]), int(words[4]), int(words[5]), int(words[12]), int(words[19])
        start = head + 12 * colours
        return np.frombuffer(content[start : start + line * height], np.uint8).reshape(height, line // 4, 4)[:, :width, :3]

    def xdotool(self, *args: str) -> str:
        done = subprocess.run(["xdotool", *args], env=self.environment, capture_output=True, text=True, timeout=20, check=False)
        return done.stdout.strip()

    def find(self, title: str) -> str:
        """The number of the window with a title that is shown; "" where there is none.

        xdotool cannot search for it: SDL's titles are UTF-8, also in the old property.
        """
        from Xlib.display import Display
        from Xlib.error import XError
        from Xlib.X import IsViewable

        display = Display(self.display)
        name, waiting = display.intern_atom("_NET_WM_NAME"), [display.screen().root]
        try:
            while waiting:
                # One may close meanwhile.
                with suppress(XError):
                    window = waiting.pop()
                    waiting += window.query_tree().children
                    found = window.get_full_property(name, 0)
                    if found and found.value.decode() == title and window.get_attributes().map_state == IsViewable:
                        return str(window.id)
            return ""
        finally:
            display.close()

    def press_x(self, window: str) -> None:
        """What a window manager sends when the user clicks the X."""
        from Xlib.display import Display
        from Xlib.protocol.event import ClientMessage

        display = Display(self.display)
        target = display.create_resource_object("window", int(window))
        kind, wish = (display.intern_atom(name) for name in ("WM_PROTOCOLS", "WM_DELETE_WINDOW"))
        target.send_event(ClientMessage(window=target, client_type=kind, data=(32, [wish, 0, 0, 0, 0])))
        display.sync()
        display.close()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def screen(tmp_path):
    folder = tmp_path / "screen"
    folder.mkdir()
    made = Screen(folder)
    yield made
    made.close()


def start(screen: Screen, cwd: Path, *args: str, source: str = "demo") -> tuple[subprocess.Popen, str]:
    """Starts `live` and waits for its window; gives the process and the window's number."""
    command = [sys.executable, str(ROOT / "run.py"), "live", "--source", source, *args]
    process = subprocess.Popen(command, env=screen.environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return process, painted(screen, Window.title, process)


def painted(screen: Screen, title: str, process: subprocess.Popen) -> str:
    """Waits until a window is there with its picture, and gives its number and the keys to it."""
    window = wait_for(lambda: screen.find(title), 30)
    assert window, process.communicate(timeout=20)
    # A mouse pointer is no picture: it has 128 pixels.
    assert wait_for(lambda: screen.picture().any(axis=2).sum() > 1000, 20)
    # The tests look at places of the picture, and the bar would hide some: the mouse leaves.
    screen.xdotool("windowmove", window, "0", "0", "windowfocus", "--sync", window, "mousemove", "1000", "760")
    return window


def wait_for(condition, seconds: float):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.1)
    return condition()


def finish(process: subprocess.Popen) -> str:
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, ""), (out, err)
    return out


def test_the_window_shows_the_face_and_obeys_its_keys(screen, tmp_path):
    process, window = start(screen, tmp_path)
    recordings = tmp_path / "recordings"
    screen.xdotool("key", "--window", window, "r")
    assert wait_for(lambda: [p for p in recordings.glob("*.jsonl") if p.read_text().count("\n") > 10], 20)
    screen.xdotool("key", "--window", window, "s")
    assert wait_for(lambda: list(recordings.glob("*.png")), 20)
    recording = screen.picture()
    screen.xdotool("key", "--window", window, "r")
    screen.xdotool("key", "--window", window, "q")
    out = finish(process)
    assert "latency" in out

    # The recording sign is on the screen, not in the snapshot.
    red = (recording[..., 2] > 200) & (recording[..., 1] < 90) & (recording[..., 0] < 90)
    assert red.sum() > 40
    [snapshot] = recordings.glob("*.png")
    assert cv2.imread(str(snapshot)).shape == (480, 640, 3)
    [video], [readings] = recordings.glob("*.mp4"), recordings.glob("*.jsonl")
    assert video.stat().st_size > 1000
    head, *rest = map(json.loads, readings.read_text().splitlines())
    assert head["source"] == "demo.mp4"
    assert len(rest) > 10


def test_a_key_that_is_held_down_acts_once(screen, tmp_path):
    process, window = start(screen, tmp_path)
    recordings = tmp_path / "recordings"
    screen.xdotool("keydown", "r")
    time.sleep(2)
    screen.xdotool("keyup", "r")
    assert wait_for(lambda: [p for p in recordings.glob("*.jsonl") if p.read_text().count("\n") > 30], 20)
    screen.xdotool("key", "--window", window, "q")
    finish(process)
    assert len(list(recordings.glob("*.jsonl"))) == 1


def test_pause_hide_mirror_and_help_do_what_they_say(screen, tmp_path):
    film = tmp_path / "still.mp4"
    with av.open(str(film), "w") as made:
        stream = made.add_stream("libx264", 30)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for i in range(900):
            # Dark on the left, and a clock of gray in the middle.
            picture = np.full((480, 640, 3), 200, np.uint8)
            picture[:, :100], picture[200:280, 300:340] = 40, 60 + i % 100
            made.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        made.mux(stream.encode())
    process, window = start(screen, tmp_path, "--record", str(tmp_path / "out.mp4"), "--lang", "zh", source=str(film))

    def press(key: str) -> None:
        screen.xdotool("key", "--window", window, key)

    def clock() -> int:
        return int(screen.picture()[240, 320, 0])

    def left() -> float:
        return float(screen.picture()[240, 20:80].mean())

    assert wait_for(lambda: left() < 60, 20)
    press("m")
    assert wait_for(lambda: left() > 180, 10)
    press("h")
    assert wait_for(lambda: (screen.picture()[150:330, 200:440] < 40).mean() > 0.3, 10)
    press("question")
    assert wait_for(lambda: (screen.picture()[150:330, 200:440] < 40).mean() < 0.1, 10)
    corner = screen.picture()[440:, :200].copy()
    press("space")
    assert wait_for(lambda: (screen.picture()[:50, 250:390] < 90).any(), 10)
    still, written = clock(), (tmp_path / "out.jsonl").read_text().count("\n")
    assert wait_for(lambda: (tmp_path / "out.jsonl").read_text().count("\n") > written + 15, 10)
    assert clock() == still
    press("space")
    assert wait_for(lambda: clock() != still, 10)
    press("o")
    assert wait_for(lambda: (screen.picture()[440:, :200] != corner).any(), 10)
    for key in ("f", "p", "c", "x", "Left", "Right", "Up", "Down", "Home", "Shift_L", "F1", "Insert"):
        press(key)
    written = (tmp_path / "out.jsonl").read_text().count("\n")
    assert wait_for(lambda: (tmp_path / "out.jsonl").read_text().count("\n") > written + 15, 10)
    assert process.poll() is None and not list((tmp_path / "recordings").glob("*.png"))
    press("q")
    finish(process)


def button(action: str, size_wh: tuple[int, int] = (640, 480)) -> tuple[str, str]:
    """Where the middle of a button is in a window of a size without faces, as xdotool wants it."""
    x, y, wide, tall = dict(place_buttons(size_wh, max(0.7, min(size_wh) / 480), []))[action]
    return str(x + wide // 2), str(y + tall // 2)


def has_bar(screen: Screen, size_wh: tuple[int, int] = (640, 480)) -> bool:
    """Whether the bar is on the screen: the upper edge of its buttons, which no state of theirs colours."""
    x, y, wide, _ = outline(place_buttons(size_wh, max(0.7, min(size_wh) / 480), []))
    return bool((screen.picture()[y, x : x + wide] == GROUND).all())


def test_a_mouse_alone_can_do_everything(screen, tmp_path):
    film = tmp_path / "still.mp4"
    write_bright_film(film, (640, 480), 1800, dark=100)
    process, window = start(screen, tmp_path, source=str(film))
    recordings = tmp_path / "recordings"

    def click(action: str, size_wh: tuple[int, int] = (640, 480)) -> None:
        at = button(action, size_wh)

        def moved(aside: int) -> bool:
            screen.xdotool("mousemove", str(int(at[0]) + aside), at[1])
            return wait_for(lambda: has_bar(screen, size_wh), 3)

        # The first move shows the bar, for two seconds. One that comes while the window changes its size may show it elsewhere.
        assert any(moved(aside) for aside in (5, 6, 5))
        screen.xdotool("mousemove", *at, "click", "1")

    def left() -> float:
        return float(screen.picture()[240, 20:80].mean())

    def is_on(action: str, channel: int) -> bool:
        x, y = (int(side) for side in button(action))
        return screen.picture()[y - 17, x, channel] > 140

    def helped() -> bool:
        return (screen.picture()[150:330, 200:440] < 40).mean() > 0.3

    assert wait_for(lambda: left() < 60, 20)
    click("mirror")
    assert wait_for(lambda: left() > 180 and is_on("mirror", 1), 10)
    click("record")
    assert wait_for(lambda: is_on("record", 2) and not is_on("record", 1), 10)
    click("snapshot")
    assert wait_for(lambda: list(recordings.glob("*.png")), 20)
    for action in ("pause", "hide", "numbers"):
        click(action)
        assert wait_for(lambda action=action: is_on(action, 1), 10), action
    click("help")
    assert wait_for(helped, 10)
    click("help")
    assert wait_for(lambda: not helped(), 10)
    for action in ("profile", "camera"):
        click(action)
    click("record")
    assert wait_for(lambda: not is_on("record", 2), 10)
    click("fill")
    assert wait_for(lambda: "1024x768" in screen.xdotool("getwindowgeometry", window), 10)
    click("fill", (1024, 768))
    assert wait_for(lambda: "640x480" in screen.xdotool("getwindowgeometry", window), 10)

    def in_the_corner() -> bool:
        screen.xdotool("windowmove", window, "0", "0")
        time.sleep(0.5)
        return "Position: 0,0" in screen.xdotool("getwindowgeometry", window)

    # A moment after full screen the program puts its window back to where it was.
    assert wait_for(in_the_corner, 10)
    click("quit")
    finish(process)
    [readings] = recordings.glob("*.jsonl")
    assert readings.read_text().count("\n") > 5


@pytest.fixture
def manager(screen):
    """A window manager, which puts frames around windows."""
    if not shutil.which("openbox"):
        pytest.skip("needs Debian's package openbox")
    with subprocess.Popen(["openbox"], env=screen.environment, stderr=subprocess.DEVNULL) as process:
        yield
        process.terminate()


def test_full_screen_and_back_leaves_the_window_where_it_was(screen, manager, tmp_path):
    process, window = start(screen, tmp_path)
    screen.xdotool("windowmove", "--sync", window, "200", "100")

    def geometry() -> str:
        return screen.xdotool("getwindowgeometry", window)

    before = geometry()
    assert "640x480" in before
    for _ in range(2):
        screen.xdotool("key", "f")
        assert wait_for(lambda: "Position: 0,0 " in geometry() and "1024x768" in geometry(), 10)
        screen.xdotool("key", "f")
        assert wait_for(lambda: geometry() == before, 10), (geometry(), before)
    screen.xdotool("key", "q")
    finish(process)


@pytest.mark.parametrize("layout", ["us", "de"])
def test_a_question_mark_opens_the_help_on_any_layout_and_f1_and_h_do(screen, tmp_path, layout):
    if not shutil.which("setxkbmap"):
        pytest.skip("needs Debian's package x11-xkb-utils")
    subprocess.run(["setxkbmap", layout], env=screen.environment, check=True)
    film = tmp_path / "still.mp4"
    write_bright_film(film, (640, 480), 1800)
    process, _ = start(screen, tmp_path, source=str(film))

    def helped() -> bool:
        return (screen.picture()[150:330, 200:440] < 40).mean() > 0.3

    question = "slash" if layout == "us" else "ssharp"
    assert not helped()
    for keys in (["keydown", "shift", "sleep", "0.5", "key", question, "keyup", "shift"], ["key", "F1"], ["key", "h"]):
        screen.xdotool(*keys)
        assert wait_for(helped, 10), keys
        screen.xdotool("key", "Escape")
        assert wait_for(lambda: not helped(), 10), keys
    screen.xdotool("key", "q")
    finish(process)


def test_wheel_and_drag_change_nothing_and_the_bar_goes(screen, tmp_path):
    film = tmp_path / "still.mp4"
    write_bright_film(film, (640, 480), 1800, dark=100)
    process, window = start(screen, tmp_path, source=str(film))

    def part() -> np.ndarray:
        return screen.picture()[60:350, :640]

    # No face is found in it: after three seconds a line at the top says so, above what is compared.
    assert wait_for(lambda: part()[100, 50].max() < 60, 20)
    before = part().copy()
    for button_number in ("4", "5", "4", "4", "3", "2"):
        screen.xdotool("mousemove", "300", "200", "click", button_number)
    assert wait_for(lambda: has_bar(screen), 10)
    # Over a button the wheel and the other buttons press nothing.
    screen.xdotool("mousemove", *button("quit"), "click", "4", "click", "5", "click", "3", "click", "2")
    screen.xdotool("mousemove", "300", "200", "mousedown", "1", "mousemove", "100", "300", "mousemove", "200", "300", "mouseup", "1")
    assert wait_for(lambda: (part()[:, :300] == before[:, :300]).all() and has_bar(screen), 5)
    screen.xdotool("mousemove", "1000", "760")
    assert wait_for(lambda: not has_bar(screen), 10)
    # A picture of the screen that is taken while the window draws shows half of each.
    assert wait_for(lambda: (part() == before).all(), 5)
    screen.xdotool("key", "--window", window, "q")
    finish(process)


def test_the_buttons_of_calibration_can_be_clicked(screen, tmp_path):
    command = [sys.executable, str(ROOT / "run.py"), "calibrate", "--plan", "quick", "--source", "demo", "--yes", "--name", "ada"]
    process = subprocess.Popen(command, env=screen.environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    painted(screen, "Calibration", process)
    assert wait_for(lambda: (screen.picture() == COLOURS["neutral"]).all(axis=2).sum() > 3000, 20)
    # The picture of 1200 x 600 is shown smaller, in the middle of a black screen: the button that leaves is at the panel's lower edge.
    shown = screen.picture().any(axis=2)
    columns, rows = np.flatnonzero(shown.any(axis=0)), np.flatnonzero(shown.any(axis=1))
    x, y = columns[0] + len(columns) * 1006 // 1200, rows[0] + len(rows) * 580 // 600
    screen.xdotool("mousemove", str(x), str(y), "click", "1")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "") and "nothing was taken" in out


def test_calibration_leads_through_its_plan_in_a_window(screen, tmp_path):
    command = [sys.executable, str(ROOT / "run.py"), "calibrate", "--plan", "neutral", "--source", "demo", "--yes", "--name", "ada"]
    process = subprocess.Popen(command, env=screen.environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    window = painted(screen, "Calibration", process)
    # The panel with the drawn face is beside the picture.
    assert wait_for(lambda: (screen.picture() == COLOURS["neutral"]).all(axis=2).sum() > 3000, 20)
    screen.xdotool("key", "--window", window, "q")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "") and "nothing was taken" in out


def test_with_covered_faces_no_snapshot_shows_them(screen, tmp_path):
    process, window = start(screen, tmp_path, "--privacy", "blur")
    recordings = tmp_path / "recordings"

    def recorded() -> int:
        return sum(path.read_text().count("\n") for path in recordings.glob("*.jsonl"))

    screen.xdotool("key", "--window", window, "r")
    assert wait_for(lambda: recorded() > 5, 20)
    screen.xdotool("key", "--window", window, "s")
    before = recorded()
    assert wait_for(lambda: recorded() > before + 20, 20)
    screen.xdotool("key", "--window", window, "q")
    finish(process)
    assert not list(recordings.glob("*.png"))


@pytest.mark.parametrize("how", ["q", "Q", "Escape", "close"])
def test_every_way_to_end_ends_well(screen, tmp_path, how):
    process, window = start(screen, tmp_path, "--record", str(tmp_path / "out.mp4"))
    assert wait_for(lambda: (tmp_path / "out.jsonl").exists() and (tmp_path / "out.jsonl").read_text().count("\n") > 5, 20)
    if how == "close":
        screen.press_x(window)
    else:
        screen.xdotool("key", "--window", window, how)
    assert "wrote" in finish(process)
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == len(lines) - 1
    capture.release()


def test_a_silent_camera_leaves_a_dimmed_picture_and_keys_that_work(screen, tmp_path):
    with NetworkCamera(size_wh=(640, 480), brightness=200) as camera:
        process, window = start(screen, tmp_path, "--record", str(tmp_path / "out.mp4"), source=camera.address)
        readings = tmp_path / "out.jsonl"
        assert wait_for(lambda: readings.exists() and readings.read_text().count("\n") > 5, 20)
        assert wait_for(lambda: screen.picture()[100, 100].mean() > 190, 10)
        camera.silent.set()
        # 200 is dimmed to 90; the numbers in the corner go with the frames, the recording sign stays.
        assert wait_for(lambda: screen.picture()[100, 100].max() < 100, 10)
        card = screen.picture()[200:280, 150:490]
        assert (card.min(axis=2) > 200).sum() > 100
        # The card lives: its seconds go on.
        assert wait_for(lambda: (screen.picture()[200:280, 150:490] != card).any(), 10)
        camera.silent.clear()
        assert wait_for(lambda: screen.picture()[100, 100].mean() > 190, 10)
        camera.silent.set()
        assert wait_for(lambda: screen.picture()[100, 100].max() < 100, 10)
        screen.xdotool("key", "--window", window, "q")
        out = finish(process)
    assert "reconnecting" in out
    assert "is back after" in out
    times = [json.loads(line)["t"] for line in readings.read_text().splitlines()[1:]]
    # One film over the gap, which stays in its clock.
    assert max(after - before for before, after in pairwise(times)) > 2
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == len(times)
    capture.release()


def write_bright_film(path: Path, size_wh: tuple[int, int], count: int, dark: int = 0) -> None:
    """A film of so many pictures of one light gray, 30 a second; the left `dark` columns are dark."""
    picture = np.full((size_wh[1], size_wh[0], 3), 200, np.uint8)
    picture[:, :dark] = 40
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", 30)
        stream.width, stream.height, stream.pix_fmt = *size_wh, "yuv420p"
        for _ in range(count):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        made.mux(stream.encode())


def test_a_film_larger_than_the_screen_opens_within_it_and_has_black_margins_in_another_shape(screen, tmp_path):
    film = tmp_path / "large.mp4"
    write_bright_film(film, (1920, 1080), 300)
    process, window = start(screen, tmp_path, source=str(film))
    assert wait_for(lambda: "922x518" in screen.xdotool("getwindowgeometry", window), 10)
    screen.xdotool("windowsize", window, "600", "600")
    assert wait_for(lambda: (screen.picture()[200:400, 100:500] > 190).all(), 10)
    # The picture is 337 px high now.
    assert wait_for(lambda: (screen.picture()[20:100, 50:400] < 10).all(), 10)
    screen.xdotool("key", "--window", window, "q")
    finish(process)


def test_the_last_picture_of_a_film_stays_for_a_while_with_a_card_and_then_the_session_ends(screen, tmp_path):
    film = tmp_path / "short.mp4"
    write_bright_film(film, (640, 480), 150)
    process, _ = start(screen, tmp_path, source=str(film))
    assert wait_for(lambda: screen.picture()[100, 100].max() < 100, 20)
    assert (screen.picture()[200:280, 150:490].min(axis=2) > 200).sum() > 100
    finish(process)


NO_PICTURE_YET = """
import time
import numpy as np
from fakes import controls
from realtime.base.messages import message
from realtime.viewers.window import Window
from realtime.values import Frame

with Window(controls(time.monotonic)) as window:
    while input() == "wait":
        window.idle(message("waiting", source="camera 0", seconds=3))
        print("shown", flush=True)
    window.write(Frame(np.full((320, 160, 3), 200, np.uint8), time.monotonic(), 0), [])
    print("shown", flush=True)
    input()
"""


def test_a_camera_without_a_first_picture_has_a_card_and_then_a_window_of_its_size(screen):
    command = [sys.executable, "-c", NO_PICTURE_YET]
    environment = screen.environment | {"PYTHONPATH": str(ROOT / "tests")}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, cwd=ROOT, text=True, **pipes) as process:

        def ask(what: str) -> None:
            process.stdin.write(f"{what}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "shown\n"

        def card() -> bool:
            ask("wait")
            return (screen.picture()[200:280, 100:540].min(axis=2) > 200).sum() > 100

        ask("wait")
        painted(screen, Window.title, process)
        assert wait_for(card, 20)
        ask("picture")
        window = screen.find(Window.title)
        assert wait_for(lambda: "240x480" in screen.xdotool("getwindowgeometry", window), 10)
        process.communicate("end\n", timeout=20)
