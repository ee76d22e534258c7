"""Turns what a window hears from the keyboard into presses: a key that is held down is one press."""

from realtime.base.timing import Clock

NO_KEY = 255
REPEAT_S = 0.25
"""A key that comes again within this time, in seconds, is held down: systems repeat a held key 10 to 40 times a second."""
DELAY_S = 0.9
"""The first repeat of a held key comes at latest this long after its press, in seconds: 0.25 to 0.66 by default, on slow systems more."""


class KeyPresses:
    """Tells presses from repeats, which HighGUI gives alike: it tells neither that a key is released nor that it repeats.

    A second press within `DELAY_S` could be the first repeat of a held key. It is kept back for `REPEAT_S`: if more follow, it was one.
    """

    def __init__(self, clock: Clock):
        self._clock = clock
        self._key, self._t = NO_KEY, 0.0
        self._second = NO_KEY
        self._presses: list[int] = []

    def update(self, key: int) -> int:
        """Takes the key that the window gives now, `NO_KEY` for none; gives the key that is to be obeyed now, `NO_KEY` for none."""
        now = self._clock()
        since = now - self._t
        if key == NO_KEY:
            if self._second != NO_KEY and since >= REPEAT_S:
                self._release()
        elif key != self._key or since >= DELAY_S:
            self._release()
            self._presses.append(key)
        elif since < REPEAT_S:
            self._second = NO_KEY
        else:
            self._release()
            self._second = key
        if key != NO_KEY:
            self._key, self._t = key, now
        return self._presses.pop(0) if self._presses else NO_KEY

    def _release(self) -> None:
        """Makes the key that was kept back a press."""
        if self._second != NO_KEY:
            self._presses.append(self._second)
            self._second = NO_KEY
