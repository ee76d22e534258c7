"""What the guided capture says, in six languages: sentences by their keys, with places for values."""

from collections.abc import Mapping
from typing import NamedTuple

from calibration.languages import de, en, es, fr, ja, zh
from realtime.drawing.words import LANGUAGES
from realtime.values import LABELS

TEXTS: Mapping[str, Mapping[str, str]] = {"en": en.TEXTS, "zh": zh.TEXTS, "es": es.TEXTS, "de": de.TEXTS, "fr": fr.TEXTS, "ja": ja.TEXTS}
"""By language, then by key: all languages have the same keys."""


class Remark(NamedTuple):
    """A sentence for the user; `str()` gives it in English.

    Attributes:
        key: of `TEXTS`.
        values: for the places in the sentence, by name; one of `LABELS` is told by its word in the language.
    """

    key: str
    values: dict[str, object]

    def __str__(self) -> str:
        return CaptureWords("en").say(self)


def remark(key: str, **values: object) -> Remark:
    """The sentence of a key, with a value for each name in it."""
    return Remark(key, values)


class CaptureWords:
    """The words of one language."""

    def __init__(self, lang: str):
        """`lang` is one of `TEXTS`."""
        self.lang = lang
        self._labels = LANGUAGES[lang].labels

    def label(self, expression: str) -> str:
        """The word for one of `LABELS`."""
        return self._labels[expression]

    def say(self, what: Remark) -> str:
        """A sentence in this language."""
        values = {name: self._labels[str(value)] if value in LABELS else value for name, value in what.values.items()}
        return TEXTS[self.lang][what.key].format(**values)

    def text(self, key: str, **values: object) -> str:
        """The sentence of a key in this language."""
        return self.say(Remark(key, values))
