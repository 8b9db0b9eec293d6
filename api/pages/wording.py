"""Values as a person reads them. What comes from statements is hostile: nothing here marks it safe.

::

    {{ 4821 | number }}            4,821
    {{ anchor.block_time | ago }}  3 hours ago
    {{ 2097152 | bytes }}          2.0 MiB
    {{ digest | short }}           6a3149e82f07
    {{ reason | shown }}           what cannot be printed as an escape
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from provenance.lineage.shown import shown
from provenance.statements import Verdict

__all__ = ["FILTERS", "VERDICTS", "ago", "plural", "sentence"]

VERDICTS: Final[dict[Verdict, str]] = {
    "approve": "approved",
    "flag": "flagged",
    "reject": "rejected",
}

_SPANS: Final = ((86400 * 365, "year"), (86400 * 30, "month"), (86400, "day"), (3600, "hour"))


def number(value: int) -> str:
    """Return a whole number in groups of three digits."""
    return f"{value:,}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: ``3 records``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def short(digest: str) -> str:
    """Return the first 12 digits of a hash, as many as tell artifacts apart by eye."""
    return digest[:12]


def size(count: int) -> str:
    """Return a count of bytes in the unit that suits it."""
    amount = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{count:,} bytes" if unit == "bytes" else f"{amount:,.1f} {unit}"


def moment(value: datetime | str) -> str:
    """Return a time in UTC to the second; of text that is none, the text."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return shown(str(value))
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def ago(value: datetime, now: datetime) -> str:
    """Return how long ago a time was; the clocks of chains may be ahead."""
    seconds = (now - value).total_seconds()
    if seconds < 60:
        return "just now"
    for span, noun in _SPANS:
        if seconds >= span:
            return f"{plural(int(seconds // span), noun)} ago"
    return f"{plural(int(seconds // 60), 'minute')} ago"


def sentence(text: str) -> str:
    """Return what an error says as a sentence of its own."""
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"


def lines(text: str) -> str:
    """Return text of several lines, each of them `shown`."""
    return "\n".join(map(shown, text.split("\n")))


def value(value: Any) -> str:
    """Return what was signed as JSON on a line, and text as itself."""
    return shown(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


FILTERS: Final[dict[str, Callable[..., str]]] = {
    "ago": ago,
    "bytes": size,
    "lines": lines,
    "moment": moment,
    "number": number,
    "plural": plural,
    "sentence": sentence,
    "short": short,
    "shown": shown,
    "value": value,
}
