"""One change to a JSON value, somewhere within."""

from __future__ import annotations

import random
from typing import Any

VALUES = (
    *(None, True, 0, 1, -1, 1.0, 0.5, 2**53, 1e300, "", "x", "0", "NaN", [], {}, [[]], {"x": 1}),
    *("__proto__", "toString", "A" * 64, "a" * 64, "=", "AA==", "é", "\u202e", "a\nb"),
)


def changed_somewhere(value: Any, source: random.Random) -> Any:
    """Change one value within a JSON value: another, gone, twice, turned, swapped."""
    if isinstance(value, (list, dict)) and value and source.random() < 0.85:
        names = list(value) if isinstance(value, dict) else list(range(len(value)))
        name = source.choice(names)
        turn = source.random()
        changed = value.copy()
        if turn < 0.06:
            del changed[name]
        elif turn < 0.12 and isinstance(changed, list):
            changed.insert(source.randrange(len(changed) + 1), changed[name])
        elif turn < 0.16 and isinstance(changed, list):
            source.shuffle(changed)
        elif turn < 0.2 and isinstance(changed, dict):
            changed[source.choice([*names, "__proto__", "constructor", "x"])] = changed[name]
        elif turn < 0.24 and isinstance(changed, dict):
            other = source.choice(names)
            changed[name], changed[other] = changed[other], changed[name]
        else:
            changed[name] = changed_somewhere(value[name], source)
        return changed
    if isinstance(value, int) and source.random() < 0.6:
        return value + source.choice((-1, 1, 2, 2**31, 2**53))
    if isinstance(value, str) and value and source.random() < 0.6:
        at = source.randrange(len(value))
        put = source.choice((value[at].swapcase(), "", " ", "\n", value[at] * 2, "A", "0", "+"))
        return value[:at] + put + value[at + 1 :]
    return source.choice(VALUES)
