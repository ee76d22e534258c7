import io

import numpy as np
from fakes import FakeClock, a_reading, controls
from rich.console import Console

from realtime.base.messages import message
from realtime.values import LABELS, Frame
from realtime.viewers.terminal import Bar, Bars, Line, bars, summary, table


def frame(t: float, index: int = 0) -> Frame:
    return Frame(np.zeros((4, 4, 3), np.uint8), t, index)


def console(terminal: bool, height: int = 25) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, height=height, color_system=None, legacy_windows=False)


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


def test_a_terminal_gets_bars_that_are_written_over_and_then_taken_away():
    clock, out = FakeClock(), console(terminal=True)
    with Line(out, clock, controls(clock)) as line:
        for i in range(10):
            clock.now = i / 5
            line.write(frame(clock.now, i), [a_reading("anger" if i < 5 else "fear")])
    text = out.file.getvalue()
    assert "anger 88%" in text
    assert "fear 88%" in text
    # A line for the speed, one for the face, seven bars; each picture goes over the one before, and at the end all of them are erased.
    assert text.count("\x1b[1A") == 8 * 10 + 9
    assert text.endswith("\x1b[1A\x1b[2K" * 9)


def test_a_bar_is_as_long_as_its_share():
    for width, full in ((40, 20), (80, 40), (200, 40)):
        lines = bars(a_reading(), width, blocks=False).plain.splitlines()[1:]
        assert [line.split()[0] for line in lines] == list(LABELS) and max(map(len, lines)) <= width
        shares = dict(zip(LABELS, a_reading().probs.tolist(), strict=True))
        assert {line.split()[0]: line.count("#") for line in lines} == {name: round(share * full) for name, share in shares.items()}
    assert "█" in bars(a_reading(), 80, blocks=True).plain


def test_bars_are_left_out_where_the_terminal_is_full():
    clock, out = FakeClock(), console(terminal=True, height=16)
    with Line(out, clock, controls(clock)) as line:
        line.write(frame(0.0), [a_reading(id=i) for i in range(1, 4)])
    first = out.file.getvalue().split("\x1b[1A")[0]
    assert [first.count(f"{i} happiness") for i in (1, 2, 3)] == [1, 1, 1]
    assert first.count("surprise") == 1


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    clock, out = FakeClock(10.0), console(terminal=True)
    with Line(out, clock, controls(clock)) as line, Bar(out, lambda: 40, None) as bar:
        for i in range(3):
            clock.now = 10 + i
            for sink in (line, bar):
                sink.write(frame(clock.now, i), [a_reading()])
    text = out.file.getvalue()
    assert "\x1b" not in text and [line.split(" ms ")[1].strip() for line in text.splitlines()] == ["1 happiness 88%"] * 3


def test_tables_fit_into_narrow_terminals():
    out = Console(file=io.StringIO(), width=40)
    out.print(table("9 fps", ("stage", "median ms", "p95 ms", "p99 ms"), [("personalise", "10.00", "20.00", "30.00")]))
    assert "personalise" in out.file.getvalue() and "…" not in out.file.getvalue()


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
    assert "1 frame   camera 0: reconnecting (3 s)" in out.file.getvalue()


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
