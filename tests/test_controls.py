"""What window and page share: rate, latency, messages, commands; and the window that draws it, without a screen."""

import errno
import os
import time

import numpy as np
import pytest
from fakes import FakeClock, NoCameras, NoProfile, a_reading, controls

from realtime.base.errors import Trouble
from realtime.base.messages import TEXTS, message
from realtime.config import Choices
from realtime.drawing.bar import place_buttons
from realtime.drawing.draw import annotate, waiting
from realtime.drawing.hud import Hud
from realtime.drawing.words import LANGUAGES
from realtime.recording.recording import RecordingSetup
from realtime.recording.switch import RecordSwitch
from realtime.values import Box, Frame
from realtime.viewers.controls import MESSAGE_S
from realtime.viewers.inputs import Click, Key, Move
from realtime.viewers.window import NO_FACE_S, Window


class ListScreen:
    """A window on the desktop that keeps what it is shown and gives scripted keys, moves and clicks, one at a time."""

    def __init__(self, keys):
        self.shown, self.closed, self.filled = [], False, False
        self.inputs = [Key(key) if isinstance(key, str) else key for key in keys]

    def show(self, picture):
        self.shown.append(picture)
        return self.wait()

    def wait(self):
        return [self.inputs.pop(0)] if self.inputs else []

    def size(self, picture_wh):
        return picture_wh

    def resize(self, picture_wh):
        pass

    def fill(self):
        self.filled = not self.filled

    def close(self):
        pass


def test_escape_closes_the_help_then_leaves_full_screen_then_quits():
    window = Window(controls())
    window._desktop = screen = ListScreen("fh\x1b\x1b\x1b")
    states = []
    for i in range(5):
        window.write(Frame(np.zeros((480, 640, 3), np.uint8), 0.0, i), [])
        states.append((window._help, screen.filled, window.closed))
    assert states == [
        (False, True, False),
        (True, True, False),
        (False, True, False),
        (False, False, False),
        (False, False, True),
    ]


def test_a_click_on_a_button_does_what_its_key_does():
    profiles, cameras = NoProfile(), NoCameras()
    clock = FakeClock(5.0)
    window = Window(controls(profiles=profiles, cameras=cameras), clock)
    places = dict(place_buttons((640, 480), 1.0, []))
    clicks = [Click(places[name][:2]) for name in ("camera", "profile", "help", "help", "fill", "pause", "quit")]
    window._desktop = screen = ListScreen([Move((5, 5)), *clicks])
    image, states = np.full((480, 640, 3), 50, np.uint8), []
    for i in range(8):
        window.write(Frame(image, 0.0, i), [])
        states.append((window._help, screen.filled, window._paused, window.closed))
    assert cameras.chosen == ["0"] and profiles.chosen == ["ana"]
    assert [state.index(True) if any(state) else None for state in states[3:]] == [0, None, 1, 1, 1]
    assert states[-1] == (False, True, True, True)


def test_while_no_frame_comes_the_bar_appears_and_goes():
    clock = FakeClock(5.0)
    window = Window(controls(), clock)
    window._desktop = screen = ListScreen([])
    window.write(Frame(np.full((480, 640, 3), 50, np.uint8), 0.0, 0), [])
    window.idle(None)
    assert len(screen.shown) == 1
    screen.inputs.append(Move((5, 5)))
    window.idle(None)
    assert len(screen.shown) == 2 and (screen.shown[1] != screen.shown[0]).any()
    window.idle(None)
    assert len(screen.shown) == 2
    clock.sleep(3)
    window.idle(None)
    assert len(screen.shown) == 3 and (screen.shown[2] == screen.shown[0]).all()


def test_the_window_speaks_its_language_in_messages_and_while_it_waits():
    german, cameras = LANGUAGES["de"], NoCameras()
    window = Window(controls(cameras=cameras, words=german))
    window._desktop = screen = ListScreen("c")
    image = np.full((480, 640, 3), 50, np.uint8)
    for i in range(2):
        window.write(Frame(image, 0.0, i), [])
    assert cameras.chosen == ["0"]
    # The numbers are in other corners.
    corner = (slice(440, 480), slice(400, 640))
    assert (screen.shown[1][corner] == annotate(image, [], Hud(None, 0, message="jetzt 0"), german)[corner]).all()
    window.idle(message("reconnecting", source="camera 0", seconds=3))
    card = (slice(200, 280), slice(100, 540))
    assert (screen.shown[2][card] == waiting(image, "camera 0: verbindet neu (3 s)", Hud(None, 0), german)[card]).all()


@pytest.mark.parametrize(("key", "chosen"), [("p", ["ana"]), ("c", ["0"])])
def test_the_keys_of_the_window_reach_profile_and_camera(key, chosen):
    profiles, cameras = NoProfile(), NoCameras()
    window = Window(controls(profiles=profiles, cameras=cameras))
    window._desktop = ListScreen(key)
    window.write(Frame(np.zeros((48, 64, 3), np.uint8), 0.0, 0), [])
    assert (profiles.chosen if key == "p" else cameras.chosen) == chosen
    assert (cameras.chosen if key == "p" else profiles.chosen) == []


def test_rate_and_latency_are_those_of_the_frames_that_were_shown():
    clock = FakeClock(10.0)
    shared = controls(clock)
    for i in range(61):
        clock.now = 10 + i / 20
        shared.write(Frame(np.zeros((4, 4, 3), np.uint8), clock.now - 0.03, 2 * i), [])
    status = shared.status()
    assert status.fps == pytest.approx(20)
    assert status.latency_ms == pytest.approx(30)
    assert status.dropped == 60


def test_a_message_is_shown_for_a_while():
    clock = FakeClock(5.0)
    shared = controls(clock)
    assert shared.status().message is None
    shared.say(message("profile_on", name="ana"))
    assert shared.status().message == "profile ana"
    clock.sleep(MESSAGE_S + 0.01)
    assert shared.status().message is None


def recordings(folder, privacy="none") -> RecordSwitch:
    return RecordSwitch(
        folder, lambda: {"source": "test", "labels": []}, RecordingSetup(time.monotonic, choices=Choices(privacy=privacy), live=True)
    )


def test_a_command_that_names_the_start_does_not_stop_what_runs(tmp_path):
    switch = recordings(tmp_path)
    shared = controls(recordings=switch)
    shared.record(start=True)
    first = switch.running
    shared.record(start=True)
    assert first is not None and switch.running is first and shared.status().recording is first
    shared.record(start=False)
    shared.record(start=False)
    assert switch.running is None
    shared.record()
    assert switch.running is not None
    shared.record()
    assert switch.running is None


def test_a_snapshot_is_saved_or_says_why_not(tmp_path):
    picture = np.full((48, 64, 3), 90, np.uint8)
    shared = controls(recordings=recordings(tmp_path / "a"))
    shared.snapshot(picture)
    [file] = (tmp_path / "a").glob("*.png")
    assert shared.status().message == f"saved {file}"
    private = controls(recordings=recordings(tmp_path / "b", privacy="blur"))
    private.snapshot(picture)
    assert private.status().message == "no snapshots with --privacy" and not (tmp_path / "b").exists()
    (tmp_path / "c").write_text("a file where the folder should be")
    blocked = controls(recordings=recordings(tmp_path / "c"))
    blocked.snapshot(picture)
    assert "cannot make the folder" in blocked.status().message


def test_a_full_disk_leaves_no_part_of_a_snapshot(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    shared = controls(recordings=recordings(tmp_path / "a"))
    shared.snapshot(np.full((48, 64, 3), 90, np.uint8))
    assert "no space left on device" in shared.status().message
    assert list((tmp_path / "a").iterdir()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_a_sentence_for_every_message_with_all_its_values(language):
    words = LANGUAGES[language]
    assert set(words.messages) == set(TEXTS)
    for key, english in TEXTS.items():
        values = {
            name: f"<{name}>"
            for name in ("text", "file", "name", "names", "source", "seconds", "reason", "count")
            if f"{{{name}}}" in english
        }
        sentence = words.sentence(message(key, **values))
        assert all(value in sentence for value in values.values()), (language, key)
        assert language == "en" or key == "text" or sentence != str(message(key, **values)) or key == "profile_on", (language, key)


def test_a_message_within_a_message_has_its_language_too():
    reason = Trouble(message("no_other_camera"))
    told = message("camera_unchanged", source="demo.mp4", reason=reason)
    assert str(told) == "demo.mp4 stays: there is no other camera: `run.py cameras` lists them"
    assert LANGUAGES["de"].sentence(told) == "demo.mp4 bleibt: es gibt keine andere Kamera: run.py cameras zählt sie auf"


def test_the_demo_clip_is_told_and_that_it_stands_for_a_camera():
    cameras = NoCameras()
    shared = controls(cameras=cameras, words=LANGUAGES["de"])
    assert shared.status().source == "Beispielfilm"
    cameras.candidates = ["0", "demo"]
    assert shared.status().source == "Beispielfilm: keine Kamera gefunden"
    cameras.current = "0"
    assert shared.status().source is None


def test_after_some_seconds_without_a_face_the_window_tells_what_helps():
    window = Window(controls())
    window._desktop = screen = ListScreen("")
    image = np.full((480, 640, 3), 50, np.uint8)

    def shown(t: float, faces) -> np.ndarray:
        window.write(Frame(image, t, 0), faces)
        return screen.shown[-1][:40, 150:490]

    quiet = shown(10.0, [])
    assert (shown(10.0 + NO_FACE_S - 0.1, []) == quiet).all()
    assert (shown(10.0 + NO_FACE_S, []) != quiet).any()
    assert (shown(10.1 + NO_FACE_S, [a_reading(box=Box(200, 150, 400, 350))]) == quiet).all()
    assert (shown(13.0 + NO_FACE_S, []) == quiet).all()


def test_rate_and_delay_are_shown_by_a_key():
    window = Window(controls())
    window._desktop = screen = ListScreen("i")
    for i in range(2):
        window.write(Frame(np.full((480, 640, 3), 50, np.uint8), 0.0, i), [])
    assert (screen.shown[0] != screen.shown[1]).any()


def test_a_trouble_is_told_in_its_own_words():
    assert str(message("text", text=Trouble("cannot write x"))) == "cannot write x"
