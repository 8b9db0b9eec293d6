"""Options that several commands have, and values of the form K=V."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import typer

from provenance.errors import InputError, MalformedError

__all__ = [
    "Columns",
    "Digest",
    "EncodingName",
    "FollowSymlinks",
    "Ignore",
    "Json",
    "NoCache",
    "Rpc",
    "Signers",
    "Together",
    "TreeOnly",
    "pairs",
    "seconds",
    "values",
]

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]

Signers = Annotated[
    list[str] | None,
    typer.Option(
        "--signer", metavar="NAME", help="Sign with keys/NAME.pem; repeat it for several."
    ),
]

Rpc = Annotated[
    list[str] | None,
    typer.Option(
        "--rpc", metavar="NAME=URL", help="Reach the policy's chain NAME at this JSON-RPC node."
    ),
]

EncodingName = Annotated[
    Literal["json", "file", "chunk", "line"] | None,
    typer.Option(
        "--encoding", help="How records become leaves; by default by the form of the file."
    ),
]

Ignore = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="GLOB",
        help="Leave such files out of a folder; repeatable; part of its encoding.",
    ),
]

FollowSymlinks = Annotated[
    bool, typer.Option("--follow-symlinks", help="Follow symlinks that stay inside the folder.")
]

Together = Annotated[
    bool, typer.Option("--together", help="The tables, in this order, are one artifact.")
]

Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="NAME=TYPE",
        help="Of CSV files: an Arrow type for the cells of a column, such as int64, double, "
        "date32[day]; repeatable. Other cells are text.",
    ),
]

Digest = Annotated[
    Literal["sha256", "blake3"],
    typer.Option("--digest", help="Of each file in a folder; of a single file, beside sha256."),
]

TreeOnly = Annotated[
    bool, typer.Option("--tree-only", help="Of a single file, leave out the digest of all of it.")
]

NoCache = Annotated[bool, typer.Option("--no-cache", help="Read files that did not change, too.")]

MAX_VALUE = 1 << 20


def seconds(option: str, text: str) -> int:
    """Return the seconds of ``30s``, ``10m``, ``2h`` or ``1d``.

    Raises:
        InputError: not of that form.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", text, re.ASCII)
    if found is None:
        raise InputError(f"{option} takes a time such as 30s, 10m, 2h or 1d, not {text!r}")
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]


def pairs(option: str, given: Iterable[str] | None) -> dict[str, str]:
    """Return K → V of options such as ``--meta K=V``.

    Raises:
        InputError: not of the form K=V, or K was given twice.
    """
    found: dict[str, str] = {}
    for pair in given or ():
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise InputError(f"{option} takes NAME=VALUE, not {pair!r}")
        if name in found:
            raise InputError(f"{option} was given {name!r} twice")
        found[name] = value
    return found


def values(option: str, given: Iterable[str] | None) -> dict[str, Any]:
    """Return K → V, where a V that is JSON is that value, and any other is text.

    Raises:
        InputError: as `pairs`, or text that is not UTF-8.
    """
    return {name: _value(option, name, text) for name, text in pairs(option, given).items()}


def _value(option: str, name: str, text: str) -> Any:
    from provenance import forms

    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise InputError(f"{option} {name!r} is not UTF-8") from None
    try:
        value = forms.parse(data, what=option, cap=MAX_VALUE)
    except MalformedError:
        return text
    return text if value is None else value
