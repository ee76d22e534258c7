"""Draws each face's box and its card, which touches the box: number, label, confidence, and bars where there is room."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from realtime.drawing.layout import Area, Size, area_of, attached, free, least
from realtime.drawing.palette import COLOURS, EDGE, PALE, QUIET, TRACK, WHITE, Colour, fill, shade
from realtime.drawing.text import draw_text, text_width
from realtime.drawing.words import ENGLISH, Words
from realtime.values import LABELS, Reading

LETTERS = 17
"""Largest letters of a card, in px of a picture 480 px high."""
LETTERS_OF_FACE = 0.15
"""Letters of a card as a part of the face's width."""
LEAST_LETTERS = 11
"""Smaller letters, in px, cannot be read."""
BARS_FROM = 45
"""A narrower face, in px of a picture 480 px high, has no bars."""
FEW = 3
"""With more faces no card has bars: they would take the places of other cards."""


@dataclass(frozen=True)
class Card:
    """What is on a card: texts with colours and weights, the size of their letters in px, and the height of the bars, 0 for none."""

    texts: tuple[tuple[str, Colour, int], ...]
    letters: int
    bars: int

    @cached_property
    def pad(self) -> int:
        return max(3, round(0.4 * self.letters))

    @property
    def title(self) -> int:
        return self.letters + round(1.4 * self.pad)

    @cached_property
    def size(self) -> Size:
        wide = sum(text_width(text, self.letters, weight) + self.pad for text, _, weight in self.texts) + 2 * self.pad
        return (max(wide, round(7.6 * self.letters)) if self.bars else wide), self.title + self.bars


def caption(reading: Reading, words: Words = ENGLISH) -> str:
    """An expression with its confidence, or "unsure" with the reason."""
    if reading.unsure:
        return f"{words.unsure} ({words.doubts[reading.unsure]})"
    return f"{words.labels[reading.label]} {reading.confidence:.0%}"


def draw_cards(picture: np.ndarray, readings: Sequence[Reading], unit: float, occupied: Sequence[Area], words: Words) -> list[Area]:
    """Draws boxes and cards in place. Gives the areas of the cards.

    A card covers no face and no other card. Where there is no room for it, it is made shorter, then lies on its own face's upper or lower
    edge, and at last is left out: the box has the expression's colour.
    """
    size = (picture.shape[1], picture.shape[0])
    faces = [area_of(reading.face.box) for reading in readings]
    for reading in readings:
        _draw_box(picture, reading, unit)
    cards: list[Area] = []
    for i, reading in enumerate(readings):
        others = [*faces[:i], *faces[i + 1 :]]
        found = _placed(_variants(reading, faces[i], len(readings), unit, words), faces[i], others, [*occupied, *cards], size, unit)
        if found is not None:
            card, place = found
            _draw_card(picture, card, place, reading)
            cards.append(place)
    return cards


def _variants(reading: Reading, face: Area, count: int, unit: float, words: Words) -> Iterator[Card]:
    """The cards that a face could have, the best first."""
    whole = caption(reading, words)
    short = words.unsure if reading.unsure else words.labels[reading.label]
    number = ((str(reading.face.id), PALE, 400),) if count > 1 else ()
    least_letters = min(LEAST_LETTERS, round(LETTERS * unit))
    # In steps, so that the kept masks of the letters serve a face that moves.
    letters = max(least_letters, min(round(LETTERS * unit), round(LETTERS_OF_FACE * face[2]) // 2 * 2))
    bars = len(LABELS) * (_bar(letters) + _gap(letters)) + round(0.4 * letters)
    # Beside a small face the bars would be larger than the face.
    if count <= FEW and face[2] > max(bars, BARS_FROM * unit):
        yield Card((*number, (whole, WHITE, 500)), letters, bars)
    yield Card((*number, (whole, WHITE, 500)), letters, 0)
    yield Card((*number, (short, WHITE, 500)), letters, 0)
    if letters > least_letters:
        yield Card((*number, (short, WHITE, 500)), least_letters, 0)
    if number:
        yield Card(((short, WHITE, 500),), least_letters, 0)
        yield Card(number, least_letters, 0)


def _placed(
    cards: Iterator[Card], face: Area, others: Sequence[Area], taken: Sequence[Area], size: Size, unit: float
) -> tuple[Card, Area] | None:
    """The first card that has a place at its face, and that place; None if none has one."""
    gap = max(1, round(2 * unit)) + 1
    # A card that touched another face's box could be taken for that face's.
    apart = [(x - 2 * gap, y - 2 * gap, wide + 4 * gap, tall + 4 * gap) for x, y, wide, tall in others]
    tried = []
    for card in cards:
        tried.append(card)
        place = free(attached(face, card.size, gap, size, beside=not others), size, [face, *apart, *taken])
        if place is not None:
            return card, place
    for card in tried:
        wide, tall = card.size
        edges = [(face[0] + gap, face[1] + gap, wide, tall), (face[0] + gap, face[1] + face[3] - tall - gap, wide, tall)]
        place = least(edges, size, [*others, *taken]) if not others else free(edges, size, [*others, *taken])
        if place is not None and tall < 0.35 * face[3] and (not others or wide <= face[2]):
            return card, place
    return None


def _bar(letters: int) -> int:
    return max(2, round(0.2 * letters))


def _gap(letters: int) -> int:
    return max(1, round(0.1 * letters))


def _draw_box(picture: np.ndarray, reading: Reading, unit: float) -> None:
    line = max(1, round(2 * unit))
    # The dark line around the coloured one keeps the box visible on any background.
    _draw_frame(picture, area_of(reading.face.box), line + 2, EDGE)
    _draw_frame(picture, area_of(reading.face.box), line, _colour(reading))


def _draw_frame(picture: np.ndarray, area: Area, line: int, colour: Colour) -> None:
    """The edges of an area, `line` px wide, half of it outside. In less than half the time of `cv2.rectangle` with a thick line."""
    x, y, wide, tall = area
    left, top = x - line // 2, y - line // 2
    fill(picture, left, top, wide + line, line, colour)
    fill(picture, left, top + tall, wide + line, line, colour)
    fill(picture, left, top, line, tall + line, colour)
    fill(picture, left + wide, top, line, tall + line, colour)


def _colour(reading: Reading) -> Colour:
    return QUIET if reading.unsure else COLOURS[reading.label]


def _draw_card(picture: np.ndarray, card: Card, place: Area, reading: Reading) -> None:
    left, top, wide, tall = place
    shade(picture, left, top, wide, tall)
    edge = max(2, card.pad // 2)
    fill(picture, left, top, edge, tall, _colour(reading))
    x = left + card.pad + edge
    for text, ink, weight in card.texts:
        draw_text(picture, text, x, top + round(0.6 * card.pad + 0.86 * card.letters), card.letters, ink, weight)
        x += text_width(text, card.letters, weight) + card.pad
    if card.bars:
        full, start, high = wide - 2 * card.pad - edge, left + card.pad + edge, _bar(card.letters)
        for i, (name, share) in enumerate(zip(LABELS, reading.probs.tolist(), strict=True)):
            y = top + card.title + i * (high + _gap(card.letters))
            long = round(full * share)
            fill(picture, start, y, long, high, COLOURS[name])
            fill(picture, start + long, y, full - long, high, TRACK)
