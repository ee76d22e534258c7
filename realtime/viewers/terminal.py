"""What the terminal shows: the readings with their bars, which are updated in place, a progress bar, tables."""

from collections.abc import Callable, Sequence
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from realtime.base.messages import Message, counted
from realtime.base.output import folded, one_line, shown, terminal_width
from realtime.base.timing import Clock
from realtime.drawing.cards import caption
from realtime.drawing.palette import COLOURS
from realtime.values import LABELS, Frame, Reading
from realtime.viewers.controls import Controls


def summary(readings: list[Reading]) -> str:
    """All faces of a frame in one line."""
    return "   ".join(f"{r.face.id} {caption(r)}" for r in readings) or "no face"


def moves(console: Console) -> bool:
    """Whether what was printed can be printed over: in a terminal that is not dumb. Else lines follow each other."""
    return console.is_terminal and not console.is_dumb_terminal


def bars(reading: Reading, width: int, blocks: bool) -> Text:
    """The seven probabilities of a face as bars, a line each, in at most so many columns.

    Args:
        blocks: whether the terminal has letters for parts of a bar; else the bars are of number signs.
    """
    text, name_columns = Text(), 2 + max(map(len, LABELS))
    full = max(1, min(40, width - name_columns - 8))
    for name, share in zip(LABELS, reading.probs.tolist(), strict=True):
        eighths = round(share * full * 8)
        bar = "\u2588" * (eighths // 8) + (" ▏▎▍▌▋▊▉"[eighths % 8].strip()) if blocks else "#" * round(share * full)
        blue, green, red = COLOURS[name]
        text.append(f"\n  {name:{name_columns}}").append(f"{bar:{full}}", f"rgb({red},{green},{blue})").append(f" {share:4.0%}")
    return text


class Line:
    """The current readings, with bars, updated in place. In a file, a pipe or a dumb terminal: a new line of readings every second.

    A face that is new is told at once.
    """

    closed = False

    def __init__(self, console: Console, clock: Clock, controls: Controls):
        self.console, self.clock, self.controls = console, clock, controls
        self._live = Live(console=console, auto_refresh=False, transient=True) if moves(console) else None
        self._next = 0.0
        self._newest = 0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.stop()

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        now = self.clock()
        status = self.controls.status()
        newest = max((reading.face.id for reading in readings), default=0)
        if newest > self._newest:
            self._newest, self._next = newest, now
        speed = f"{status.fps:3.0f} fps  {status.latency_ms:3.0f} ms"
        if self._live:
            self._show(speed if readings else f"{speed}   {summary(readings)}", now, readings)
        else:
            self._show(f"{speed}   {summary(readings)}", now)

    def idle(self, why: Message | None) -> None:
        """Says why no frame comes."""
        if why is not None:
            self._show(str(why), self.clock())

    def _show(self, text: str, now: float, readings: Sequence[Reading] = ()) -> None:
        if now < self._next:
            return
        if self._live:
            # Ten times a second: as fast as a number can be read.
            self._next = now + 0.1
            self._live.update(self._with_bars(text, readings), refresh=True)
        else:
            self._next = now + 1.0
            _print_text(self.console, text)

    def _with_bars(self, line: str, readings: Sequence[Reading]) -> Text:
        """A line and below it the faces: with their bars as long as these fit into the terminal, then without."""
        width, height = self.console.size
        text = Text(one_line(line), no_wrap=True, overflow="ellipsis")
        rows = height - 2 - len(readings)
        for reading in readings:
            text.append("\n" + one_line(summary([reading])), "bold")
            rows -= len(LABELS)
            if rows >= 0:
                text.append(bars(reading, width, self.console.encoding.startswith("utf")))
        return text


class _Speed(ProgressColumn):
    """Frames a second, and how many times faster than the film itself."""

    def render(self, task: Task) -> Text:
        if not task.elapsed or not task.fields["film_s"]:
            return Text("")
        return Text(f"{task.fields['frames'] / task.elapsed:.0f} fps, {task.fields['film_s'] / task.elapsed:.1f}x")


class Bar:
    """A progress bar of a recording: frames, speed, and the time left if the end is known. Prints nothing if the output is no terminal."""

    def __init__(self, console: Console, expected: Callable[[], int | None], seconds: float | None):
        """`expected()` gives the number of frames, if known; `seconds` is the length of the recording, if the user limits it."""
        columns = (BarColumn(), TextColumn("{task.fields[count]}", markup=False), _Speed(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not moves(console))
        self._expected, self._seconds = expected, seconds
        self._task = self._progress.add_task("", total=None, film_s=0.0, frames=0, count="")
        self._start: float | None = None
        self._frames = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        self._start = frame.t if self._start is None else self._start
        self._frames += 1
        film_s, expected = frame.t - self._start, self._expected()
        total = self._seconds or expected
        position = film_s if self._seconds else self._frames
        count = f"{self._frames}/{expected} frames" if expected and not self._seconds else counted(self._frames, "frame")
        self._progress.update(self._task, total=total, completed=position, film_s=film_s, count=count, frames=self._frames)

    def idle(self, why: Message | None) -> None:
        """Says why no frame comes."""
        if why is not None:
            self._progress.update(self._task, count=one_line(f"{counted(self._frames, 'frame')}   {why}"))


class Bars:
    """A progress bar for every film that is being recorded. If the output is a file or pipe: one line for each film that has ended."""

    def __init__(self, console: Console):
        name, count = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[count]}")
        columns = (name, BarColumn(), count, _Speed(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not moves(console))
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def update(self, name: str, frames: int, expected: int | None, film_s: float) -> None:
        """Shows the progress of a film."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(one_line(name), film_s=0.0, frames=0, count="")
        count = f"{frames}/{expected} frames" if expected else counted(frames, "frame")
        self._progress.update(self._tasks[name], total=expected, completed=frames, film_s=film_s, count=count, frames=frames)

    def end(self, name: str, line: str) -> None:
        """Removes the bar of a film that has ended, and prints its last line."""
        if name in self._tasks:
            self._progress.remove_task(self._tasks.pop(name))
        self.tell(line)

    def tell(self, line: str) -> None:
        _print_text(self._progress.console, line)


def _print_text(console: Console, line: str) -> None:
    """Prints a line as text, broken between words where a terminal ends."""
    console.print(Text(folded(one_line(line), terminal_width(console.file))), soft_wrap=True)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A plain table without lines; all columns but the first are numbers."""
    grid = Table(title=Text(shown(title)), title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for i, name in enumerate(head):
        grid.add_column(name, justify="right" if i else "left")
    for row in rows:
        grid.add_row(*(Text(shown(cell)) for cell in row))
    return grid
