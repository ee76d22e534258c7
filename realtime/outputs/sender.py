"""Feeds one link to another program from a thread, so that the loop never waits for it."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from realtime.base.errors import reason
from realtime.base.timing import Clock
from realtime.outputs.moments import Moment

FIRST_PAUSE_S = 0.5
LAST_PAUSE_S = 15.0
"""Pauses before a link that failed is tried again, in seconds: each is twice the one before."""
IDLE_S = 1.0
"""After so many seconds without anything to send a link may look after its connection."""
DRAIN_S = 0.7
"""For so many seconds what still waits is sent at the end."""


class Link(Protocol):
    """A connection to another program. It is opened by the first `send`, and by the next one after `close`."""

    name: str
    """What the user calls it, without passwords."""

    def send(self, item: Any) -> None:
        """Sends one item. Raises OSError where the other side cannot be reached or takes nothing for some seconds."""

    def idle(self) -> None:
        """Called about once a second while there is nothing to send. Raises OSError as `send` does."""

    def close(self) -> None:
        """Ends the connection, if there is one. Never raises, and takes less than half a second."""


class Sender:
    """A link, its bounded queue, and the thread between them.

    When the queue is full, the oldest item is dropped. A link that fails is closed and tried again, after pauses that grow, with the
    same item first unless newer ones fill the queue. The user is told when it works, once when it is lost, and once when it is back.
    """

    def __init__(
        self,
        link: Link,
        select: Callable[[Moment], Sequence[Any]],
        room: int,
        tell: Callable[[str], None],
        clock: Clock = time.monotonic,
    ):
        """
        Args:
            select: the items that a moment gives; called by the loop, so it must be quick.
            room: how many items may wait.
            tell: gets a line for the user, from the thread.
        """
        self.link, self.select, self.tell, self.clock = link, select, tell, clock
        self._queue: deque[Any] = deque(maxlen=room)
        self._changed = threading.Condition()
        self._ending = False
        self._end_t = 0.0
        self._works: bool | None = None
        self._pause_s = FIRST_PAUSE_S
        self._resume_t = 0.0
        self._thread = threading.Thread(target=self._run, name=link.name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def take(self, moment: Moment) -> None:
        """Queues what this output sends of a moment."""
        items = self.select(moment)
        if items:
            with self._changed:
                self._queue.extend(items)
                self._changed.notify()

    def end(self) -> None:
        """Lets the thread end once it has sent what waits, or could not within `DRAIN_S`."""
        with self._changed:
            self._ending, self._end_t = True, self.clock() + DRAIN_S
            self._changed.notify()

    def wait(self, seconds: float) -> bool:
        """Waits until the thread has ended, for at most so long, and says whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while self._await_turn():
                self._work()
        finally:
            self.link.close()

    def _await_turn(self) -> bool:
        """Waits for an item, the end of a pause, or a second; False when the thread is to end."""
        with self._changed:
            while not self._ending and self.clock() < self._resume_t:
                self._changed.wait(max(self._resume_t - self.clock(), 0.001))
            if not self._queue and not self._ending:
                self._changed.wait(IDLE_S)
            if not self._ending:
                return True
            return bool(self._queue) and self._works is not False and self.clock() < self._end_t

    def _work(self) -> None:
        """Sends the oldest item, or looks after the connection where there is none."""
        with self._changed:
            items = [self._queue.popleft()] if self._queue else []
        try:
            for item in items:
                self.link.send(item)
            if not items and self._works:
                self.link.idle()
        except OSError as error:
            self._give_up(error, items)
        else:
            self._note_works(bool(items))

    def _note_works(self, sent: bool) -> None:
        if sent and not self._works:
            self.tell(f"{self.link.name}: sending" + ("" if self._works is None else " again"))
            self._works, self._pause_s = True, FIRST_PAUSE_S

    def _give_up(self, error: OSError, items: list[Any]) -> None:
        self.link.close()
        if self._works is not False:
            self.tell(f"{self.link.name}: cannot be reached ({reason(error)}): the program goes on, and tries again until it can")
        self._works = False
        self._resume_t, self._pause_s = self.clock() + self._pause_s, min(2 * self._pause_s, LAST_PAUSE_S)
        with self._changed:
            if items and len(self._queue) < (self._queue.maxlen or 0):
                self._queue.appendleft(items[0])
