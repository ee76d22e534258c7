"""A live source whose camera can be changed while the program runs, between the cameras and the loop."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Self

from realtime.base.addresses import without_secrets
from realtime.base.errors import Trouble
from realtime.base.messages import Message, message
from realtime.sources.source import Source, SourceWrapper
from realtime.values import Frame


class SourceSwitch(SourceWrapper):
    """A live source whose camera can be changed while it runs, from any thread. The session goes on.

    The new camera is opened in a thread of its own while the frames of the old one still come, and replaces it only when it is open. If
    it cannot be opened, the user gets a message and the old one stays. `index` and `t` go on over the change.

    Attributes:
        current: the text of the camera whose frames come, as `choose` takes it: an address without password and query.
        others: lists the texts through which `next` goes; may take a second.
    """

    def __init__(
        self,
        make_source: Callable[[str], Source],
        candidates: Sequence[str],
        others: Callable[[], Sequence[str]],
        tell: Callable[[Message], None],
    ):
        """
        Args:
            make_source: makes the live source that a text names, not yet opened. Its frames must end when `due` is true.
            candidates: texts of sources. The session starts with the first that can be opened; the user gets a message about each other.
            others: see above.
            tell: gets messages about sources that cannot be opened and about the result of a choice, from any thread.
        """
        super().__init__(make_source(candidates[0]))
        self.make_source, self.candidates, self.others, self.tell = make_source, candidates, others, tell
        self._texts = {without_secrets(text): text for text in candidates}
        self.current = without_secrets(candidates[0])
        self._lock = threading.Lock()
        self._opener: threading.Thread | None = None
        self._next_source: tuple[str, Source] | None = None
        self._closed = False

    def __enter__(self) -> Self:
        for text, instead in pairwise(self.candidates):
            try:
                return self._open_current(text)
            except Trouble as trouble:
                self.tell(message("text", text=trouble))
                self.tell(message("camera_fallback", source=self.make_source(instead).name))
        return self._open_current(self.candidates[-1])

    def _open_current(self, text: str) -> Self:
        source = self.make_source(text)
        source.__enter__()
        self.current, self.source = without_secrets(text), source
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._closed = True
            ready, self._next_source = self._next_source, None
        if ready is not None:
            ready[1].__exit__(*error)
        self.source.__exit__(*error)

    @property
    def due(self) -> bool:
        """Whether another camera is open and waits to replace the current one."""
        return self._next_source is not None

    def choose(self, text: str) -> Message:
        """Starts the change to the source that `text` names. Returns a message for the user at once; `tell` gets the result later."""
        return self._start_opening(lambda: text, message("camera_opening", source=without_secrets(text)))

    def next(self) -> Message:
        """Starts the change to the camera after the current one, as `choose` does."""
        return self._start_opening(self._next_text, message("camera_search"))

    def _next_text(self) -> str:
        texts = list(self.others())
        if not texts or texts == [self.current]:
            raise Trouble(message("no_other_camera"))
        return texts[(texts.index(self.current) + 1) % len(texts)] if self.current in texts else texts[0]

    def _start_opening(self, choose: Callable[[], str], answer: Message) -> Message:
        with self._lock:
            if self._next_source is not None or (self._opener is not None and self._opener.is_alive()):
                return message("camera_busy")
            self._opener = threading.Thread(target=self._open, args=(choose,), name="opener", daemon=True)
            self._opener.start()
        return answer

    def _open(self, choose: Callable[[], str]) -> None:
        try:
            text = choose()
            if text == self.current:
                raise Trouble("it is shown already")
            source = self.make_source(self._texts.get(text, text))
            source.__enter__()
        except Trouble as trouble:
            self.tell(message("camera_unchanged", source=self.name, reason=trouble))
            return
        with self._lock:
            if not self._closed:
                self._next_source = (without_secrets(text), source)
                return
        source.__exit__(None, None, None)

    def _change(self) -> bool:
        """Replaces the current camera by the one that waits; False if none waits."""
        with self._lock:
            if self._next_source is None:
                return False
            before, (self.current, self.source), self._next_source = self.source, self._next_source, None
        before.__exit__(None, None, None)
        self.tell(message("camera_changed", source=self.name))
        return True

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            shift = None
            for frame in self.source:
                # Frames of the new camera from before the change do not count as dropped.
                shift = index - frame.index if shift is None else shift
                index = frame.index + shift + 1
                yield replace(frame, index=frame.index + shift)
            if not self._change():
                return
