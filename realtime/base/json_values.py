"""Reads JSON that others may have written: whatever is in it, the only error is ValueError."""

import json
from typing import Any


def parse_json(text: bytes | str) -> Any:
    """The values of a small JSON document.

    Raises:
        ValueError: it is no JSON, is nested too deeply, or has numbers or letters that cannot be written again: NaN, infinity, 1e999, an
            integer of thousands of digits, half of a pair of surrogates.
    """
    try:
        values = json.loads(text)
        json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return values


def is_number(value: object, most: float) -> bool:
    """Whether a JSON value is a number, and no larger than `most` in size. True and false are none."""
    return type(value) in (int, float) and -most <= value <= most  # type: ignore[operator]
