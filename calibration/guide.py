"""The guided capture as a sink: each frame moves the session on, and its view is shown in a window or told in the terminal."""

import math
import time
from collections.abc import Callable
from typing import Self

import numpy as np
from rich.console import Console

from calibration.ending import Ending
from calibration.observation import observe
from calibration.screen import draw_ending, draw_guide, key_at
from calibration.session import COUNTDOWN, LIGHT, READY, REVIEW, CaptureSession, View
from calibration.words import CaptureWords
from realtime.base.messages import Message
from realtime.config import CaptureSettings
from realtime.drawing.words import LANGUAGES
from realtime.pipeline import to_gray
from realtime.values import Frame, Reading
from realtime.viewers.desktop import DesktopWindow
from realtime.viewers.inputs import ESCAPE, Click, Input, Key

REPEAT_S = 2.0
"""What the user should do is printed at most this often."""
WAIT_S = 0.03
"""How long the last screen waits between two looks for a key, in seconds."""
NO_PICTURE = np.zeros((480, 640, 3), np.uint8)


class Guide:
    """Shows a session and takes keys, or clicks on their buttons: r repeat, s skip, k keep a take that would be refused, q or Esc leave."""

    def __init__(
        self,
        session: CaptureSession,
        settings: CaptureSettings,
        mirror: Callable[[], bool],
        title: str,
        console: Console,
        screen: DesktopWindow | None,
        words: CaptureWords,
    ):
        """`screen` is the window, which stays open; None: the terminal tells what to do."""
        self.session, self.settings, self.mirror, self.title, self.words = session, settings, mirror, title, words
        self.console, self.screen = console, screen
        self._last = NO_PICTURE
        self._shown: tuple[View, np.ndarray] | None = None
        self._quit = False
        self._printed: tuple[object, ...] = ()
        self._printed_at = 0.0

    @property
    def closed(self) -> bool:
        """Whether the user has left, or the session is complete."""
        return self._quit or self.session.complete or (self.screen is not None and self.screen.closed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        view = self.session.update(observe(frame, to_gray(frame.image), readings, self.settings))
        if self.screen:
            self._shown = (view, frame.image)
            self._last = draw_guide(frame.image, view, self.mirror(), self.title, self.words, self.session.practice)
            self._obey(self.screen.show(self._last))
        else:
            self._print(view, frame.t)

    def idle(self, why: Message | None) -> None:
        """Called while no frame comes: keeps the window alive, or prints why no frame comes."""
        if self.screen:
            self._obey(self.screen.wait())
        elif why is not None:
            self.console.print(LANGUAGES[self.words.lang].sentence(why))

    def end(self, ending: Ending, stopped: Callable[[], bool]) -> None:
        """Tells what came of the session: in the terminal and, where there is a window, on its last screen, until a key or the
        mouse is pressed.

        Args:
            stopped: whether the user or the system asked the program to end.
        """
        for line in (ending.sentence, *ending.details):
            self.console.print(self.words.say(line))
        if self.screen is None:
            return
        picture = draw_ending((self._last.shape[1], self._last.shape[0]), ending, self.title, self.words)
        # What was pressed while the profile was made was not meant for this screen, which nobody could see yet.
        self.screen.show(picture)
        while not (stopped() or self.screen.closed or any(isinstance(item, Key | Click) for item in self.screen.show(picture))):
            time.sleep(WAIT_S)

    def _obey(self, inputs: list[Input]) -> None:
        for item in inputs:
            key = None
            if isinstance(item, Key):
                key = item.letter
            elif isinstance(item, Click) and self._shown is not None:
                key = key_at(item.at, *self._shown, self.words)
            if key in ("q", ESCAPE):
                self._quit = True
            elif key == "r":
                self.session.repeat()
            elif key == "s":
                self.session.skip()
            elif key == "k":
                self.session.keep()

    def _print(self, view: View, t: float) -> None:
        """Prints a line for each new step, for each second of a countdown, and for what a take still requires."""
        prompt, say = view.prompt, self.words.text
        if prompt is None or view.message is None:
            return
        if not self._printed or self._printed[0] != prompt:
            pose, how = say(f"pose_{prompt.pose}"), say(f"how_{prompt.expression}")
            self.console.print(say("step", number=view.number, of=view.of, asked=prompt.expression, pose=pose, how=how))
            self._printed = (prompt, None)
        line = self.words.say(view.message)
        if view.step == COUNTDOWN:
            line = f"{math.ceil(view.remaining_s)} ..."
        elif view.step == REVIEW and view.refused is None:
            line = say("taken", count=len(view.chips))
        content = (prompt, line if view.step in (COUNTDOWN, READY, LIGHT) else view.step)
        if content != self._printed and (view.step not in (READY, LIGHT) or t - self._printed_at >= REPEAT_S):
            self.console.print(f"   {line}")
            self._printed, self._printed_at = content, t
        if view.refusals >= self.settings.tries:
            self.console.print("   " + say("left_out", count=view.refusals))
            self.session.skip()
