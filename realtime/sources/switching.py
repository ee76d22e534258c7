"""Changes the camera while the program runs."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Self

from realtime.base.errors import Trouble
from realtime.base.messages import Message, message
from realtime.sources.source import Source, _Wrapper
from realtime.values import Frame


class SourceSwitch(_Wrapper):
    """A live source whose camera can be changed while it runs, from any thread: the same session goes on.

    Another camera is opened in a thread of its own, while frames of the one before still come, and takes its place only once it is
    open. What cannot be opened is told, and all stays as it was. `index` and `t` go on over the change.

    Attributes:
        current: what the frames come from, as it was chosen.
        others: lists what `next` goes through; may take a second.
    """

    def __init__(
        self, make: Callable[[str], Source], first: Sequence[str], others: Callable[[], Sequence[str]], tell: Callable[[Message], None]
    ):
        """
        Args:
            make: gives the live source that a text means, not yet opened. Its frames must end when `due` is true.
            first: the session begins with the first of these that can be opened; why an earlier one could not is told.
            others: see above; the texts are such as `make` takes.
            tell: gets a line about what became of a choice, from any thread.
        """
        super().__init__(make(first[0]))
        self.make, self.first, self.others, self.tell = make, first, others, tell
        self.current = first[0]
        self._lock = threading.Lock()
        self._opener: threading.Thread | None = None
        self._ready: tuple[str, Source] | None = None
        self._left = False

    def __enter__(self) -> Self:
        for text, instead in pairwise(self.first):
            try:
                return self._start(text)
            except Trouble as trouble:
                self.tell(message("text", text=trouble))
                self.tell(message("camera_fallback", source=self.make(instead).name))
        return self._start(self.first[-1])

    def _start(self, text: str) -> Self:
        source = self.make(text)
        source.__enter__()
        self.current, self.source = text, source
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._left = True
            ready, self._ready = self._ready, None
        if ready is not None:
            ready[1].__exit__(*error)
        self.source.__exit__(*error)

    @property
    def due(self) -> bool:
        """Whether another camera is open and waits to take its place."""
        return self._ready is not None

    def choose(self, text: str) -> Message:
        """Begins to change to what `text` means. Gives a message for the user at once; what became of it is told later."""
        return self._begin(lambda: text, message("camera_opening", source=text))

    def next(self) -> Message:
        """Begins to change to the camera after the current one, as `choose` does."""
        return self._begin(self._following, message("camera_search"))

    def _following(self) -> str:
        others = list(self.others())
        if not others or others == [self.current]:
            raise Trouble("there is no other camera: `run.py cameras` lists them")
        return others[(others.index(self.current) + 1) % len(others)] if self.current in others else others[0]

    def _begin(self, chosen: Callable[[], str], begun: Message) -> Message:
        with self._lock:
            if self._ready is not None or (self._opener is not None and self._opener.is_alive()):
                return message("camera_busy")
            self._opener = threading.Thread(target=self._open, args=(chosen,), name="opener", daemon=True)
            self._opener.start()
        return begun

    def _open(self, chosen: Callable[[], str]) -> None:
        try:
            text = chosen()
            if text == self.current:
                raise Trouble("it is shown already")
            source = self.make(text)
            source.__enter__()
        except Trouble as trouble:
            self.tell(message("camera_unchanged", source=self.name, reason=trouble))
            return
        with self._lock:
            if not self._left:
                self._ready = (text, source)
                return
        source.__exit__(None, None, None)

    def _change(self) -> bool:
        """Lets the camera that waits, if there is one, take its place."""
        with self._lock:
            if self._ready is None:
                return False
            before, (self.current, self.source), self._ready = self.source, self._ready, None
        before.__exit__(None, None, None)
        self.tell(message("camera_changed", source=self.name))
        return True

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            shift = None
            for frame in self.source:
                # The frames between the opening and the change were not lost: nobody waited for them.
                shift = index - frame.index if shift is None else shift
                index = frame.index + shift + 1
                yield replace(frame, index=frame.index + shift)
            if not self._change():
                return
