"""What `run.py live` is built from: a live source, the pipeline, viewers, recordings, and what connects them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rich.console import Console

from realtime.base.errors import Trouble, reason
from realtime.base.installation import REMEDY
from realtime.base.messages import Message, message
from realtime.base.timing import Clock, Countdown, LatencyMeter
from realtime.commands.record import describe, new_recording
from realtime.config import CameraSettings, Choices, Settings, WebSettings
from realtime.drawing.words import LANGUAGES
from realtime.loop import Sink, Sinks, Tap, run_loop
from realtime.outputs.choices import OutputChoices
from realtime.pipeline import build_pipeline
from realtime.readings.format import readings_header
from realtime.recording.batch import cover_search
from realtime.recording.microphone import Microphone, MicrophoneSound
from realtime.recording.recording import RecordingSetup
from realtime.recording.switch import RecordSwitch
from realtime.sources.cameras import camera_choices, list_cameras
from realtime.sources.opening import open_live, usual_sources
from realtime.sources.playing import Thinned
from realtime.sources.source import Source
from realtime.sources.switching import SourceSwitch
from realtime.values import Frame, Reading
from realtime.viewers.controls import Controls
from realtime.viewers.desktop import has_display
from realtime.viewers.terminal import Line
from realtime.viewers.viewer import Viewer
from realtime.viewers.web.token_file import read_token
from realtime.viewers.window import Window

LAST_PICTURE_S = 3.0
"""How long the last picture of a film stays in the window, in seconds."""
NO_OUTPUTS = OutputChoices()


@dataclass(frozen=True)
class LiveOptions:
    """What the user of `live` asks for.

    Attributes:
        sources: what is tried in this order; empty for the first camera, else the demo clip.
        camera: how cameras and pipes are opened.
        seconds: after which the session ends; None for no end.
        folder: where recordings and snapshots go that are started by a key or button.
        record: the file to be recorded from the start, or None.
        overwrite: whether that file may exist.
        microphone: the device whose sound is recorded, or None.
        choices: what recordings hold, and the language of the screen.
        window: whether a window is shown; None for where there is a display.
        web: whether the page is served; None for where there is no display and no window was refused.
        host, port: where the page is served.
        token: the file with the page's token; None for a new token.
        is_film: whether an address or a pipe is a film; None: see `realtime.sources.streams`.
        outputs: which other programs get readings.
    """

    sources: tuple[str, ...]
    camera: CameraSettings
    seconds: float | None
    folder: Path
    record: Path | None
    overwrite: bool
    microphone: str | None
    choices: Choices
    window: bool | None
    web: bool | None
    host: str
    port: int
    token: Path | None = None
    is_film: bool | None = None
    outputs: OutputChoices = NO_OUTPUTS


class LastPicture:
    """A sink that does something once all frames were written, before the sinks in front of it are closed."""

    def __init__(self, stay: Callable[[], None]):
        self._stay = stay

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if not any(error):
            self._stay()

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        pass


class LiveSession:
    """One run of `live`: builds the parts in `__init__`, runs them in `run`."""

    def __init__(self, options: LiveOptions, settings: Settings, console: Console, clock: Clock, interrupted: Callable[[], bool]):
        """
        Args:
            interrupted: whether the user or the system asked the program to end.

        Raises:
            Trouble: a part cannot be had: the window without a display, the source, the model, the recording, the page.
        """
        self.options, self.settings, self.console, self.clock, self.interrupted = options, settings, console, clock, interrupted
        self.windowed = windowed = options.window is not False and not (options.web and options.window is None) and has_display()
        if options.window and not windowed:
            raise Trouble(
                "there is no display for a window here: leave out --window to see readings in the terminal, or use --record FILE.mp4"
            )
        self.outputs = self._open_outputs()
        self.viewers: list[Viewer] = []
        self.countdown, self.encoded = Countdown(clock, options.seconds), LatencyMeter(clock)
        self.pipeline = build_pipeline(settings, clock, live=True)
        self.cameras = SourceSwitch(self._open, options.sources or usual_sources(), self._other_cameras, self._tell)
        self.frames = Thinned(self.cameras, self._frame_every)
        self.microphone = self._open_microphone()
        self.recordings = self._recordings()
        self.controls = Controls(
            clock, self.recordings, self.pipeline.profiles, self.cameras, self.pipeline.governor, LANGUAGES[options.choices.lang]
        )
        self.viewers.append(Window(self.controls) if windowed else Line(console, clock, self.controls))
        if options.web or (options.web is None and options.window is None and not windowed):
            self.viewers += self._page()
        elif options.token is not None:
            console.print("--token is for the page in browsers: add --web")
        if options.window is None and options.web is None and not windowed:
            where = "a browser shows the picture" if len(self.viewers) > 1 else "to see the picture, run this on a desktop"
            console.print(f"No display: readings follow here; {where}. To keep it, use --record FILE.mp4. Ctrl-C ends.")

    def run(self) -> None:
        """Reads, shows and records until the session ends, and prints a summary."""
        # Sinks are closed from the last to the first: the recordings before the last picture is left on the screen.
        sinks: list[Sink] = [
            *self.viewers,
            LastPicture(self._stay),
            self.controls,
            self.recordings,
            *self.outputs,
            Tap(self.countdown.update),
        ]
        try:
            run_loop(self.frames, self.pipeline, Sinks(sinks), self._over)
        finally:
            if self.microphone is not None:
                self.microphone.close()
        latency = self.controls.latency
        encoded = f", to written {self.encoded.latency()}" if self.encoded.frames else ""
        self.console.print(f"{latency.summary()}, latency to drawn {latency.latency()}{encoded}")
        for recording in self.recordings.finished:
            self.console.print(describe(recording))

    def _over(self) -> bool:
        return self.interrupted() or self.countdown.over() or any(viewer.closed for viewer in self.viewers)

    def _open(self, text: str) -> Source:
        return open_live(
            text, self.clock, self.options.camera, self._source_ends, self._idle, self.console.print, is_film=self.options.is_film
        )

    def _source_ends(self) -> bool:
        """Whether the frames of the present camera end: with the session, or because another camera takes over."""
        return self._over() or self.cameras.due

    def _idle(self, why: Message | None) -> None:
        for viewer in self.viewers:
            viewer.idle(why)

    def _stay(self) -> None:
        """Leaves the last picture of a film in the window for a while, with a line that it is the last."""
        if self.windowed:
            until = self.clock() + LAST_PICTURE_S
            while not self._over() and self.clock() < until:
                self._idle(message("ended", source=self.frames.name))
                time.sleep(0.03)

    def _other_cameras(self) -> list[str]:
        return camera_choices(self.cameras.current, list_cameras())

    def _frame_every(self) -> int:
        return self.pipeline.governor.effort.frame_every

    def _tell(self, what: Message) -> None:
        """Tells the user something in the terminal and in all viewers; from any thread."""
        self.console.print(str(what))
        self.controls.say(what)

    def _tell_line(self, line: str) -> None:
        self._tell(message("text", text=line))

    def _header(self) -> dict[str, Any]:
        return readings_header(self.frames.name, self.pipeline, self.settings, self.frames.delivery)

    def _open_microphone(self) -> Microphone | None:
        """The microphone, if one is named; one that cannot be opened is told, and the session goes on without sound."""
        if self.options.microphone is None:
            return None
        microphone = Microphone(self.options.microphone, self.clock)
        try:
            microphone.open()
        except Trouble as trouble:
            self.console.print(str(trouble))
            return None
        return microphone

    def _sound(self) -> MicrophoneSound | None:
        return MicrophoneSound(self.microphone) if self.microphone is not None else None

    def _recordings(self) -> RecordSwitch:
        options = self.options
        setup = RecordingSetup(
            self.clock,
            choices=options.choices,
            live=True,
            tell=self._tell_line,
            written=self.encoded.update,
            search=cover_search(options.choices),
            sound=self._sound,
            stopped=self.interrupted,
        )
        first = new_recording(options.record, self.cameras.candidates, self._header, setup, options.overwrite) if options.record else None
        return RecordSwitch(options.folder, self._header, setup, first)

    def _open_outputs(self) -> list[Sink]:
        if self.options.outputs == NO_OUTPUTS:
            return []
        # Imported late: its modules for the network take time to load.
        from realtime.outputs.opening import open_outputs

        return [*open_outputs(self.options.outputs, LANGUAGES[self.options.choices.lang], self._tell_line)]

    def _page(self) -> list[Viewer]:
        """The page; none where nobody asked for it and it cannot be served: the terminal shows the readings as well."""
        token = read_token(self.options.token) if self.options.token else None
        try:
            from realtime.viewers.web.page import Web

            return [Web(self.controls, self.options.host, self.options.port, WebSettings(), self.console.print, token=token)]
        except (Trouble, ModuleNotFoundError) as error:
            if self.options.web:
                raise
            self.console.print(str(error) if isinstance(error, Trouble) else f"no page in a browser ({reason(error)}): {REMEDY}")
            return []
