"""Text where no font can be measured: how wide it is at most likely, and what fits.

A name of 200 characters is cut in its middle, since names that differ often do so at an end::

    fit("common-crawl-2026-05-deduplicated-en-shard-00017", 180) → "common-crawl-20…n-shard-00017"

The widths are those of wide fonts, so that others leave some room.
"""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["cut", "fit"]

_NARROW: Final = frozenset("!'()*,-./:;I[\\]`fijlrt{|} ")
_WIDE: Final = frozenset("%@MWmw—…")


def cut(text: str, most: int) -> str:
    """Return text of `most` characters at most, the middle of a longer one left out."""
    if len(text) <= most:
        return text
    return _without_middle(text, (most - 1) - (most - 1) // 2, (most - 1) // 2)


def fit(text: str, width: int, size: int = 13) -> str:
    """Return what of a text fits into a width, at a size of the font, both in pixels."""
    most = width * 100 // size
    widths = [_width(char) for char in text]
    if sum(widths) <= most:
        return text
    left, right = 0, 0
    taken = _width("…")
    for step in range(len(text)):
        place = left if step % 2 == 0 else len(text) - 1 - right
        if taken + widths[place] > most:
            break
        taken += widths[place]
        left, right = left + (step % 2 == 0), right + step % 2
    return _without_middle(text, left, right)


def _without_middle(text: str, left: int, right: int) -> str:
    """Return so many characters of both ends; none without that on which it stands."""
    end = text[len(text) - right :]
    while end and unicodedata.category(end[0]).startswith("M"):
        end = end[1:]
    return f"{text[:left]}…{end}"


def _width(char: str) -> int:
    """Return the width of a character in hundredths of the font's size."""
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    if unicodedata.east_asian_width(char) in ("W", "F"):
        return 105
    if char in _NARROW:
        return 44
    if char in _WIDE:
        return 108
    return 78 if char.isupper() else 69
