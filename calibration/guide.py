"""The guided capture as a sink: each frame moves the session on, and its view is shown in a window or told in the terminal."""

import math
from collections.abc import Callable
from typing import Self

from rich.console import Console

from calibration.plan import HOW
from calibration.screen import guide
from calibration.session import COUNTDOWN, READY, REVIEW, TAKE, Session, View, seen
from realtime.base.messages import Message
from realtime.config import CaptureSettings
from realtime.pipeline import to_gray
from realtime.values import Frame, Reading
from realtime.viewers.desktop import DesktopWindow

TOLD_S = 2.0
"""The terminal repeats what is to be done not more often than this."""


class Guide:
    """Shows a session and takes keys: r again, s skip, q or Esc leave."""

    def __init__(
        self,
        session: Session,
        settings: CaptureSettings,
        mirror: Callable[[], bool],
        title: str,
        console: Console,
        screen: DesktopWindow | None,
        practice: bool = False,
    ):
        """`screen` is the window; None: the terminal tells what to do. `practice` shows how well the face matches."""
        self.session, self.settings, self.mirror, self.title, self.practice = session, settings, mirror, title, practice
        self.console, self.screen = console, screen
        self._left = False
        self._said: tuple[object, ...] = ()
        self._said_at = 0.0

    @property
    def closed(self) -> bool:
        """Whether the user has left, or all is done."""
        return self._left or self.session.done or (self.screen is not None and self.screen.closed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.screen:
            self.screen.close()

    def write(self, frame: Frame, readings: list[Reading]) -> None:
        view = self.session.update(seen(frame, to_gray(frame.image), readings, self.settings))
        if self.screen:
            self._obey(self.screen.show(guide(frame.image, view, self.mirror(), self.title, self.practice)))
        else:
            self._tell(view, frame.t)

    def idle(self, why: Message | None) -> None:
        """While no frame comes the window stays alive, and the terminal says why."""
        if self.screen:
            self._obey(self.screen.wait())
        elif why is not None:
            self.console.print(str(why))

    def _obey(self, key: int) -> None:
        if key in (ord("q"), 27):
            self._left = True
        elif key == ord("r"):
            self.session.again()
        elif key == ord("s"):
            self.session.skip()

    def _tell(self, view: View, t: float) -> None:
        """A line for each new step, for each second of a countdown, and for what keeps a take from starting."""
        prompt = view.prompt
        number = f"{view.number}/{view.of} {prompt.expression}, {prompt.pose}" if prompt else ""
        line = {
            COUNTDOWN: f"   {math.ceil(view.left_s)} ...",
            TAKE: "   hold it",
            REVIEW: f"   taken: {len(view.chips)} pictures",
        }.get(view.step, f"   {view.say}")
        if prompt and (not self._said or self._said[0] != prompt):
            self.console.print(f"{number}: {HOW[prompt.expression]}")
            self._said = (prompt, None)
        said = (prompt, line if view.step in (COUNTDOWN, READY) else view.step)
        if said != self._said and prompt and (view.step != READY or t - self._said_at >= TOLD_S):
            self.console.print(line)
            self._said, self._said_at = said, t
