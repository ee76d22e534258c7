"""Records 300 damaged films of ten containers, and counts what became of them.

    python tests/benchmarks/mutations.py [EACH]             default: 6 of each kind of damage for each container

Prints a line for each container and kind of damage and each film that went wrong. Exits with 1 if one did: if FFmpeg or the program
crashed or hung, took 1 GB, or left a recording that `verify` does not find whole.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mutated_films import CONTAINERS, KINDS, Outcome, mutate, record_films

LIMIT_MB = 1000.0
EACH = 6


def summary(name: str, outcomes: Sequence[Outcome]) -> str:
    counts = Counter(outcome.result for outcome in outcomes)
    return (
        f"{name:9} n {len(outcomes):3}  recorded whole {counts['whole']:3}  one line {counts['trouble']:3}  wrong {counts['wrong']:3}  "
        f"crashes {counts['crash']:3}  hangs {counts['hang']:3}  peak {max(outcome.peak_mb for outcome in outcomes):4.0f} MB  "
        f"longest {max(outcome.s for outcome in outcomes):4.1f} s"
    )


def is_bad(outcome: Outcome) -> bool:
    return outcome.result not in ("whole", "trouble") or outcome.peak_mb > LIMIT_MB


def main() -> int:
    each = int(sys.argv[1]) if len(sys.argv) > 1 else EACH
    with tempfile.TemporaryDirectory() as folder:
        films = list(mutate(Path(folder), each))
        outcomes = list(record_films((path for _, _, path in films), Path(folder)))
    pairs = list(zip(films, outcomes, strict=True))
    for container in CONTAINERS:
        print(summary(container, [outcome for (name, _, _), outcome in pairs if name == container]))
    for kind in KINDS:
        print(summary(kind, [outcome for (_, name, _), outcome in pairs if name == kind]))
    print(summary("all", outcomes))
    bad = [outcome for outcome in outcomes if is_bad(outcome)]
    for outcome in bad:
        print(f"{outcome.path.name}: {outcome.result}, {outcome.peak_mb:.0f} MB: {outcome.text}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
