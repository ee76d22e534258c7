import io

import numpy as np
from fakes import FakeClock, a_reading, controls
from rich.console import Console

from realtime.base.messages import message
from realtime.values import Frame
from realtime.viewers.terminal import Bar, Bars, Line, summary, table


def frame(t: float, index: int = 0) -> Frame:
    return Frame(np.zeros((4, 4, 3), np.uint8), t, index)


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None, legacy_windows=False)


def test_all_faces_in_one_line():
    assert summary([]) == "no face"
    assert summary([a_reading(), a_reading("fear", unsure="tie", id=7)]) == "1 happiness 88%   7 unsure (tie)"


def test_a_pipe_gets_a_line_a_second():
    clock, out = FakeClock(10.0), console(terminal=False)
    shared = controls(clock)
    with Line(out, clock, shared) as line:
        for i in range(61):
            clock.now = 10 + i / 30
            for sink in (line, shared):
                sink.write(frame(clock.now - 0.02, i), [a_reading()])
    lines = out.file.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[1].split() == ["30", "fps", "20", "ms", "1", "happiness", "88%"]


def test_a_new_face_is_told_at_once():
    clock, out = FakeClock(10.0), console(terminal=False)
    seen = [[], [a_reading()], [a_reading()], [a_reading(), a_reading("fear", id=2)], [a_reading()]]
    with Line(out, clock, controls(clock)) as line:
        for i, readings in enumerate(seen):
            clock.now = 10 + i / 10
            line.write(frame(clock.now, i), readings)
    lines = out.file.getvalue().splitlines()
    assert [line.split(" ms ")[1].strip() for line in lines] == ["no face", "1 happiness 88%", "1 happiness 88%   2 fear 88%"]


def test_a_terminal_gets_one_line_that_is_written_over_and_then_taken_away():
    clock, out = FakeClock(), console(terminal=True)
    with Line(out, clock, controls(clock)) as line:
        for i in range(10):
            clock.now = i / 5
            line.write(frame(clock.now, i), [a_reading("anger" if i < 5 else "fear")])
    text = out.file.getvalue()
    assert "anger 88%" in text
    assert "fear 88%" in text
    # One line only, and at the end the codes that go up to it and erase it.
    assert text.count("\n") == 1
    assert text.endswith("\x1b[1A\x1b[2K")


def test_the_bar_counts_frames_and_tells_the_speed():
    out = console(terminal=True)
    with Bar(out, lambda: 40, None) as bar:
        for i in range(30):
            bar.write(frame(i / 30, i), [])
    text = out.file.getvalue()
    assert "30/40 frames" in text
    assert "fps" in text


def test_the_bar_is_silent_in_a_pipe():
    out = console(terminal=False)
    with Bar(out, lambda: None, 2.0) as bar:
        bar.write(frame(0.0), [])
    assert out.file.getvalue().strip() == ""


def test_the_line_says_why_nothing_comes():
    clock, out = FakeClock(10.0), console(terminal=False)
    with Line(out, clock, controls(clock)) as line:
        line.write(frame(10.0), [])
        for i in range(1, 31):
            clock.now = 10 + i / 10
            line.idle(message("reconnecting", source="camera 0", seconds=i // 10) if i > 15 else None)
    lines = out.file.getvalue().splitlines()
    assert lines[1:] == ["camera 0: reconnecting (1 s)", "camera 0: reconnecting (2 s)"]


def test_the_bar_says_why_nothing_comes():
    out = console(terminal=True)
    with Bar(out, lambda: None, None) as bar:
        bar.write(frame(0.0), [])
        bar.idle(None)
        bar.idle(message("reconnecting", source="camera 0", seconds=3))
    assert "1 frames   camera 0: reconnecting (3 s)" in out.file.getvalue()


def test_bars_tables_and_lines_show_names_as_text():
    out = console(terminal=True)
    with Bars(out) as bars:
        bars.update("a[/b]\x1b[5m.mp4", 1, 10, 0.1)
        bars.tell("wrote [c]\x07.mp4")
        bars.end("a[/b]\x1b[5m.mp4", "wrote [d]\n.mp4")
    out.print(table("[e] 1 fps", ("name", "n"), [("[/g]", "1")]))
    clock = FakeClock(10.0)
    with Line(out, clock, controls(clock)) as line:
        line.idle(message("waiting", source="[h]\x1b[5m", seconds=1))
    text = out.file.getvalue()
    for name in ("a[/b]\\x1b[5m.mp4", "[c]\\x07.mp4", "[d]\\n.mp4", "[e] 1 fps", "[/g]", "[h]\\x1b[5m"):
        assert name in text
    assert "\x1b[5m" not in text and "\x07" not in text
