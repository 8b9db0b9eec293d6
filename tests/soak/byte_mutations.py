"""What can be done to a text of lines, numbers and base64: by chance, and as an attacker would."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

__all__ = ["mutate_bytes"]

TOKENS = (
    *(b"\n", b"\n\n", b" ", b"\t", b"\r", b"\r\n", b"\0", b"\x7f", b"+", b"-", b"=", b"==", b"/"),
    *(b"0", b"00", b"-1", b"9007199254740992", b"18446744073709551616", b"1e3", b"0x10", b"1_0"),
    *("— ".encode(), "—".encode()[:2], "٣".encode(), "é".encode(), "\u2028".encode(), b"\xff"),
    *(b"old 0\n", b"index 0\n", b"extra AA==\n", b"c2sp.org/tlog-proof@v1\n", b"A" * 44, b""),
)
_NUMBER = re.compile(rb"(?<![\w/+])[0-9]+(?![\w/+])")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{20,}={0,2}")


def mutate_bytes(data: bytes, others: Sequence[bytes], source: random.Random) -> bytes:
    """Return `data` with one to three things done to it; `others` are true, and not `data`."""
    changed = data
    while changed == data or changed in others:
        changed = data
        for _ in range(source.choice((1, 1, 1, 2, 3))):
            changed = source.choice(OPERATIONS)(changed, source.choice(others), source)
    return changed


def _flip(data: bytes, _: bytes, source: random.Random) -> bytes:
    at = source.randrange(max(1, len(data)))
    return (
        data[:at]
        + bytes(value ^ 1 << source.randrange(8) for value in data[at : at + 1])
        + (data[at + 1 :])
    )


def _slice(data: bytes, source: random.Random) -> tuple[int, int]:
    """Return where a slice begins and ends: often a short one."""
    begin = source.randrange(len(data) + 1)
    length = source.choice((1, 2, 4, 32, len(data)))
    return begin, min(len(data), begin + source.randrange(length + 1))


def _cut(data: bytes, _: bytes, source: random.Random) -> bytes:
    begin, end = _slice(data, source)
    return data[:begin] + data[end:]


def _double(data: bytes, _: bytes, source: random.Random) -> bytes:
    begin, end = _slice(data, source)
    return data[:end] + data[begin:]


def _put(data: bytes, _: bytes, source: random.Random) -> bytes:
    begin, end = source.choice(((source.randrange(len(data) + 1),) * 2, _slice(data, source)))
    return data[:begin] + source.choice((*TOKENS, source.randbytes(3))) + data[end:]


def _graft(data: bytes, other: bytes, source: random.Random) -> bytes:
    """Take a slice from another true text, from where it lies or from anywhere."""
    begin, end = _slice(data, source)
    there = source.choice((begin, source.randrange(len(other) + 1)))
    return data[:begin] + other[there : there + end - begin] + data[end:]


def _lines(data: bytes, other: bytes, source: random.Random) -> bytes:
    """Drop, double, swap or exchange whole lines."""
    lines, more = data.split(b"\n"), other.split(b"\n")
    at, to = source.randrange(len(lines)), source.randrange(len(lines))
    kind = source.randrange(5)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(to, lines[at])
    elif kind == 2:
        lines[at], lines[to] = lines[to], lines[at]
    elif kind == 3:
        lines[at] = source.choice((more[min(at, len(more) - 1)], source.choice(more)))
    else:
        lines.insert(at, source.choice(more))
    return b"\n".join(lines)


def _number(data: bytes, _: bytes, source: random.Random) -> bytes:
    """Change a number, or only the way it is written."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    match = source.choice(found)
    value = int(match[0])
    written = source.choice(
        (
            *(str(value + 1), str(max(0, value - 1)), str(2 * value), str(value // 2), str(-value)),
            *(f"0{value}", f"+{value}", f"{value} ", f" {value}", f"{value}.0", f"{value:_}"),
            *(
                str(value + 2**53),
                str(value + 2**64),
                "".join(chr(0x660 + int(d)) for d in str(value)),
            ),
        )
    )
    return data[: match.start()] + written.encode() + data[match.end() :]


def _base64(data: bytes, _: bytes, source: random.Random) -> bytes:
    """Change a base64 text, or only the way it is written."""
    found = list(_BASE64.finditer(data))
    if not found:
        return data
    match = source.choice(found)
    text = match[0]
    body = text.rstrip(b"=")
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet.index(body[-1:]) ^ source.choice((1, 2, 3))  # bits that padding hides
    at = source.randrange(len(text))
    written = source.choice(
        (
            body,
            text + b"=",
            body[:-1] + alphabet[last : last + 1] + text[len(body) :],
            text.replace(b"+", b"-").replace(b"/", b"_"),
            text[:at] + b"\n" + text[at:],
            text.swapcase(),
            text[: at // 4 * 4] + text[at // 4 * 4 + 4 :],
        )
    )
    return data[: match.start()] + written + data[match.end() :]


OPERATIONS = (_flip, _flip, _cut, _double, _put, _graft, _lines, _lines, _number, _base64)
