import numpy as np
import pytest
from fakes import CollectSink

from realtime.drawing.draw import Hud, annotate, waiting
from realtime.drawing.words import LANGUAGES
from realtime.loop import Sinks, Tap
from realtime.values import Frame
from realtime.viewers.desktop import NO_KEY, has_display
from realtime.viewers.window import Window


def frame(t: float, index: int = 0) -> Frame:
    return Frame(np.full((48, 64, 3), 50, np.uint8), t, index)


def test_every_sink_gets_every_frame_and_is_closed():
    first, second, seen = CollectSink(), CollectSink(), []
    with Sinks([first, second, Tap(lambda frame, readings: seen.append(frame.index))]) as sinks:
        for i in range(3):
            sinks.write(frame(i, i), [])
    assert [f.index for f in first.frames] == [f.index for f in second.frames] == seen == [0, 1, 2]
    assert (first.closed, second.closed) == (1, 1)


class ListScreen:
    """A screen that keeps what it is shown and gives scripted keys."""

    def __init__(self, keys: str):
        self.shown, self.keys, self.closed = [], list(keys), False

    def show(self, picture):
        self.shown.append(picture)
        return ord(self.keys.pop(0)) if self.keys else NO_KEY

    def resize(self, picture):
        pass

    def close(self):
        pass


def test_the_window_speaks_its_language_in_messages_and_while_it_waits():
    switch, german = type("NoSwitch", (), {"running": None}), LANGUAGES["de"]
    window = Window(lambda: 0.0, lambda: False, switch, lambda: 0, lambda: 0, None, lambda: "saved x.mp4", german)
    window._screen = screen = ListScreen("c")
    image = np.full((480, 640, 3), 50, np.uint8)
    for i in range(2):
        window.write(Frame(image, 0.0, i), [])
    # The numbers are in other corners.
    message = (slice(440, 480), slice(400, 640))
    assert (screen.shown[1][message] == annotate(image, [], Hud(None, 0, message="gespeichert: x.mp4"), german)[message]).all()
    window.idle("camera 0: reconnecting (3 s)")
    card = (slice(200, 280), slice(100, 540))
    assert (screen.shown[2][card] == waiting(image, "camera 0: verbindet neu (3 s)", Hud(None, 0), german)[card]).all()


def test_a_sink_that_fails_does_not_keep_the_others_open():
    first, broken, last = CollectSink(), CollectSink(RuntimeError("full"), at=1), CollectSink()
    with pytest.raises(RuntimeError, match="full"), Sinks([first, broken, last]) as sinks:
        sinks.write(frame(0), [])
        sinks.write(frame(1), [])
    assert (first.closed, broken.closed, last.closed) == (1, 1, 1)


def test_a_sink_that_fails_while_closing_does_not_keep_the_others_open():
    class Stuck(CollectSink):
        def __exit__(self, *error):
            raise OSError("disk gone")

    first, last = CollectSink(), CollectSink()
    with pytest.raises(OSError, match="disk gone"), Sinks([first, Stuck(), last]) as sinks:
        sinks.write(frame(0), [])
    assert (first.closed, last.closed) == (1, 1)


@pytest.mark.parametrize("display", ["", "nonsense", ":997", "127.0.0.1:99", "unix:997"])
def test_no_screen_is_noticed(monkeypatch, display):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    assert not has_display()
