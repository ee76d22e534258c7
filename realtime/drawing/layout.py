"""Finds places for cards, so that none covers a face or another card. Pure. Areas are (x, y, width, height) in px."""

from collections.abc import Iterable, Sequence

from realtime.values import Box

Area = tuple[int, int, int, int]
Size = tuple[int, int]


def area_of(box: Box) -> Area:
    """The pixels that a box touches."""
    return round(box.x0), round(box.y0), round(box.x1 - box.x0), round(box.y1 - box.y0)


def overlap(a: Area, b: Area) -> int:
    """Pixels that two areas share."""
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    tall = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(wide, 0) * max(tall, 0)


def touches(a: Area, b: Area) -> bool:
    """Whether two areas share pixels: `overlap` in half the time."""
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def inside(area: Area, picture: Size) -> bool:
    return area[0] >= 0 and area[1] >= 0 and area[0] + area[2] <= picture[0] and area[1] + area[3] <= picture[1]


def attached(box: Area, card: Size, gap: int, picture: Size, beside: bool = False) -> list[Area]:
    """Places for a card at a face's box, best first: above, below, to the right, to the left. `beside` puts both sides first: there the
    card leaves forehead and hair free.

    Above and below a card that is wider than its face begins at the box's left edge, ends at its right edge, or is moved into the picture;
    at the sides it begins at the upper edge or ends at the lower one.
    """
    x, y, wide, tall = box
    right, inside_x = x + wide - card[0], min(max(x, 0), max(picture[0] - card[0], 0))
    above, below = y - gap - card[1], y + tall + gap
    places, sides = [(x, above), (inside_x, above), (x, below), (inside_x, below)], [(x + wide + gap, y), (x - gap - card[0], y)]
    places = [*sides, *places] if beside else [*places, *sides]
    places += [(right, above), (right, below), (x + wide + gap, y + tall - card[1]), (x - gap - card[0], y + tall - card[1])]
    # Moved far into the picture, a card would no longer touch its box.
    near = [(left, top) for left, top in places if left < x + wide + 2 * gap and left + card[0] > x - 2 * gap]
    return [(left, top, *card) for left, top in near]


def corners(card: Size, picture: Size, order: str) -> list[Area]:
    """Places for a card in the corners: `order` names them, such as "bl br tl tr" for bottom left first."""
    places = {
        "tl": (0, 0),
        "tr": (picture[0] - card[0], 0),
        "bl": (0, picture[1] - card[1]),
        "br": (picture[0] - card[0], picture[1] - card[1]),
        "tm": ((picture[0] - card[0]) // 2, 0),
        "bm": ((picture[0] - card[0]) // 2, picture[1] - card[1]),
    }
    return [(*places[name], *card) for name in order.split()]


def free(places: Iterable[Area], picture: Size, occupied: Sequence[Area]) -> Area | None:
    """The first place that lies inside the picture and covers none of the occupied areas; None if there is none."""
    for place in places:
        if inside(place, picture):
            for other in occupied:
                if touches(place, other):
                    break
            else:
                return place
    return None


def nearby(box: Area, card: Size, picture: Size) -> list[Area]:
    """Places all over the picture, the nearest to a box first: for a card that has no room beside its face."""
    x, y, wide, _ = box
    across = {0, picture[0] - card[0], (picture[0] - card[0]) // 2, x, x + wide - card[0]}
    places = [(left, top, *card) for top in range(0, max(picture[1] - card[1], 0) + 1, max(card[1], 1)) for left in across]
    return sorted(places, key=lambda place: abs(place[0] - x) + abs(place[1] - y))


def least(places: Sequence[Area], picture: Size, occupied: Sequence[Area]) -> Area:
    """The place that covers the fewest pixels of the occupied areas, after all are moved into the picture."""
    moved = [
        (min(max(x, 0), max(picture[0] - wide, 0)), min(max(y, 0), max(picture[1] - tall, 0)), wide, tall) for x, y, wide, tall in places
    ]
    return min(moved, key=lambda place: sum(overlap(place, other) for other in occupied))
