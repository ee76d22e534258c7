"""What the program tells its user in passing: a key with values, so that each language has its own sentence for it."""

from typing import NamedTuple

TEXTS = {
    # For what has no key, such as the text of a Trouble: the same in every language.
    "text": "{text}",
    "saved": "saved {file}",
    "recording": "recording",
    "nothing_recorded": "nothing recorded",
    "no_snapshots": "no snapshots with --privacy",
    "profile_on": "profile {name}",
    "profile_off": "no profile",
    "profile_choice": "choose one with --profile: {names}",
    "profile_missing": "no profile yet: run.py calibrate makes one",
    "reconnecting": "{source}: reconnecting ({seconds} s)",
    "waiting": "{source}: waiting for its first picture ({seconds} s)",
    "camera_search": "looking for the next camera",
    "camera_opening": "opening {source}",
    "camera_busy": "another camera is being opened: wait for it",
    "camera_fallback": "Playing {source} instead.",
    "camera_changed": "now {source}",
    "camera_unchanged": "{source} stays: {reason}",
    "no_other_camera": "there is no other camera: `run.py cameras` lists them",
    "no_face": "no face in sight: come closer, or turn on more light",
    "demo_clip": "demo clip",
    "demo_instead": "demo clip: no camera was found",
    "ended": "{source} has ended",
    "slower": "running slower to keep up",
    "skipped": "frames skipped: {count}",
    "help_box": "The box is a face, its colour the expression; the bars show all seven.",
    "help_strip": "The strip at the edge: the last ten seconds, now is at the right.",
    "help_unsure": 'Gray and "unsure": do not rely on it; the reason is in brackets.',
    "help_mouse": "Move the mouse: buttons appear.",
    "help_close": "h or Esc closes this help",
}
"""The English sentence of each key. `realtime.drawing.sentences` has those of the other languages."""


class Message(NamedTuple):
    """A sentence for the user; `str()` gives it in English, as the terminal shows it."""

    key: str
    values: dict[str, object]

    def __str__(self) -> str:
        return TEXTS[self.key].format(**self.values)


def message(key: str, **values: object) -> Message:
    """The message of a key of `TEXTS`, with a value for each name in its sentence."""
    return Message(key, values)


def counted(count: int, noun: str) -> str:
    """A number with a noun whose plural ends in s: "1 frame", "2 frames"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
