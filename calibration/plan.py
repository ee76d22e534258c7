"""Which expressions, poses and lights a calibration asks for, and in what order."""

import random
from dataclasses import dataclass

from realtime.values import LABELS

FRONT, SIDE = "front", "side"
PRACTICE, ROOM = "practice", "room"
ORDER = ("neutral", "happiness", "surprise", "sadness", "anger", "fear", "disgust")
"""In a plan, from the resting face over what everybody can do to what is hard to show."""


@dataclass(frozen=True)
class Prompt:
    """One take that is asked for.

    Attributes:
        expression: one of `LABELS`.
        pose: "front", or "side": turned by some 25 degrees to either side.
        light: a name; a prompt whose name is new asks for a change of the light.
        seconds: how long the expression is to be held.
        round: number of the round, from 0; only practice asks for the same expression in several rounds.
    """

    expression: str
    pose: str
    light: str
    seconds: float
    round: int = 0


def make_prompts(plan: str, hold_s: float, rest_s: float) -> tuple[Prompt, ...]:
    """The takes of a plan, in order: expressions are held for `hold_s` seconds, a resting face for `rest_s` seconds.

    - neutral: the resting face.
    - quick: the seven expressions, from the front.
    - full: each expression twice from the front, under two lights, and three times from the side, under three.
    - room: each expression from the front of the first camera, under strong and under weak light, for several cameras at once.
    """
    plans: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {
        "neutral": [(FRONT, "first", ("neutral",))],
        "quick": [(FRONT, "first", ORDER)],
        # All takes of one light follow each other: the light is to be changed only twice.
        "full": [
            (FRONT, "first", ORDER),
            (SIDE, "first", ORDER),
            (FRONT, "second", ORDER),
            (SIDE, "second", ORDER),
            (SIDE, "third", ORDER),
        ],
        ROOM: [(FRONT, "strong", ORDER), (FRONT, "weak", ORDER)],
    }
    return tuple(
        Prompt(expression, pose, light, rest_s if expression == "neutral" else hold_s)
        for pose, light, expressions in plans[plan]
        for expression in expressions
    )


def make_practice_prompts(rounds: int, hold_s: float, rng: random.Random) -> tuple[Prompt, ...]:
    """The seven expressions, each round in another random order; no expression comes twice in a row. The very first is the resting face."""
    order: list[Prompt] = []
    for number in range(rounds):
        prompts = [Prompt(expression, FRONT, "first", hold_s, number) for expression in LABELS]
        rng.shuffle(prompts)
        if not order:
            # What comes after it is measured from it.
            prompts.sort(key=lambda prompt: prompt.expression != "neutral")
        if order and prompts[0].expression == order[-1].expression:
            prompts.append(prompts.pop(0))
        order += prompts
    return tuple(order)
