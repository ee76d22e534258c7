"""The guided capture as a sink: each frame moves the session on, and its view is shown in a window or told in the terminal."""

import math
from collections.abc import Callable
from typing import Self

import numpy as np
from rich.console import Console

from calibration.plan import HOW
from calibration.screen import draw_guide, key_at
from calibration.session import COUNTDOWN, READY, REVIEW, TAKE, CaptureSession, View, observe
from realtime.base.messages import Message
from realtime.config import CaptureSettings
from realtime.pipeline import to_gray
from realtime.values import Frame, Reading
from realtime.viewers.desktop import DesktopWindow
from realtime.viewers.inputs import ESCAPE, Click, Input, Key

REPEAT_S = 2.0
"""What the user should do is printed at most this often."""


class Guide:
    """Shows a session and takes keys, or clicks on their buttons: r repeat, s skip, q or Esc leave."""

    def __init__(
        self,
        session: CaptureSession,
        settings: CaptureSettings,
        mirror: Callable[[], bool],
        title: str,
        console: Console,
        screen: DesktopWindow | None,
        practice: bool = False,
    ):
        """`screen` is the window; None: the terminal tells what to do. `practice`: show how well the face matches."""
        self.session, self.settings, self.mirror, self.title, self.practice = session, settings, mirror, title, practice
        self.console, self.screen = console, screen
        self._quit = False
        self._shown: tuple[View, np.ndarray] | None = None
        self._printed: tuple[object, ...] = ()
        self._printed_at = 0.0

    @property
    def closed(self) -> bool:
        """Whether the user has left, or the session is complete."""
        return self._quit or self.session.complete or (self.screen is not None and self.screen.closed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.screen:
            self.screen.close()

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        view = self.session.update(observe(frame, to_gray(frame.image), readings, self.settings))
        if self.screen:
            self._shown = (view, frame.image)
            self._obey(self.screen.show(draw_guide(frame.image, view, self.mirror(), self.title, self.practice)))
        else:
            self._print(view, frame.t)

    def idle(self, why: Message | None) -> None:
        """Called while no frame comes: keeps the window alive, or prints why no frame comes."""
        if self.screen:
            self._obey(self.screen.wait())
        elif why is not None:
            self.console.print(str(why))

    def _obey(self, inputs: list[Input]) -> None:
        for item in inputs:
            key = None
            if isinstance(item, Key):
                key = item.letter
            elif isinstance(item, Click) and self._shown is not None:
                key = key_at(item.at, *self._shown)
            if key in ("q", ESCAPE):
                self._quit = True
            elif key == "r":
                self.session.repeat()
            elif key == "s":
                self.session.skip()

    def _print(self, view: View, t: float) -> None:
        """Prints a line for each new step, for each second of a countdown, and for what a take still requires."""
        prompt = view.prompt
        line = {
            COUNTDOWN: f"   {math.ceil(view.remaining_s)} ...",
            TAKE: "   hold it",
            REVIEW: f"   taken: {len(view.chips)} pictures",
        }.get(view.step, f"   {view.message}")
        if prompt and (not self._printed or self._printed[0] != prompt):
            self.console.print(f"{view.number}/{view.of} {prompt.expression}, {prompt.pose}: {HOW[prompt.expression]}")
            self._printed = (prompt, None)
        content = (prompt, line if view.step in (COUNTDOWN, READY) else view.step)
        if content != self._printed and prompt and (view.step != READY or t - self._printed_at >= REPEAT_S):
            self.console.print(line)
            self._printed, self._printed_at = content, t
